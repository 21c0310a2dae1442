package reply

import (
	"slices"

	"github.com/miekg/dns"
)

// NegativeTTL is the longest time, in seconds, for which a reply lets resolvers
// remember that a record does not exist.
const NegativeTTL = 30

// NoData returns the reply to r that there is no record of the type asked for,
// with an SOA of zone. Resolvers remember it for ttl seconds, at most NegativeTTL.
// It is not NXDOMAIN, which would deny the name's other types and all names
// below it (RFC 8020).
func NoData(r *dns.Msg, zone string, ttl uint32) *dns.Msg {
	m := new(message).start(r)
	m.Ns = []dns.RR{SOA(zone, ttl)}
	return m
}

// SOA returns an SOA record for a zone of which nothing is known but the name,
// with a TTL in seconds. Negative answers are remembered for the lesser of its
// TTL and its minimum, NegativeTTL (RFC 2308, section 5). The names in it are in
// the zone, unless they would be too long: no client could read the reply.
func SOA(zone string, ttl uint32) *dns.SOA {
	mname, rname := "ns.dns."+zone, "hostmaster."+zone
	if zone == "." || !fits(rname) {
		mname, rname = zone, zone
	}
	return &dns.SOA{
		Hdr: dns.RR_Header{Name: zone, Rrtype: dns.TypeSOA, Class: dns.ClassINET, Ttl: ttl},
		Ns:  mname, Mbox: rname,
		// The serial never changes: replicas agree on it, and the zone does not
		// exist, so it is never transferred.
		Serial: 1, Refresh: 7200, Retry: 1800, Expire: 86400, Minttl: NegativeTTL,
	}
}

// Exists returns a copy of m, which denies the name asked for, that denies only
// the type. It adds an SOA of zone if m has none.
func Exists(m *dns.Msg, zone string) *dns.Msg {
	corrected := *m
	corrected.Rcode = dns.RcodeSuccess
	if !slices.ContainsFunc(m.Ns, isSOA) {
		corrected.Ns = append([]dns.RR{SOA(zone, NegativeTTL)}, m.Ns...)
	}
	return &corrected
}

func isSOA(rr dns.RR) bool {
	_, ok := rr.(*dns.SOA)
	return ok
}
