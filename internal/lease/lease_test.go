//go:build linux

package lease

import (
	"errors"
	"net"
	"syscall"
	"testing"
)

func refused(t *testing.T, addr string) {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err == nil {
		_ = c.Close()
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("dialing %s: %v, want that it is refused", addr, err)
	}
}

func TestAPortIsKeptForThoseWhoListenOnItAgainAndAgain(t *testing.T) {
	host := Net(t)
	port := Port(t, host+"1")
	for range 3 {
		refused(t, host+"1:"+port)
		l, err := net.Listen("tcp", host+"1:"+port)
		if err != nil {
			t.Fatal(err)
		}
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_ = c.Close()
		_ = l.Close()
	}
}

// The system gives a port to each of many sockets. None gets one that is kept.
func TestNobodyIsGivenAPortThatIsKept(t *testing.T) {
	host := Net(t)
	kept := map[string]bool{Port(t, host+"1"): true, Closed(t): true}
	for _, addr := range []string{host + "1:0", ":0"} {
		for range 2000 {
			l, err := net.Listen("tcp", addr)
			if errors.Is(err, syscall.EADDRINUSE) || errors.Is(err, syscall.EMFILE) {
				break // all ports are taken
			}
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			if _, port, _ := net.SplitHostPort(l.Addr().String()); kept[port] {
				t.Fatalf("%s was given port %s, which is kept", addr, port)
			}
		}
	}
}

func TestAClosedPortIsClosedEverywhere(t *testing.T) {
	port := Closed(t)
	for _, ip := range []string{"127.0.0.1", Net(t) + "7"} {
		refused(t, net.JoinHostPort(ip, port))
		if l, err := net.Listen("tcp", net.JoinHostPort(ip, port)); err == nil {
			_ = l.Close()
			t.Errorf("port %s of %s is to be had", port, ip)
		}
	}
}

func TestNetsDiffer(t *testing.T) {
	if a, b := Net(t), Net(t); a == b {
		t.Errorf("%s twice", a)
	}
}
