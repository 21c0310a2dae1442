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
		t.Errorf("dialing %s: %v, want connection refused", addr, err)
	}
}

func TestServersMayListenOnAReservedPortInTurn(t *testing.T) {
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

// The system gives a port to each of many sockets, but never a reserved one.
func TestTheSystemGivesNoReservedPort(t *testing.T) {
	host := Net(t)
	reserved := map[string]bool{Port(t, host+"1"): true, Closed(t): true}
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
			if _, port, _ := net.SplitHostPort(l.Addr().String()); reserved[port] {
				t.Fatalf("%s got port %s, which is reserved", addr, port)
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
			t.Errorf("port %s of %s is free, want it reserved", port, ip)
		}
	}
}

func TestNetsDiffer(t *testing.T) {
	if a, b := Net(t), Net(t); a == b {
		t.Errorf("got %s twice, want two ranges", a)
	}
}
