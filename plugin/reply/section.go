package reply

import (
	"math"
	"slices"

	"github.com/miekg/dns"
)

// A Section is one section of a message, sorted into sets, with the edits that
// change what leaves. Its records are never changed: they may belong to the plugin
// that wrote them.
//
// A cached answer of thousands of owners is paid for on every query. So sets and
// edits are small and have no pointers: a list of records is a part of one array,
// and the owner of a set is that of its first record.
type Section struct {
	RRs  []dns.RR // as they were
	Sets []Set

	setOf  []int32 // for each record the set it is in or covers, or None
	places []int32 // 0, 1, 2 and so on, one for each record; behind them further lists
	index  setIndex

	edits     []editOf // of the sets, once one of them has an edit
	held      []dns.RR // what leaves besides RRs
	withdrawn bool     // an edit says so
}

// A Set is the records of one owner and type in a section. It does not change
// once the section is grouped.
type Set struct {
	At        List   // its records
	Sigs      List   // the signatures that cover them
	Low, High uint32 // the TTLs of its records are between these, in seconds
	Type      uint16
}

// A List names records of a section by their places, in an order.
type List struct{ from, n int32 }

// None is the number of no set.
const None = -1

// Len returns how many records l has.
func (l List) Len() int { return int(l.n) }

// First returns the first n records of l, or all if there are fewer.
func (l List) First(n int) List {
	l.n = min(l.n, int32(min(n, math.MaxInt32))) // #nosec G115 -- bounded
	return l
}

// Signed reports whether the section has a signature that covers the set.
func (t *Set) Signed() bool { return t.Sigs.n > 0 }

// Places returns the places of the records of l, which may be put into another
// order if Store has returned l.
func (s *Section) Places(l List) []int32 { return s.places[l.from : l.from+l.n : l.from+l.n] }

// At returns the places of the records of a set.
func (s *Section) At(i int) []int32 { return s.Places(s.Sets[i].At) }

// Owner returns the owner of a set, as its first record has it.
func (s *Section) Owner(i int) string {
	return s.RRs[s.places[s.Sets[i].At.from]].Header().Name
}

// SetOf returns the set that the record at place is in or covers, or None.
func (s *Section) SetOf(place int) int { return int(s.setOf[place]) }

// Store returns a list of places, which it copies.
func (s *Section) Store(places ...int32) List {
	from := s.Begin()
	s.places = append(s.places, places...)
	return s.since(from)
}

// Begin begins a list to which Add appends, and returns what End needs.
func (s *Section) Begin() (from int) { return len(s.places) }

// Add appends a place to the list that was begun.
func (s *Section) Add(place int32) { s.places = append(s.places, place) }

// End returns the list that was begun, of records of one set: the set's own if it
// has them all.
func (s *Section) End(i, from int) List {
	l := s.since(from)
	if at := s.Sets[i].At; l.n == at.n {
		s.places = s.places[:from]
		return at
	}
	return l
}

// since returns the list of what was appended to places since they were so many.
func (s *Section) since(from int) List {
	return List{int32(from), int32(len(s.places) - from)} // #nosec G115 -- a few lists of records
}

// Group sorts rrs into sets of the types wanted, in time that grows with their
// number and no faster. It reports false where there is None.
func (s *Section) Group(rrs []dns.RR, wanted func(uint16) bool) bool {
	s.Clear()
	s.RRs = rrs
	s.index.reset(len(rrs))
	s.number(len(rrs))
	s.setOf = slices.Grow(s.setOf, len(rrs))
	signatures, scattered := false, false
	latest, owner, rrtype := None, "", uint16(0)
	for place, rr := range rrs {
		of := None
		if rr != nil {
			h := rr.Header()
			if h.Rrtype == dns.TypeRRSIG {
				signatures = true
			} else if wanted(h.Rrtype) {
				// Records of a set stand side by side, as a rule.
				if latest == None || rrtype != h.Rrtype || owner != h.Name {
					owner, rrtype = h.Name, h.Rrtype
					latest = s.setAt(place, owner, rrtype)
				}
				of = latest
				scattered = s.Sets[of].add(place, h.Ttl) || scattered
			}
		}
		s.setOf = append(s.setOf, int32(of)) // #nosec G115 -- fewer than records
	}
	if signatures && len(s.Sets) > 0 {
		s.coverSignatures(wanted)
	}
	if scattered {
		s.gather(false, func(t *Set) *List { return &t.At })
	}
	return len(s.Sets) > 0
}

// number makes places those of n records.
func (s *Section) number(n int) {
	s.places = slices.Grow(s.places, n)[:n]
	for i := range s.places {
		s.places[i] = int32(i) // #nosec G115 -- fewer than 65536
	}
}

// setAt returns the set of owner and rrtype, which are those of the record at
// place. It adds the set where it is missing.
func (s *Section) setAt(place int, owner string, rrtype uint16) int {
	i, slot, hash := s.index.find(s, owner, rrtype)
	if i == None {
		i = len(s.Sets)
		s.Sets = append(s.Sets, Set{At: List{from: int32(place)}, Low: math.MaxUint32, Type: rrtype}) // #nosec G115 -- as above
		s.index.add(s, slot, hash)
	}
	return i
}

// add adds a record at place to a set, whose places are part of all as long as
// they are neighbors. It reports true where this one is not.
func (t *Set) add(place int, ttl uint32) (scattered bool) {
	t.Low, t.High = min(t.Low, ttl), max(t.High, ttl)
	if int(t.At.from+t.At.n) != place {
		return true
	}
	t.At.n++
	return false
}

// The room that an empty section keeps for the next message, at the most: more
// sets than fit a message, and the places of the largest sets of zone files.
const (
	keptSets   = 1 << 13
	keptPlaces = 1 << 15
)

// Clear makes s an empty section. It keeps the room of its lists, unless that
// is unusually large, and nothing that they held.
func (s *Section) Clear() {
	if cap(s.Sets) > keptSets || cap(s.places) > keptPlaces {
		*s = Section{}
		return
	}
	clear(s.held)
	s.RRs, s.withdrawn = nil, false
	s.Sets, s.setOf, s.places = s.Sets[:0], s.setOf[:0], s.places[:0]
	s.edits, s.held = s.edits[:0], s.held[:0]
}

// Find returns the set of owner and rrtype, or None.
func (s *Section) Find(owner string, rrtype uint16) int {
	if len(s.Sets) == 0 {
		return None
	}
	i, _, _ := s.index.find(s, owner, rrtype)
	return i
}

// gather lists anew where the records of all sets stand, or the signatures that
// cover them, whose list of a set is the one that of returns.
func (s *Section) gather(signatures bool, of func(*Set) *List) {
	each := func(do func(l *List, place int32)) {
		for place, i := range s.setOf {
			if i != None && signatures == (s.RRs[place].Header().Rrtype == dns.TypeRRSIG) {
				do(of(&s.Sets[i]), int32(place)) // #nosec G115 -- as above
			}
		}
	}
	for i := range s.Sets {
		of(&s.Sets[i]).n = 0
	}
	each(func(l *List, _ int32) { l.n++ })
	for i := range s.Sets {
		l := of(&s.Sets[i])
		from := len(s.places)
		s.places = slices.Grow(s.places, int(l.n))[:from+int(l.n)]
		l.from, l.n = int32(from), 0 // #nosec G115 -- as above
	}
	each(func(l *List, place int32) { s.places[l.from+l.n] = place; l.n++ })
}
