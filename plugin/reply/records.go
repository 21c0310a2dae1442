package reply

import (
	"net"
	"net/netip"

	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/plugin/pool"
)

// Addr returns the address in an A or AAAA record. For other records, and for an
// IPv4 address that is written as IPv6, it returns the zero Addr.
func Addr(rr dns.RR) netip.Addr {
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

// Record returns an A or AAAA record for addr, with a TTL in seconds.
func Record(owner string, ttl uint32, addr netip.Addr) dns.RR {
	header := dns.RR_Header{Name: owner, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: ttl}
	if addr.Is4() {
		return &dns.A{Hdr: header, A: addr.AsSlice()}
	}
	header.Rrtype = dns.TypeAAAA
	return &dns.AAAA{Hdr: header, AAAA: addr.AsSlice()}
}

// Records returns a record for each of the members at the indices in order, with
// room for one more, a signature.
func Records(owner string, ttl uint32, members []pool.Member, order []int) []dns.RR {
	records := make([]dns.RR, 0, len(order)+1)
	for _, i := range order {
		records = append(records, Record(owner, ttl, members[i].Addr))
	}
	return records
}

// Copy returns a copy of rr with another owner and TTL, in seconds. The data of
// A, AAAA and RRSIG records, if it is not part of the struct, is shared with rr.
func Copy(rr dns.RR, owner string, ttl uint32) dns.RR {
	switch r := rr.(type) {
	case *dns.A:
		c := *r
		rr = &c
	case *dns.AAAA:
		c := *r
		rr = &c
	case *dns.RRSIG:
		c := *r
		rr = &c
	default:
		rr = dns.Copy(rr)
	}
	h := rr.Header()
	h.Name, h.Ttl = owner, ttl
	return rr
}

// FamilyOf returns the family whose records qtype asks for.
func FamilyOf(qtype uint16) (pool.Family, bool) {
	switch qtype {
	case dns.TypeA:
		return pool.V4, true
	case dns.TypeAAAA:
		return pool.V6, true
	}
	return 0, false
}
