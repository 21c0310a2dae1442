package rrhealth

import (
	"context"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/plugin/filter"
	"github.com/rrhealth/rrhealth/plugin/live"
	"github.com/rrhealth/rrhealth/plugin/pool"
	"github.com/rrhealth/rrhealth/plugin/reply"
)

// noData answers that there is no record of the type asked for, with a proof for
// clients that ask for one.
func (h *RRHealth) noData(ctx context.Context, r *dns.Msg, zone string) *dns.Msg {
	return h.noDataFor(ctx, r, zone, reply.NegativeTTL)
}

// noAddress answers that p has no address of one family. If p has backends of the
// family, all are down, and resolvers must not remember that for longer than they
// would remember addresses.
func (h *RRHealth) noAddress(ctx context.Context, r *dns.Msg, p *live.Pool, s *pool.Snapshot, f pool.Family) *dns.Msg {
	return h.noDataFor(ctx, r, p.Zone, filter.NegativeTTL(p, s, f))
}

// noDataFor is noData with another TTL, in seconds.
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

// answerProof puts into m, a reply to a question for the NSEC record or the
// signatures of a name, the record that is in denials of other types, or its
// signatures. To deny them would deny the proof.
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

// nsec returns the NSEC record that denies a type at name and nothing else, with
// its signatures, and the zone of the plugin's in which it is. It returns none
// when name is in no zone of the plugin's.
//
// The plugin would make one too, but with a fixed list of types, which denies MX,
// HTTPS and others (docs/upstream/dnssec-nsec-bitmap.md).
func (s *signer) nsec(name string, denied uint16, ttl uint32, server string) (proof []dns.RR, zone string) {
	for _, apex := range [...]bool{false, true} {
		record := reply.NSEC(name, denied, apex, ttl)
		if s == nil || record == nil {
			return nil, ""
		}
		sigs := s.set([]dns.RR{record}, server)
		if zone = signerOf(sigs); zone == "" {
			return nil, ""
		}
		// The plugin does not export its zones, but signatures name them.
		if proof = append([]dns.RR{record}, sigs...); zone != record.Hdr.Name {
			break
		}
	}
	return proof, zone
}

// signerOf returns the zone whose key has made sigs, or "".
func signerOf(sigs []dns.RR) string {
	for _, rr := range sigs {
		if sig, ok := rr.(*dns.RRSIG); ok {
			return strings.ToLower(sig.SignerName)
		}
	}
	return ""
}

// denial returns the authority section that proves that name has no record of
// the type: the zone's SOA, an NSEC record, and signatures. It returns nil when
// name is in no zone of the plugin's. start is the SOA to put there, and is not
// changed. If it is not that of the zone, it is replaced, or, with strict, denial
// returns nil.
func (s *signer) denial(name string, qtype uint16, start *dns.SOA, strict bool, server string) []dns.RR {
	proof, zone := s.nsec(name, qtype, start.Hdr.Ttl, server)
	if proof == nil {
		return nil
	}
	if !strings.EqualFold(start.Hdr.Name, zone) {
		if strict {
			return nil
		}
		start = reply.SOA(zone, start.Hdr.Ttl)
	}
	authority := []dns.RR{start}
	authority = append(authority, s.set(authority, server)...)
	return append(authority, proof...)
}

// corrected returns m, which denies a type at the name asked for, with our NSEC
// record instead of the one that the dnssec plugin has made up, or m itself where
// there is none. The plugin's denies more types than the one asked for.
func (s *signer) corrected(m *dns.Msg, server string) *dns.Msg {
	if s == nil || m.Rcode != dns.RcodeSuccess || len(m.Question) != 1 {
		return m
	}
	q := m.Question[0]
	corrected := *m
	switch {
	case q.Qtype == dns.TypeNSEC && len(m.Answer) > 0:
		corrected.Answer = s.correctedSection(m.Answer, q, server)
	case q.Qtype != dns.TypeDS && len(m.Answer) == 0: // with DS denied, the name may be a delegation
		corrected.Ns = s.correctedSection(m.Ns, q, server)
	default:
		return m
	}
	return &corrected
}

// correctedSection returns rrs, the section that may hold the record, corrected.
func (s *signer) correctedSection(rrs []dns.RR, q dns.Question, server string) []dns.RR {
	at := slices.IndexFunc(rrs, func(rr dns.RR) bool { return madeUp(rr, q.Name) })
	if at < 0 {
		return rrs
	}
	proof, _ := s.nsec(q.Name, q.Qtype, rrs[at].Header().Ttl, server)
	corrected := make([]dns.RR, 0, len(rrs)+len(proof))
	theirs := false // the record is signed by the plugin's key
	for i, rr := range rrs {
		sig, ok := rr.(*dns.RRSIG)
		if ok && sig.TypeCovered == dns.TypeNSEC && strings.EqualFold(sig.Hdr.Name, q.Name) {
			theirs = theirs || reply.SameKey(sig, proof)
		} else if i != at {
			corrected = append(corrected, rr)
		}
	}
	if !theirs {
		return rrs
	}
	return append(corrected, proof...)
}

// madeUp reports whether rr is an NSEC record that was made for name alone.
func madeUp(rr dns.RR, name string) bool {
	record, ok := rr.(*dns.NSEC)
	return ok && strings.EqualFold(record.Hdr.Name, name) && strings.EqualFold(record.NextDomain, `\000.`+name)
}
