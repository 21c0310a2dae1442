package rrhealth

import (
	"iter"
	"net"
	"net/netip"

	"github.com/miekg/dns"
)

// addrOf returns the address in an A or AAAA record. For other records, and
// for an IPv4 address dressed up as IPv6, it returns no valid one.
func addrOf(rr dns.RR) netip.Addr {
	switch rr := rr.(type) {
	case *dns.A:
		if len(rr.A) == net.IPv4len {
			return netip.AddrFrom4([4]byte(rr.A))
		}
		addr, _ := netip.AddrFromSlice(rr.A)
		if addr = addr.Unmap(); addr.Is4() {
			return addr
		}
	case *dns.AAAA:
		addr, _ := netip.AddrFromSlice(rr.AAAA)
		if addr.Is6() && !addr.Is4In6() {
			return addr
		}
	}
	return netip.Addr{}
}

// hintAddrs yields the addresses in the hints of an SVCB or HTTPS record.
func hintAddrs(rr dns.RR) iter.Seq[netip.Addr] {
	return func(yield func(netip.Addr) bool) {
		values := svcbValues(rr)
		if values == nil {
			return
		}
		for _, v := range *values {
			ips := hintsOf(v)
			if ips == nil {
				continue
			}
			for _, ip := range *ips {
				if addr, ok := hintAddr(ip); ok && !yield(addr) {
					return
				}
			}
		}
	}
}

func hintAddr(ip net.IP) (netip.Addr, bool) {
	addr, ok := netip.AddrFromSlice(ip)
	return addr.Unmap(), ok
}
