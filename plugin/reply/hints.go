package reply

import (
	"iter"
	"net"
	"net/netip"
	"slices"

	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/plugin/pool"
)

// Clients connect to the hints in SVCB and HTTPS records before they have asked
// for the addresses (RFC 9460, section 7.3).

// Hints yields the addresses in the hints of an SVCB or HTTPS record. Other
// records have none.
func Hints(rr dns.RR) iter.Seq[netip.Addr] {
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

// DropHints returns a copy of rr without the hints that drop selects, or nil if
// it selects none.
func DropHints(rr dns.RR, drop func(netip.Addr) bool) dns.RR {
	dropped := func(ip net.IP) bool {
		addr, ok := hintAddr(ip)
		return ok && drop(addr)
	}
	values := svcbValues(rr)
	if values == nil || !slices.ContainsFunc(*values, func(v dns.SVCBKeyValue) bool {
		ips := hintsOf(v)
		return ips != nil && slices.ContainsFunc(*ips, dropped)
	}) {
		return nil
	}
	return EditHints(rr, func(_ pool.Family, ips []net.IP) []net.IP { return slices.DeleteFunc(ips, dropped) })
}

// EditHints returns a copy of rr with the result of edit in place of its hints of
// each family. edit may change the slice that it is given. Where no hint is left,
// the parameter is removed, and its key from the list of mandatory ones.
func EditHints(rr dns.RR, edit func(pool.Family, []net.IP) []net.IP) dns.RR {
	rr = dns.Copy(rr)
	values := svcbValues(rr)
	if values == nil {
		return rr
	}
	var emptied []dns.SVCBKey
	*values = slices.DeleteFunc(*values, func(v dns.SVCBKeyValue) bool {
		ips := hintsOf(v)
		if ips == nil {
			return false
		}
		f := pool.V4
		if v.Key() == dns.SVCB_IPV6HINT {
			f = pool.V6
		}
		*ips = edit(f, *ips)
		if len(*ips) == 0 {
			emptied = append(emptied, v.Key())
		}
		return len(*ips) == 0
	})
	removeMandatory(values, emptied)
	return rr
}

// removeMandatory removes keys, which have no parameter any longer, from the list
// of mandatory ones. The record would be malformed (RFC 9460, section 8).
func removeMandatory(values *[]dns.SVCBKeyValue, keys []dns.SVCBKey) {
	*values = slices.DeleteFunc(*values, func(v dns.SVCBKeyValue) bool {
		mandatory, ok := v.(*dns.SVCBMandatory)
		if !ok {
			return false
		}
		mandatory.Code = slices.DeleteFunc(mandatory.Code, func(k dns.SVCBKey) bool { return slices.Contains(keys, k) })
		return len(mandatory.Code) == 0
	})
}

// svcbValues returns the parameters of an SVCB or HTTPS record, else nil.
func svcbValues(rr dns.RR) *[]dns.SVCBKeyValue {
	switch rr := rr.(type) {
	case *dns.SVCB:
		return &rr.Value
	case *dns.HTTPS:
		return &rr.Value
	}
	return nil
}

// hintsOf returns the addresses of an ipv4hint or ipv6hint, else nil.
func hintsOf(v dns.SVCBKeyValue) *[]net.IP {
	switch v := v.(type) {
	case *dns.SVCBIPv4Hint:
		return &v.Hint
	case *dns.SVCBIPv6Hint:
		return &v.Hint
	}
	return nil
}
