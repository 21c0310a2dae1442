package rrhealth

import (
	"iter"
	"math"
	"slices"

	"github.com/miekg/dns"
)

// A section is one section of a message, sorted into the sets that may have to
// change, with the edits that change them. Records are never changed: they may
// belong to the plugin that wrote them.
//
// A cached answer of thousands of owners is paid for on every query. So what is
// kept of a set is small, and has no pointers that the garbage collector would
// follow: a list of records is a part of places, and its owner is that of its
// first record.
type section struct {
	rrs    []dns.RR
	sets   []set
	setOf  []int32 // for each record the set it is in or covers, or none
	places []int32 // 0, 1, 2 and so on, one for each record; behind them further lists
	index  setIndex

	changes   []change // of the sets, once one of them has changed
	held      []dns.RR // what leaves besides rrs
	withdrawn bool     // of a set fewer records leave than there were, or others
}

// A set is the records of one owner and type in a section. It does not change
// once the section is grouped.
type set struct {
	at        list   // its records
	sigs      list   // the signatures that cover them
	low, high uint32 // the TTLs of its records lie between these
	rrtype    uint16
}

// A list names records of a section by their places, in an order.
type list struct{ from, n int32 }

// none marks a record that belongs to no set of interest.
const none = -1

// signed reports whether the section holds a signature that covers the set.
func (t *set) signed() bool { return t.sigs.n > 0 }

// hints reports whether the addresses of the set are hints.
func (t *set) hints() bool { return hintType(t.rrtype) }

// addressType reports whether sets of type t are judged.
func addressType(t uint16) bool {
	return t == dns.TypeA || t == dns.TypeAAAA || hintType(t)
}

// hintType reports whether the addresses in records of type t are hints.
func hintType(t uint16) bool { return t == dns.TypeHTTPS || t == dns.TypeSVCB }

// list returns the places that l has.
func (s *section) list(l list) []int32 { return s.places[l.from : l.from+l.n : l.from+l.n] }

// at returns the places of the records of a set.
func (s *section) at(i int) []int32 { return s.list(s.sets[i].at) }

// owner returns the owner of a set, as its first record has it.
func (s *section) owner(i int) string {
	return s.rrs[s.places[s.sets[i].at.from]].Header().Name
}

// store returns a list of places, which it copies.
func (s *section) store(places ...int32) list {
	from := len(s.places)
	s.places = append(s.places, places...)
	return s.since(from)
}

// since returns the list of what was appended to places since they were so many.
func (s *section) since(from int) list {
	return list{int32(from), int32(len(s.places) - from)} // #nosec G115 -- a few lists of records
}

// group sorts rrs into sets of the types wanted, in time that grows with their
// number and no faster. It reports false where there is none.
func (s *section) group(rrs []dns.RR, wanted func(uint16) bool) bool {
	s.clear()
	s.rrs = rrs
	s.index.reset(len(rrs))
	s.number(len(rrs))
	s.setOf = slices.Grow(s.setOf, len(rrs))
	signatures, scattered := false, false
	latest, owner, rrtype := none, "", uint16(0)
	for place, rr := range rrs {
		of := none
		if rr != nil {
			h := rr.Header()
			if h.Rrtype == dns.TypeRRSIG {
				signatures = true
			} else if wanted(h.Rrtype) {
				// Records of a set stand side by side, as a rule.
				if latest == none || rrtype != h.Rrtype || owner != h.Name {
					owner, rrtype = h.Name, h.Rrtype
					latest = s.setAt(place, owner, rrtype)
				}
				of = latest
				scattered = s.sets[of].add(place, h.Ttl) || scattered
			}
		}
		s.setOf = append(s.setOf, int32(of)) // #nosec G115 -- fewer than records
	}
	if signatures && len(s.sets) > 0 {
		s.coverSignatures()
	}
	if scattered {
		s.gather(false, func(t *set) *list { return &t.at })
	}
	return len(s.sets) > 0
}

// number makes places those of n records.
func (s *section) number(n int) {
	s.places = slices.Grow(s.places, n)[:n]
	for i := range s.places {
		s.places[i] = int32(i) // #nosec G115 -- fewer than 65536
	}
}

// setAt returns the set of owner and rrtype, which are those of the record at
// place. It adds the set where it is missing.
func (s *section) setAt(place int, owner string, rrtype uint16) int {
	i, slot, hash := s.index.find(s, owner, rrtype)
	if i == none {
		i = len(s.sets)
		s.sets = append(s.sets, set{at: list{from: int32(place)}, low: math.MaxUint32, rrtype: rrtype}) // #nosec G115 -- as above
		s.index.add(s, slot, hash)
	}
	return i
}

// add adds a record at place to a set, whose places are part of all as long as
// they are neighbors. It reports true where this one is not.
func (t *set) add(place int, ttl uint32) (scattered bool) {
	t.low, t.high = min(t.low, ttl), max(t.high, ttl)
	if int(t.at.from+t.at.n) != place {
		return true
	}
	t.at.n++
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
	if cap(s.sets) > keptSets || cap(s.places) > keptPlaces {
		*s = section{}
		return
	}
	clear(s.held)
	s.rrs, s.withdrawn = nil, false
	s.sets, s.setOf, s.places = s.sets[:0], s.setOf[:0], s.places[:0]
	s.changes, s.held = s.changes[:0], s.held[:0]
}

// find returns the set of owner and rrtype, or none.
func (s *section) find(owner string, rrtype uint16) int {
	if len(s.sets) == 0 {
		return none
	}
	i, _, _ := s.index.find(s, owner, rrtype)
	return i
}

// coverSignatures assigns signatures to the sets that they cover.
func (s *section) coverSignatures() {
	for i, rr := range s.rrs {
		if sig, ok := rr.(*dns.RRSIG); ok && judgedType(sig.TypeCovered) {
			s.setOf[i] = int32(s.find(sig.Hdr.Name, sig.TypeCovered)) // #nosec G115 -- fewer than records
		}
	}
	s.gather(true, func(t *set) *list { return &t.sigs })
}

// gather lists anew where the records of all sets stand, or the signatures that
// cover them, whose list of a set is the one that of returns.
func (s *section) gather(signatures bool, of func(*set) *list) {
	each := func(do func(l *list, place int32)) {
		for place, i := range s.setOf {
			if i != none && signatures == (s.rrs[place].Header().Rrtype == dns.TypeRRSIG) {
				do(of(&s.sets[i]), int32(place)) // #nosec G115 -- as above
			}
		}
	}
	for i := range s.sets {
		of(&s.sets[i]).n = 0
	}
	each(func(l *list, _ int32) { l.n++ })
	for i := range s.sets {
		l := of(&s.sets[i])
		from := len(s.places)
		s.places = slices.Grow(s.places, int(l.n))[:from+int(l.n)]
		l.from, l.n = int32(from), 0 // #nosec G115 -- as above
	}
	each(func(l *list, place int32) { s.places[l.from+l.n] = place; l.n++ })
}

// signatures yields the signatures that cover a set.
func (s *section) signatures(i int) iter.Seq[*dns.RRSIG] {
	return func(yield func(*dns.RRSIG) bool) {
		for _, place := range s.list(s.sets[i].sigs) {
			if sig, ok := s.rrs[place].(*dns.RRSIG); ok && !yield(sig) {
				return
			}
		}
	}
}

// signedBy reports whether one of sigs is by a key that has signed the set. If
// not, the plugin that made them is not the one that answers for the set, even
// if its zone seems to hold it: a zone below it may be signed already.
func (s *section) signedBy(i int, sigs []dns.RR) bool {
	for have := range s.signatures(i) {
		if sameKey(have, sigs) {
			return true
		}
	}
	return false
}
