package probe

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
)

// Who reports an error number to a probe (Linux, net/ipv4/icmp.c and
// net/ipv6/icmp.c):
//
//	             the local system                       a router, by ICMP
//	ENETUNREACH  no route, a family that is off         no route
//	EHOSTUNREACH a route of type unreachable;           host unreachable, prohibited
//	             a gateway that does not answer ARP     (IPv4), TTL exceeded
//	EACCES       a route of type prohibit, SELinux      prohibited (IPv6 only)
//	EINVAL       a route of type blackhole              never
//	EPERM        netfilter, eBPF                        never
//	ECONNREFUSED netfilter with reject                  port unreachable
//
// A local error takes nothing out of the answers. If what a router reports
// counted as one, a host behind a router that lost its route would be answered
// for ever. Where the error number leaves it open, connecting a UDP socket
// decides: it sends nothing and asks the local routing table and policy only.
//
// What that cannot tell is the target's failure: a gateway that does not answer
// ARP (nothing behind it can be reached, and all_down answers all of a pool that
// is behind it), and a local firewall that rejects what a probe sends (it protocols
// ICMP, like a router; one that drops shows as EPERM or as a timeout).

// A reported error is one that another machine has reported.
type reported struct{ error }

// Local tells the monitor that the error is none of the local system.
func (reported) Local() bool { return false }

func (r reported) Unwrap() error { return r.error }

// attribute returns err, as reported where another machine has reported it.
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

// discard is the port that is asked for where a check has none. Nothing is sent.
const discard = 9

// routed reports whether the local system has a way to target.
func routed(target netip.AddrPort) bool {
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(target))
	if err != nil {
		return false
	}
	_ = conn.Close()
	return true
}
