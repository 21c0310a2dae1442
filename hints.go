package rrhealth

import (
	"net"
	"net/netip"
	"slices"

	"github.com/miekg/dns"
)

// dropHints returns m without the dead address hints of its SVCB and HTTPS
// records (RFC 9460, section 7.3), or m itself when it has none. Clients connect
// to hints before they have asked for the addresses: a dead one there undoes
// what leaving it out of A and AAAA did. Records below us may belong to whoever
// wrote them: they are never changed.
func dropHints(m *dns.Msg, dead func(netip.Addr) bool) *dns.Msg {
	mended := m
	for i, rr := range m.Answer {
		record := living(rr, dead)
		if record == nil {
			continue
		}
		if mended == m {
			copied := *m
			copied.Answer = slices.Clone(m.Answer)
			mended = &copied
		}
		mended.Answer[i] = record
	}
	return mended
}

// living returns a copy of rr without its dead hints, or nil where rr has none.
func living(rr dns.RR, dead func(netip.Addr) bool) dns.RR {
	values := svcbValues(rr)
	if values == nil || !slices.ContainsFunc(*values, func(v dns.SVCBKeyValue) bool { return hasDead(v, dead) }) {
		return nil
	}
	rr = dns.Copy(rr)
	values = svcbValues(rr)
	var emptied []dns.SVCBKey
	*values = slices.DeleteFunc(*values, func(v dns.SVCBKeyValue) bool {
		ips := hintsOf(v)
		if ips == nil {
			return false
		}
		*ips = slices.DeleteFunc(*ips, func(ip net.IP) bool { return isDead(ip, dead) })
		if len(*ips) == 0 {
			emptied = append(emptied, v.Key())
		}
		return len(*ips) == 0
	})
	forget(values, emptied)
	return rr
}

// forget takes keys that are gone out of the list of mandatory ones, which
// would otherwise make the record malformed (RFC 9460, section 8).
func forget(values *[]dns.SVCBKeyValue, keys []dns.SVCBKey) {
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

func hasDead(v dns.SVCBKeyValue, dead func(netip.Addr) bool) bool {
	ips := hintsOf(v)
	return ips != nil && slices.ContainsFunc(*ips, func(ip net.IP) bool { return isDead(ip, dead) })
}

func isDead(ip net.IP, dead func(netip.Addr) bool) bool {
	addr, ok := netip.AddrFromSlice(ip)
	return ok && dead(addr.Unmap())
}
