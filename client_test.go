package rrhealth

import (
	"context"
	"net"
	"testing"
)

// A writer from somewhere.
type writerFrom struct {
	nullWriter
	addr net.Addr
}

func (w writerFrom) RemoteAddr() net.Addr { return w.addr }

type textAddr string

func (a textAddr) Network() string { return "?" }
func (a textAddr) String() string  { return string(a) }

func TestRemoteAddr(t *testing.T) {
	for _, tc := range []struct {
		addr net.Addr
		want string
	}{
		{&net.UDPAddr{IP: net.ParseIP("198.51.100.7"), Port: 53}, "198.51.100.7"}, // in 16 bytes
		{&net.TCPAddr{IP: net.IPv4(198, 51, 100, 7).To4(), Port: 53}, "198.51.100.7"},
		{&net.TCPAddr{IP: net.ParseIP("fe80::1"), Zone: "eth0", Port: 53}, "fe80::1"},
		{textAddr("[2001:db8::1]:443"), "2001:db8::1"},
		{textAddr("somewhere"), "invalid IP"},
		{nil, "invalid IP"},
	} {
		if got := remoteAddr(writerFrom{addr: tc.addr}).String(); got != tc.want {
			t.Errorf("%v: got %s, want %s", tc.addr, got, tc.want)
		}
	}
	// A client without an address is answered, too.
	h := handler(t, "rrhealth www.example.org {\nbackend 192.0.2.1 192.0.2.2 192.0.2.3 192.0.2.4 192.0.2.5 192.0.2.6 192.0.2.7 192.0.2.8 192.0.2.9 192.0.2.10\npolicy sticky\n}")
	if _, err := h.ServeDNS(context.Background(), writerFrom{}, query("www.example.org.")); err != nil {
		t.Error(err)
	}
}
