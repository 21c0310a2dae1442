package rrhealth

import (
	"iter"
	"strings"

	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/plugin/pool"
)

// An rrset is the records of one owner and type in a section, and what is to
// become of them.
type rrset struct {
	owner  string
	rrtype uint16
	at     []int // the places of its records in the section
	signed bool  // the section holds a signature that covers it

	// What judge found.
	filter  *filter
	living  []int // places of the records that are not down, in their order
	outcome pool.Outcome
	ttl     uint32 // that all its records should have
	dead    uint64 // addresses, hints included, that are down

	// What apply made of it.
	changed    bool
	kept       []int    // where it has: the places of the records that leave, with ttl, in that order
	records    []dns.RR // and what leaves behind them
	withdrawn  bool     // fewer records than there were, or others
	overlooked bool     // of no concern to any filter
}

// hints reports whether the addresses of the set are hints.
func (set *rrset) hints() bool { return hintType(set.rrtype) }

// A section is one section of a message, sorted into the sets that may have to
// change. Records are never changed: they may belong to whoever wrote them.
type section struct {
	rrs    []dns.RR
	sets   []rrset
	setOf  []int // for each record the set it is in or covers, or none
	places []int // room for the sets' lists
}

// none marks a record that belongs to no set of interest.
const none = -1

// fewRecords is how many records are grouped by comparing each with each.
const fewRecords = 64

// addressType reports whether sets of type t are judged.
func addressType(t uint16) bool {
	return t == dns.TypeA || t == dns.TypeAAAA || hintType(t)
}

// hintType reports whether the addresses in records of type t are hints.
func hintType(t uint16) bool { return t == dns.TypeHTTPS || t == dns.TypeSVCB }

// group sorts rrs into sets. It reports false where there is none.
func (s *section) group(rrs []dns.RR, wanted func(uint16) bool) bool {
	s.clear()
	s.rrs = rrs
	var index map[setKey]int
	if len(rrs) > fewRecords {
		index = make(map[setKey]int)
	}
	signatures := false
	for _, rr := range rrs {
		set := none
		if rr != nil {
			h := rr.Header()
			signatures = signatures || h.Rrtype == dns.TypeRRSIG
			if wanted(h.Rrtype) {
				set = s.find(h.Name, h.Rrtype, index, true)
			}
		}
		s.setOf = append(s.setOf, set)
	}
	for i := range s.sets {
		s.collect(i)
	}
	if signatures {
		s.groupSignatures(index)
	}
	return len(s.sets) > 0
}

// clear makes s an empty section. It keeps the room of its lists, unless that
// is unusually large, and nothing that they held.
func (s *section) clear() {
	clear(s.sets)
	if s.rrs = nil; cap(s.setOf) > 4*fewRecords {
		*s = section{}
	}
	s.sets, s.setOf, s.places = s.sets[:0], s.setOf[:0], s.places[:0]
}

type setKey struct {
	owner  string
	rrtype uint16
}

// find returns the set of owner and rrtype, which it adds where it is missing
// and wanted, or none.
func (s *section) find(owner string, rrtype uint16, index map[setKey]int, add bool) int {
	if index != nil {
		key := setKey{strings.ToLower(owner), rrtype}
		if i, ok := index[key]; ok {
			return i
		}
		if !add {
			return none
		}
		index[key] = len(s.sets)
	} else {
		for i := range s.sets {
			if set := &s.sets[i]; set.rrtype == rrtype && (set.owner == owner || strings.EqualFold(set.owner, owner)) {
				return i
			}
		}
		if !add {
			return none
		}
	}
	s.sets = append(s.sets, rrset{owner: owner, rrtype: rrtype})
	return len(s.sets) - 1
}

// collect lists the places of a set's records.
func (s *section) collect(set int) {
	from := len(s.places)
	for place, of := range s.setOf {
		if of == set {
			s.places = append(s.places, place)
		}
	}
	s.sets[set].at = s.places[from:len(s.places):len(s.places)]
}

// groupSignatures assigns signatures to the sets they cover.
func (s *section) groupSignatures(index map[setKey]int) {
	for i, rr := range s.rrs {
		sig, ok := rr.(*dns.RRSIG)
		if !ok || !addressType(sig.TypeCovered) {
			continue
		}
		if set := s.find(sig.Hdr.Name, sig.TypeCovered, index, false); set != none {
			s.setOf[i] = set
			s.sets[set].signed = true
		}
	}
}

// signatures yields the signatures that cover a set.
func (s *section) signatures(set int) iter.Seq[*dns.RRSIG] {
	return func(yield func(*dns.RRSIG) bool) {
		for i, of := range s.setOf {
			if sig, ok := s.rrs[i].(*dns.RRSIG); ok && of == set && !yield(sig) {
				return
			}
		}
	}
}

// signedBy reports whether one of sigs is by a key that has signed the set. If
// not, the plugin that made them is not the one that answers for the set, even
// if its zone seems to hold it: a zone below it may be signed already.
func (s *section) signedBy(set int, sigs []dns.RR) bool {
	for have := range s.signatures(set) {
		for _, rr := range sigs {
			sig, ok := rr.(*dns.RRSIG)
			if ok && sig.KeyTag == have.KeyTag && sig.Algorithm == have.Algorithm && strings.EqualFold(sig.SignerName, have.SignerName) {
				return true
			}
		}
	}
	return false
}

// changed reports whether any set has changed.
func (s *section) changed() bool {
	for i := range s.sets {
		if s.sets[i].changed {
			return true
		}
	}
	return false
}

// appendTo appends the section, with what has changed, to dst. A changed set
// stands where its first record stood.
func (s *section) appendTo(dst []dns.RR) []dns.RR {
	for i, rr := range s.rrs {
		set, first := s.changedAt(i)
		switch {
		case set == nil:
			dst = append(dst, rr)
		case first:
			dst = append(appendLowered(dst, s, set.kept, set.ttl), set.records...)
		}
	}
	return dst
}

// pack appends what appendTo does to p, and returns how many records it is.
func (s *section) pack(p *packet) (n int) {
	for i, rr := range s.rrs {
		set, first := s.changedAt(i)
		switch {
		case set == nil:
			n += p.records(rr)
		case first:
			for _, place := range set.kept {
				p.record(s.rrs[place], set.ttl)
			}
			n += len(set.kept) + p.records(set.records...)
		}
	}
	return n
}

// changedAt returns the changed set that the ith record is of or signs, or nil,
// and whether it is the first of the set.
func (s *section) changedAt(i int) (set *rrset, first bool) {
	of := s.setOf[i]
	if of == none || !s.sets[of].changed {
		return nil, false
	}
	set = &s.sets[of]
	return set, len(set.at) > 0 && set.at[0] == i
}

// size is how many records appendTo appends at the most.
func (s *section) size() int {
	n := len(s.rrs)
	for i := range s.sets {
		n += len(s.sets[i].records)
	}
	return n
}
