package rrhealth

import (
	"context"

	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/plugin/pool"
)

// negativeTTL is how long resolvers may remember that there is no such record,
// in seconds. RFC 2308, section 5: the lesser of the SOA's TTL and minimum.
const negativeTTL = 30

// noData says that there is no record of the type asked for. Never NXDOMAIN:
// that would deny the name's other types and everything below it (RFC 8020).
func noData(r *dns.Msg, zone string) *dns.Msg {
	m := new(reply).start(r)
	m.Ns = []dns.RR{soa(zone)}
	return m
}

// noData is the same, with a proof for clients that ask for one.
func (h *RRHealth) noData(ctx context.Context, r *dns.Msg, zone string) *dns.Msg {
	return h.noDataFor(ctx, r, zone, negativeTTL)
}

// noAddress says that p has no address of one family to answer. Where it has
// backends of the family, all of them are down, and resolvers must not remember
// that for longer than they would remember addresses.
func (h *RRHealth) noAddress(ctx context.Context, r *dns.Msg, p *served, s *pool.Snapshot, f pool.Family) *dns.Msg {
	ttl := uint32(negativeTTL)
	if p.Has(f) {
		ttl = min(ttl, s.TTL)
	}
	return h.noDataFor(ctx, r, p.zone, ttl)
}

// noDataFor is noData with a TTL in seconds.
func (h *RRHealth) noDataFor(ctx context.Context, r *dns.Msg, zone string, ttl uint32) *dns.Msg {
	m := noData(r, zone)
	m.Ns[0].Header().Ttl = ttl
	if h.signer == nil || !wantsDNSSEC(r) {
		return m
	}
	q := r.Question[0]
	start := m.Ns[0].(*dns.SOA)
	if q.Qtype == dns.TypeNSEC || q.Qtype == dns.TypeRRSIG {
		h.answerProof(ctx, m, start.Hdr.Ttl)
		return m
	}
	if proof := h.signer.denial(q.Name, q.Qtype, start, false, serverOf(ctx)); proof != nil {
		m.Ns = proof
	}
	return m
}

// answerProof makes m, a reply to a question about the NSEC record or the
// signatures of a name, one with the record that denials of other types have, or
// with its signatures. To deny them would be to deny the proof.
func (h *RRHealth) answerProof(ctx context.Context, m *dns.Msg, ttl uint32) {
	q := m.Question[0]
	proof, _ := h.signer.nsec(q.Name, dns.TypeNSEC, ttl, serverOf(ctx))
	if proof == nil {
		return
	}
	for _, rr := range proof {
		rr.Header().Name = q.Name
		if rr.Header().Rrtype == q.Qtype || q.Qtype == dns.TypeNSEC {
			m.Answer = append(m.Answer, rr)
		}
	}
	m.Ns = nil
}

// soa returns an SOA record for a zone of which we know nothing but the name.
// Its names are in that zone, unless they would be too long: no client could
// read the answer.
func soa(zone string) *dns.SOA {
	mname, rname := "ns.dns."+zone, "hostmaster."+zone
	if zone == "." || !fits(rname) {
		mname, rname = zone, zone
	}
	return &dns.SOA{
		Hdr: dns.RR_Header{Name: zone, Rrtype: dns.TypeSOA, Class: dns.ClassINET, Ttl: negativeTTL},
		Ns:  mname, Mbox: rname,
		// A serial that never changes: replicas agree on it, and nobody
		// transfers a zone that is not there.
		Serial: 1, Refresh: 7200, Retry: 1800, Expire: 86400, Minttl: negativeTTL,
	}
}

// exists returns m, which denies the name, as one that only denies the type.
// zone owns the SOA where m has none.
func exists(m *dns.Msg, zone string) *dns.Msg {
	mended := *m
	mended.Rcode = dns.RcodeSuccess
	for _, rr := range m.Ns {
		if rr.Header().Rrtype == dns.TypeSOA {
			return &mended
		}
	}
	mended.Ns = append([]dns.RR{soa(zone)}, m.Ns...)
	return &mended
}
