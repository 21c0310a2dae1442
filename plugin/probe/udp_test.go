package probe

import (
	"net"
	"testing"
)

// answersUDP starts a server that sends what answer makes of each datagram,
// unless that is nil.
func answersUDP(answer func([]byte) []byte) func(*testing.T) string {
	return func(t *testing.T) string {
		t.Helper()
		conn, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			buf := make([]byte, 64<<10)
			for {
				n, from, err := conn.ReadFrom(buf)
				if err != nil {
					return
				}
				if reply := answer(buf[:n]); reply != nil {
					_, _ = conn.WriteTo(reply, from)
				}
			}
		}()
		t.Cleanup(func() { _ = conn.Close(); <-done })
		_, port, _ := net.SplitHostPort(conn.LocalAddr().String())
		return port
	}
}

func always(text string) func([]byte) []byte {
	return func([]byte) []byte { return []byte(text) }
}

func udpRows(*testing.T) []row {
	const url = "udp://:PORT"
	options := []string{"send ping", "expect ^pong$"}
	return []row{
		{name: "udp: as expected", check: url, options: options, serve: answersUDP(always("pong"))},
		{name: "udp: another reply", check: url, options: options, serve: answersUDP(always("what?"))},
		{name: "udp: an empty reply", check: url, options: options, serve: answersUDP(always(""))},
		{name: "udp: rubbish", check: url, options: options, serve: answersUDP(always("\x00\x01\xff\xfe"))},
		{name: "udp: a reply of many bytes", check: url, options: options, serve: answersUDP(always(string(make([]byte, 60000))))},
		{name: "udp: silence", check: url, options: options, serve: answersUDP(func([]byte) []byte { return nil }), silent: true},
		{name: "udp: closed port", check: url, options: options, serve: unused},
		{name: "udp: an echo of the secret that was sent", check: url, options: []string{`send login:hunter2hunter2`, "expect ^welcome"}, serve: answersUDP(func(b []byte) []byte { return b })},
	}
}

func TestTheDatagramIsWhatTheCorefileSays(t *testing.T) {
	received := make(chan string, 1)
	port := answersUDP(func(b []byte) []byte { received <- string(b); return []byte("ok") })(t)
	if err := ask(t, check(t, port, "udp://:PORT", `send \xff\xff\xff\xffgetstatus`, "expect ok"), enough); err != nil {
		t.Fatal(err)
	}
	if got, want := <-received, "\xff\xff\xff\xffgetstatus"; got != want {
		t.Errorf("sent %q, want %q", got, want)
	}
}
