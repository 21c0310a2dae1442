package reply

import (
	"iter"
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// coverSignatures assigns signatures to the sets that they cover.
func (s *Section) coverSignatures(wanted func(uint16) bool) {
	for i, rr := range s.RRs {
		if sig, ok := rr.(*dns.RRSIG); ok && wanted(sig.TypeCovered) {
			s.setOf[i] = int32(s.Find(sig.Hdr.Name, sig.TypeCovered)) // #nosec G115 -- fewer than records
		}
	}
	s.gather(true, func(t *Set) *List { return &t.Sigs })
}

// Signatures yields the signatures that cover a set.
func (s *Section) Signatures(i int) iter.Seq[*dns.RRSIG] {
	return func(yield func(*dns.RRSIG) bool) {
		for _, place := range s.Places(s.Sets[i].Sigs) {
			if sig, ok := s.RRs[place].(*dns.RRSIG); ok && !yield(sig) {
				return
			}
		}
	}
}

// SignedBy reports whether one of sigs is by a key that has signed the set. If
// not, the plugin that made them is not the one that answers for the set, even
// if its zone seems to hold it: a zone below it may be signed already.
func (s *Section) SignedBy(i int, sigs []dns.RR) bool {
	for have := range s.Signatures(i) {
		if SameKey(have, sigs) {
			return true
		}
	}
	return false
}

// SameKey reports whether one of sigs is by the key that has made have.
func SameKey(have *dns.RRSIG, sigs []dns.RR) bool {
	return slices.ContainsFunc(sigs, func(rr dns.RR) bool {
		sig, ok := rr.(*dns.RRSIG)
		return ok && sig.KeyTag == have.KeyTag && sig.Algorithm == have.Algorithm && strings.EqualFold(sig.SignerName, have.SignerName)
	})
}
