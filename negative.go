package rrhealth

import (
	"context"

	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/plugin/pool"
	"github.com/rrhealth/rrhealth/plugin/reply"
)

// noData answers that there is no record of the type asked for, with a proof for
// clients that ask for one.
func (h *RRHealth) noData(ctx context.Context, r *dns.Msg, zone string) *dns.Msg {
	return h.noDataFor(ctx, r, zone, reply.NegativeTTL)
}

// noAddress says that p has no address of one family to answer. Where it has
// backends of the family, all of them are down, and resolvers must not remember
// that for longer than they would remember addresses.
func (h *RRHealth) noAddress(ctx context.Context, r *dns.Msg, p *served, s *pool.Snapshot, f pool.Family) *dns.Msg {
	ttl := uint32(reply.NegativeTTL)
	if p.Has(f) {
		ttl = min(ttl, s.TTL)
	}
	return h.noDataFor(ctx, r, p.zone, ttl)
}

// noDataFor is noData with a TTL in seconds.
func (h *RRHealth) noDataFor(ctx context.Context, r *dns.Msg, zone string, ttl uint32) *dns.Msg {
	m := reply.NoData(r, zone, ttl)
	if h.signer == nil || !reply.WantsDNSSEC(r) {
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
