package probe

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
)

// Sources of the error numbers that a probe gets (Linux, net/ipv4/icmp.c and
// net/ipv6/icmp.c):
//
//	             the local system                       a router, by ICMP
//	ENETUNREACH  no route, a family that is disabled    no route
//	EHOSTUNREACH a route of type unreachable;           host unreachable, prohibited
//	             a gateway that does not answer ARP     (IPv4), TTL exceeded
//	EACCES       a route of type prohibit, SELinux      prohibited (IPv6 only)
//	EINVAL       a route of type blackhole              never
//	EPERM        netfilter, eBPF                        never
//	ECONNREFUSED netfilter with reject                  port unreachable
//
// A local error takes no backend down. If a router's report counted as one, a
// backend behind a router without a route would be answered forever. If the
// error number can come from both, connecting a UDP socket decides: it sends
// nothing and consults only the local routing table and policy.
//
// Two local causes still count as failures of the target. One is a gateway that
// does not answer ARP: no backend behind it can be reached, and all_down decides
// what is answered. The other is a local firewall that rejects a probe's packets
// with ICMP, like a router; a firewall that drops them causes EPERM or a timeout.

// A reported error is one that another machine reported.
type reported struct{ error }

// Local returns false: the monitor must not take the error for a local one.
func (reported) Local() bool { return false }

func (r reported) Unwrap() error { return r.error }

// attribute returns err, as a reported error if another machine reported it.
func attribute(target fmt.Stringer, err error) error {
	errno, ok := errors.AsType[syscall.Errno](err)
	if !ok {
		return err
	}
	to, ok := target.(netip.AddrPort)
	if !ok {
		addr, _ := target.(netip.Addr)
		to = netip.AddrPortFrom(addr, discard)
	}
	switch errno {
	case syscall.ENETUNREACH, syscall.EHOSTUNREACH, syscall.EINVAL:
	case syscall.EACCES:
		if to.Addr().Unmap().Is4() {
			return err
		}
	default:
		return err
	}
	if !routed(to) {
		return err
	}
	return reported{err}
}

// discard is the port for checks without a port. Nothing is sent to it.
const discard = 9

// routed reports whether the local system has a route to target.
func routed(target netip.AddrPort) bool {
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(target))
	if err != nil {
		return false
	}
	_ = conn.Close()
	return true
}
