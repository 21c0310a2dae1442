package probe

import (
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"
	"time"
)

// says returns a server that says text and waits for the other side to close.
func says(text string) func(*testing.T) string {
	return func(t *testing.T) string {
		t.Helper()
		return serve(t, func(c net.Conn) { fmt.Fprint(c, text); until(c) })
	}
}

// handled returns a server that does what handle does.
func handled(handle func(net.Conn)) func(*testing.T) string {
	return func(t *testing.T) string {
		t.Helper()
		return serve(t, handle)
	}
}

// silent accepts, and says nothing.
func silent(t *testing.T) string {
	t.Helper()
	return serve(t, until)
}

// resets accepts, and resets the connection.
func resets(t *testing.T) string {
	t.Helper()
	return serve(t, func(c net.Conn) {
		_, _ = c.Read(make([]byte, 1))
		reset(c)
	})
}

// closes accepts, reads something, and closes.
func closes(t *testing.T) string {
	t.Helper()
	return serve(t, func(c net.Conn) { _, _ = c.Read(make([]byte, 4<<10)) })
}

// endless says the beginning, and then the rest over and over.
func endless(beginning, rest string) func(*testing.T) string {
	block := []byte(strings.Repeat(rest, 32<<10/len(rest)))
	return func(t *testing.T) string {
		t.Helper()
		return serve(t, func(c net.Conn) { flood(c, beginning, block) })
	}
}

func flood(c net.Conn, beginning string, block []byte) {
	_, err := c.Write([]byte(beginning))
	for err == nil {
		_, err = c.Write(block)
	}
}

// dribbles says a beginning, and then a byte at a time, with pauses, for ever.
func dribbles(beginning, text string) func(*testing.T) string {
	return func(t *testing.T) string {
		t.Helper()
		return serve(t, func(c net.Conn) {
			tick := time.NewTicker(time.Millisecond)
			defer tick.Stop()
			_, _ = io.WriteString(c, beginning)
			for i := 0; ; i++ {
				if _, err := c.Write([]byte{text[i%len(text)]}); err != nil {
					return
				}
				<-tick.C
			}
		})
	}
}

func tcpRows(*testing.T) []row {
	const url = "tcp://:PORT"
	ssh := "SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n"
	return []row{
		{name: "tcp: listens", check: url, serve: silent},
		{name: "tcp: listens, but never accepts", check: url, serve: deaf},
		{name: "tcp: listens, but its queue is full", check: url, serve: full, silent: true},
		{name: "tcp: closed port", check: url, serve: unused},
		{name: "tcp: listens, and resets what is accepted", check: url, serve: resets},
		{name: "tcp expect: as expected", check: url, options: []string{"expect ^SSH-2"}, serve: says(ssh)},
		{name: "tcp expect: as expected, without a line end", check: url, options: []string{"send PING", "expect ^PONG$"}, serve: says("PONG")},
		{name: "tcp expect: another banner, and waits", check: url, options: []string{"expect ^220"}, serve: says(ssh), silent: true},
		{name: "tcp expect: another banner, then closes", check: url, options: []string{"expect ^220"}, serve: handled(func(c net.Conn) { fmt.Fprint(c, "554 go away\r\n") })},
		{name: "tcp expect: silence", check: url, options: []string{"expect ^220"}, serve: silent, silent: true},
		{name: "tcp expect: closes without a reply", check: url, options: []string{"send PING", "expect PONG"}, serve: closes},
		{name: "tcp expect: resets", check: url, options: []string{"send PING", "expect PONG"}, serve: resets},
		{name: "tcp expect: talks without end", check: url, options: []string{"expect NEVER"}, serve: endless("", "blah ")},
		{name: "tcp expect: dribbles without end", check: url, options: []string{"expect NEVER"}, serve: dribbles(strings.Repeat("drip ", 9), "drip "), silent: true},
		{name: "tcp expect: binary rubbish", check: url, options: []string{"expect ^220"}, serve: handled(func(c net.Conn) { fmt.Fprint(c, "\x00\xff\x1b[31m\r\n\xc3") })},
		{name: "tcp expect: repeats the password that was sent", check: url, options: []string{`send AUTH\x20hunter2hunter2\r\n`, `expect ^\+OK`}, serve: handled(func(c net.Conn) {
			_, _ = c.Read(make([]byte, 100))
			fmt.Fprint(c, "-ERR no such password: hunter2hunter2\r\n")
		})},
	}
}

// full listens with a queue of one connection, which is taken: the kernel
// ignores who else comes.
func full(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	raw, err := l.(*net.TCPListener).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if err := raw.Control(func(fd uintptr) { _ = syscall.Listen(int(fd), 0) }); err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

// deaf listens and never accepts: the kernel does so in its place.
func deaf(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

func TestWhatIsSentIsWhatTheCorefileSays(t *testing.T) {
	received := make(chan string, 1)
	port := serve(t, func(c net.Conn) {
		buf := make([]byte, 100)
		n, _ := c.Read(buf)
		received <- string(buf[:n])
		fmt.Fprint(c, "ok")
	})
	if err := ask(t, check(t, port, "tcp://:PORT", `send a\r\n\t\0\\\x41\xff`, "expect ok"), enough); err != nil {
		t.Fatal(err)
	}
	if got, want := <-received, "a\r\n\t\x00\\A\xff"; got != want {
		t.Errorf("sent %q, want %q", got, want)
	}
}

func TestAReplyInPiecesIsMatchedAsSoonAsItMatches(t *testing.T) {
	re := regexp.MustCompile(`^220 .*ESMTP`)
	banner := "220 mail.example.org ESMTP Postfix\r\n" + strings.Repeat("x", 100)
	reply, err := readUntil(iotest.OneByteReader(strings.NewReader(banner)), re)
	if err != nil || string(reply) != "220 mail.example.org ESMTP" {
		t.Errorf("read %q, %v, want just what matches", reply, err)
	}
}

func TestAReplyInThousandsOfPiecesIsStillMatched(t *testing.T) {
	for _, length := range []int{promptPieces - 3, promptPieces, 5 * promptPieces, maxReply - 3} {
		text := strings.Repeat(".", length) + "END"
		if _, err := readUntil(iotest.OneByteReader(strings.NewReader(text)), regexp.MustCompile("END")); err != nil {
			t.Errorf("after %d bytes: %v, want a match", length, err)
		}
	}
	text := strings.Repeat(".", maxReply) + "END"
	if reply, err := readUntil(strings.NewReader(text), regexp.MustCompile("END")); !errors.Is(err, errNoMatch) || len(reply) != maxReply {
		t.Errorf("%d bytes, %v, want %d and no match: beyond that nothing is read", len(reply), err, maxReply)
	}
}

func TestTheCauseOfAFailureCanBeReached(t *testing.T) {
	err := ask(t, check(t, unused(t), "tcp://:PORT"), enough)
	if !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("%v: want ECONNREFUSED inside: who judges tells local errors from the backend's by it", err)
	}
}
