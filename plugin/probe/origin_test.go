package probe

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
)

// Reports of the local system are distinguished from reports of routers. Loopback has
// a route on every machine, a link-local address without a zone has none.
func TestErrorsAreAttributed(t *testing.T) {
	v4, v6, none := netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("::1"), netip.MustParseAddr("fe80::1")
	if !routed(netip.AddrPortFrom(v6, 80)) {
		t.Log("this machine has no IPv6")
		v6 = netip.MustParseAddr("::ffff:127.0.0.1")
	}
	for _, tc := range []struct {
		addr  netip.Addr
		errno syscall.Errno
		local bool
	}{
		{v4, syscall.ENETUNREACH, false},
		{v4, syscall.EHOSTUNREACH, false},
		{v4, syscall.EINVAL, false},
		{v4, syscall.EACCES, true}, // over IPv4 no router reports it
		{v4, syscall.EPERM, true},  // nor this
		{v4, syscall.EMFILE, true},
		{v6, syscall.ENETUNREACH, false},
		{v6, syscall.EHOSTUNREACH, false},
		{v6, syscall.EACCES, v6.Is4In6()},
		{v6, syscall.EPERM, true},
		{none, syscall.ENETUNREACH, true},
		{none, syscall.EHOSTUNREACH, true},
		{none, syscall.EACCES, true},
		{none, syscall.EINVAL, true},
	} {
		for _, target := range []fmt.Stringer{tc.addr, netip.AddrPortFrom(tc.addr, 80)} {
			cause := &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", tc.errno)}
			err := broken("tcp", target, "connecting", cause)
			var known interface{ Local() bool }
			if local := !errors.As(err, &known) || known.Local(); local != tc.local {
				t.Errorf("%v from %s: local %t, want %t", tc.errno, target, local, tc.local)
			}
			if !errors.Is(err, tc.errno) {
				t.Errorf("%v from %s: the cause is lost", tc.errno, target)
			}
		}
	}
}
