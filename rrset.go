package rrhealth

import (
	"iter"
	"slices"

	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/plugin/pool"
	"github.com/rrhealth/rrhealth/plugin/reply"
)

// An rrset is the records of one owner and type in a section, and what is to
// become of them.
type rrset struct {
	owner  string
	rrtype uint16
	at     []int // the places of its records in the section
	sigs   []int // and of the signatures that cover them

	size, signatures int32 // how many they are, known first

	// What judge found.
	filter      *filter // nil where none is concerned with the owner
	pool        *served // to which the owner belongs, or the target of a hint
	up          []int   // places of the records that are not down, in their order
	outcome     pool.Outcome
	ttl         uint32 // that all its records should have
	down        uint64 // addresses, hints included, that are down
	downTargets uint64 // records whose target is down
	strange     uint64 // hints that the pool of their target does not answer

	// Of addresses in the additional section: whether a record that stays, and
	// one that was left out, names their owner as its target.
	wanted, unwanted bool

	// What apply made of it.
	changed    bool
	kept       []int    // where it has: the places of the records that leave, with ttl, in that order
	records    []dns.RR // and what leaves behind them
	withdrawn  bool     // fewer records than there were, or others
	overlooked bool     // of no concern to any filter
	thinned    bool     // the records whose target is down were left out
}

// signed reports whether the section holds a signature that covers the set.
func (set *rrset) signed() bool { return set.signatures > 0 }

// hints reports whether the addresses of the set are hints.
func (set *rrset) hints() bool { return hintType(set.rrtype) }

// A section is one section of a message, sorted into the sets that may have to
// change. Records are never changed: they may belong to whoever wrote them.
type section struct {
	rrs    []dns.RR
	sets   []rrset
	setOf  []int32 // for each record the set it is in or covers, or none
	places []int   // room for the sets' lists
	index  setIndex

	numbers []int // 0, 1, 2 and so on: the places of neighbors

	step    uint64 // how far the first set is to be turned
	stepped bool   // step is known already
}

// none marks a record that belongs to no set of interest.
const none = -1

// addressType reports whether sets of type t are judged.
func addressType(t uint16) bool {
	return t == dns.TypeA || t == dns.TypeAAAA || hintType(t)
}

// hintType reports whether the addresses in records of type t are hints.
func hintType(t uint16) bool { return t == dns.TypeHTTPS || t == dns.TypeSVCB }

// group sorts rrs into sets, in time that grows with their number and no
// faster: a cached answer of thousands of owners is paid for on every query,
// and anyone with a name of their own can have one. It reports false where
// there is none.
func (s *section) group(rrs []dns.RR, wanted func(uint16) bool) bool {
	s.clear()
	s.rrs = rrs
	s.index.reset(len(rrs))
	s.setOf = slices.Grow(s.setOf, len(rrs))
	s.number(len(rrs))
	signatures, scattered, latest := false, false, none
	for place, rr := range rrs {
		set := none
		if rr != nil {
			h := rr.Header()
			if h.Rrtype == dns.TypeRRSIG {
				signatures = true
			} else if wanted(h.Rrtype) {
				// Records of a set stand side by side, as a rule.
				if latest == none || s.sets[latest].rrtype != h.Rrtype || s.sets[latest].owner != h.Name {
					latest = s.find(h.Name, h.Rrtype, true)
				}
				set = latest
				scattered = s.sets[set].add(s.numbers, place) || scattered
			}
		}
		s.setOf = append(s.setOf, int32(set)) // #nosec G115 -- fewer than records
	}
	if signatures && len(s.sets) > 0 {
		s.groupSignatures()
	}
	if scattered {
		s.gather()
	}
	return len(s.sets) > 0
}

// number makes numbers at least n long.
func (s *section) number(n int) {
	for i := len(s.numbers); i < n; i++ {
		s.numbers = append(s.numbers, i)
	}
}

// add adds a place to set, whose places are a part of numbers as long as they
// are neighbors. It reports whether this one is not.
func (set *rrset) add(numbers []int, place int) (scattered bool) {
	if n := len(set.at); n > 0 && set.at[n-1] != place-1 {
		return true
	}
	set.at = numbers[place-len(set.at) : place+1 : place+1]
	return false
}

// The room that an empty section keeps for the next message, at the most: more
// sets than fit a message, and the places of the largest sets of zone files.
const (
	keptSets   = 1 << 13
	keptPlaces = 1 << 15
)

// clear makes s an empty section. It keeps the room of its lists, unless that
// is unusually large, and nothing that they held.
func (s *section) clear() {
	clear(s.sets)
	s.rrs = nil
	if cap(s.sets) > keptSets || cap(s.places) > keptPlaces {
		*s = section{}
	}
	s.sets, s.setOf, s.places = s.sets[:0], s.setOf[:0], s.places[:0]
}

// find returns the set of owner and rrtype, which it adds where it is missing
// and wanted, or none.
func (s *section) find(owner string, rrtype uint16, add bool) int {
	i, slot := s.index.find(s.sets, owner, rrtype)
	if i == none && add {
		if i = len(s.sets); i == cap(s.sets) {
			s.sets = slices.Grow(s.sets, 1)
		}
		s.sets = s.sets[:i+1] // which clear left empty
		s.sets[i].owner, s.sets[i].rrtype = owner, rrtype
		s.index.add(s.sets, slot)
	}
	return i
}

// groupSignatures assigns signatures to the sets they cover.
func (s *section) groupSignatures() {
	n := 0
	for i, rr := range s.rrs {
		sig, ok := rr.(*dns.RRSIG)
		if !ok || !judgedType(sig.TypeCovered) {
			continue
		}
		if set := s.find(sig.Hdr.Name, sig.TypeCovered, false); set != none {
			s.setOf[i] = int32(set) // #nosec G115 -- fewer than records
			s.sets[set].signatures++
			n++
		}
	}
	room := s.room(n)
	for i := range s.sets {
		set := &s.sets[i]
		set.sigs, room = room[:0:set.signatures], room[set.signatures:]
	}
	for i, rr := range s.rrs {
		if of := s.setOf[i]; of != none && s.sets[of].signatures > 0 {
			if _, ok := rr.(*dns.RRSIG); ok {
				s.sets[of].sigs = append(s.sets[of].sigs, i)
			}
		}
	}
}

// gather lists the places of all sets anew, as those of some are no neighbors.
func (s *section) gather() {
	listed := 0
	for i := range s.sets {
		s.sets[i].size = 0
	}
	for place, of := range s.setOf {
		if of != none && s.rrs[place].Header().Rrtype != dns.TypeRRSIG {
			s.sets[of].size++
			listed++
		}
	}
	room := s.room(listed)
	for i := range s.sets {
		set := &s.sets[i]
		set.at, room = room[:0:set.size], room[set.size:]
	}
	for place, of := range s.setOf {
		if of != none && s.rrs[place].Header().Rrtype != dns.TypeRRSIG {
			s.sets[of].at = append(s.sets[of].at, place)
		}
	}
}

// room returns room for n places.
func (s *section) room(n int) []int {
	from := len(s.places)
	s.places = slices.Grow(s.places, n)[:from+n]
	return s.places[from:]
}

// signatures yields the signatures that cover a set.
func (s *section) signatures(set int) iter.Seq[*dns.RRSIG] {
	return func(yield func(*dns.RRSIG) bool) {
		for _, place := range s.sets[set].sigs {
			if sig, ok := s.rrs[place].(*dns.RRSIG); ok && !yield(sig) {
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
		if sameKey(have, sigs) {
			return true
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
			dst = append(reply.AppendWithTTL(dst, s.rrs, set.kept, set.ttl), set.records...)
		}
	}
	return dst
}

// pack appends what appendTo does to p, as far as that takes it.
func (s *section) pack(p *reply.Packet) {
	for i, rr := range s.rrs {
		fits := true
		switch set, first := s.changedAt(i); {
		case set == nil:
			fits = p.Records(rr)
		case first:
			for _, place := range set.kept {
				if fits = p.Record(s.rrs[place], set.ttl); !fits {
					return
				}
			}
			fits = p.Records(set.records...)
		}
		if !fits {
			return
		}
	}
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
