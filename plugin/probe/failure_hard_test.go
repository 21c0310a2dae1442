package probe

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestHardTellsWhatIsTheBackendsOwn(t *testing.T) {
	target := netip.MustParseAddrPort("192.0.2.7:80")
	for _, tc := range []struct {
		name string
		err  error
		want bool
	}{
		{"a wrong answer", failed("http", target, "status 500, want 200"), true},
		{"refused", broken("tcp", target, "connecting", syscall.ECONNREFUSED), true},
		{"reset", broken("tcp", target, "reading", &net.OpError{Op: "read", Err: syscall.ECONNRESET}), true},
		{"closed while we wrote", broken("tcp", target, "sending", syscall.EPIPE), true},
		{"closed before it answered", broken("tcp", target, "reading", io.EOF), true},
		{"closed amid its answer", broken("tcp", target, "reading", io.ErrUnexpectedEOF), true},
		{"timed out", broken("tcp", target, "connecting", context.DeadlineExceeded), false},
		{"timed out in the kernel", broken("tcp", target, "connecting", syscall.ETIMEDOUT), false},
		{"no way to the host", broken("tcp", target, "connecting", syscall.EHOSTUNREACH), false},
		{"canceled", broken("tcp", target, "reading", net.ErrClosed), false},
		{"something else", broken("tcp", target, "reading", errors.New("?")), false},
	} {
		var known interface{ Hard() bool }
		if !errors.As(tc.err, &known) || known.Hard() != tc.want {
			t.Errorf("%s: hard %t, want %t", tc.name, !tc.want, tc.want)
		}
	}
}

// The same with the probes themselves.
func TestHardFailuresOfRealServers(t *testing.T) {
	listen := func(serve func(net.Conn)) net.Listener {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() })
		go func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				go serve(conn)
			}
		}()
		return l
	}
	port := func(l net.Listener) string { _, p, _ := net.SplitHostPort(l.Addr().String()); return p }
	failing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }))
	t.Cleanup(failing.Close)
	secure := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(secure.Close)
	closed := listen(nil)
	_ = closed.Close()

	for _, tc := range []struct {
		name, check string
		want        bool
	}{
		{"refused", "tcp://:" + port(closed), true},
		{"wrong status", "http://:" + port(failing.Listener), true},
		{"an authority that is not trusted", "https://www.example.org:" + port(secure.Listener), true},
		{"reset", "http://:" + port(listen(func(c net.Conn) { _ = c.(*net.TCPConn).SetLinger(0); _ = c.Close() })), true},
		{"closed", "http://:" + port(listen(func(c net.Conn) { _ = c.Close() })), true},
		{"silent", "http://:" + port(listen(func(c net.Conn) { _, _ = io.Copy(io.Discard, c); _ = c.Close() })), false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			check, err := Parse(Spec{Args: []string{tc.check}})
			if err != nil {
				t.Fatal(err)
			}
			timeout := 10 * time.Second
			if strings.HasPrefix(tc.name, "silent") {
				timeout = 50 * time.Millisecond
			}
			ctx, cancel := context.WithTimeout(t.Context(), timeout)
			defer cancel()
			err = check.Probe(ctx, netip.MustParseAddr("127.0.0.1"))
			var known interface{ Hard() bool }
			if !errors.As(err, &known) || known.Hard() != tc.want {
				t.Errorf("%v: hard %t, want %t", err, !tc.want, tc.want)
			}
		})
	}
}
