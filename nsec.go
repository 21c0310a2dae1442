package rrhealth

import (
	"slices"
	"strings"

	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/plugin/reply"
)

// nsec returns the NSEC record that denies a type at name and nothing else, with
// its signatures, and the zone of the plugin's in which it is. It returns none
// when name is in no zone of the plugin's.
//
// The plugin would make one too, but with a fixed list of types, which denies
// MX, HTTPS and others (docs/upstream/dnssec-nsec-bitmap.md).
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
		// The plugin does not tell its zones, but who signs.
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
// name is in no zone of the plugin's. start is the SOA to put there, and is
// not changed; where it is not the zone's, one is made up unless strict.
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
	mended := *m
	switch {
	case q.Qtype == dns.TypeNSEC && len(m.Answer) > 0:
		mended.Answer = s.correctedSection(m.Answer, q, server)
	case q.Qtype != dns.TypeDS && len(m.Answer) == 0: // with DS denied, the name may be a delegation
		mended.Ns = s.correctedSection(m.Ns, q, server)
	default:
		return m
	}
	return &mended
}

// correctedSection returns rrs, the section that may hold the record, corrected.
func (s *signer) correctedSection(rrs []dns.RR, q dns.Question, server string) []dns.RR {
	at := slices.IndexFunc(rrs, func(rr dns.RR) bool { return madeUp(rr, q.Name) })
	if at < 0 {
		return rrs
	}
	proof, _ := s.nsec(q.Name, q.Qtype, rrs[at].Header().Ttl, server)
	mended := make([]dns.RR, 0, len(rrs)+len(proof))
	theirs := false // the record is signed by the plugin's key
	for i, rr := range rrs {
		sig, ok := rr.(*dns.RRSIG)
		if ok && sig.TypeCovered == dns.TypeNSEC && strings.EqualFold(sig.Hdr.Name, q.Name) {
			theirs = theirs || sameKey(sig, proof)
		} else if i != at {
			mended = append(mended, rr)
		}
	}
	if !theirs {
		return rrs
	}
	return append(mended, proof...)
}

// madeUp reports whether rr is an NSEC record that was made for name alone.
func madeUp(rr dns.RR, name string) bool {
	record, ok := rr.(*dns.NSEC)
	return ok && strings.EqualFold(record.Hdr.Name, name) && strings.EqualFold(record.NextDomain, `\000.`+name)
}
