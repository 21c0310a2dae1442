package rrhealth

import (
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// anyType lists, in their order, the types that a name may have as far as we
// can say. Which of them it has, only the plugins below know, and an NSEC record
// that leaves one out denies it: resolvers that make use of such records
// (RFC 8198; unbound does by default) answer the type as absent from then on. A
// type too many costs one query, which gets the answer that is due.
//
// The list does not hold the types that change what the others mean: a CNAME
// would make the denial bogus, NS alone is a zone cut (RFC 6840, sections 4.1
// and 4.3), and below a DNAME there is nothing.
var anyType = func() []uint16 {
	var types []uint16
	for t := range dns.TypeToString {
		meta := t == dns.TypeNone || t == dns.TypeOPT || t >= 128 && t < 256 || t == dns.TypeReserved
		if !meta && !slices.Contains(apexTypes, t) && !slices.Contains(noTypes, t) {
			types = append(types, t)
		}
	}
	slices.Sort(types)
	return types
}()

var (
	// apexTypes are those that every zone has at its apex, and nobody elsewhere.
	apexTypes = []uint16{dns.TypeNS, dns.TypeSOA, dns.TypeDNSKEY}
	// noTypes are those that no name of ours has.
	noTypes = []uint16{dns.TypeCNAME, dns.TypeDNAME, dns.TypeDS, dns.TypeNXT, dns.TypeNSEC3, dns.TypeNSEC3PARAM}
)

// nsec returns the NSEC record which says that name has no record of the type
// denied, and nothing else: it denies no other type, and, since the next name
// is the first one possible, no other name. It returns nil where no name can
// follow. apex tells whether name is that of a zone.
func nsec(name string, denied uint16, apex bool, ttl uint32) *dns.NSEC {
	name = strings.ToLower(name)
	next := successor(name)
	if next == "" {
		return nil
	}
	types := slices.Clone(anyType)
	if apex {
		types = append(types, apexTypes...)
		slices.Sort(types)
	}
	if denied != dns.TypeNSEC { // the record itself
		types = slices.DeleteFunc(types, func(t uint16) bool { return t == denied })
	}
	return &dns.NSEC{
		Hdr:        dns.RR_Header{Name: name, Rrtype: dns.TypeNSEC, Class: dns.ClassINET, Ttl: ttl},
		NextDomain: next, TypeBitMap: types,
	}
}

// maxName is how many octets a name may have, the root's included.
const maxName = 255

// fits reports whether name is short enough to be sent.
func fits(name string) bool {
	if len(name) < maxName { // written out, it is never shorter than sent
		return true
	}
	var wire [maxName]byte
	_, err := dns.PackDomainName(name, wire[:], 0, nil, false)
	return err == nil
}

// successor returns the name that follows name, which is in lower case, in the
// canonical order, if nothing is left out: RFC 4471, section 3.1.1. It returns
// "" where that would be a name further up, which nobody will ever ask us for.
func successor(name string) string {
	if name == "." {
		return `\000.`
	}
	if next := `\000.` + name; fits(next) {
		return next
	}
	var room [maxName]byte
	n, err := dns.PackDomainName(name, room[:], 0, nil, false)
	if err != nil {
		return ""
	}
	label, rest := room[1:1+room[0]], room[1+room[0]:n]
	if len(label) < 63 && n < maxName {
		label = append(slices.Clone(label), 0)
	} else if label = increment(label); len(label) == 0 {
		return ""
	}
	wire := slices.Concat([]byte{byte(len(label))}, label, rest) // #nosec G115 -- at most 63
	next, _, err := dns.UnpackDomainName(wire, 0)
	if err != nil {
		return ""
	}
	return next
}

// increment returns the first label behind all that begin with label, or an
// empty one where there is none.
func increment(label []byte) []byte {
	for i, c := range slices.Backward(label) {
		if c == 0xff {
			continue
		}
		if c++; c == 'A' {
			c = 'Z' + 1 // capitals are sorted as small letters
		}
		return append(slices.Clone(label[:i]), c)
	}
	return nil
}

// nsec returns the NSEC record that denies a type at name and nothing else, with
// its signatures, and the zone of the plugin's in which it is. It returns none
// when name is in no zone of the plugin's.
//
// The plugin would make one too, but with a fixed list of types, which denies
// MX, HTTPS and others (docs/upstream/dnssec-nsec-bitmap.md).
func (s *signer) nsec(name string, denied uint16, ttl uint32, server string) (proof []dns.RR, zone string) {
	for _, apex := range [...]bool{false, true} {
		record := nsec(name, denied, apex, ttl)
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
		ttl := start.Hdr.Ttl
		start = soa(zone)
		start.Hdr.Ttl = ttl
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
