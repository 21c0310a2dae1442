package reply

import (
	"slices"

	"github.com/miekg/dns"
)

// An Edit is what leaves instead of a set. It has no more than four fields, so
// that the compiler keeps it in registers.
type Edit struct {
	Keep      List   // those of the set's records that leave, in that order
	TTL       uint32 // that these have, in seconds
	Then      List   // what leaves behind them: what Hold has returned
	Withdrawn bool   // fewer records leave than there were, or others
}

// editOf is the edit of a set, if there is one.
type editOf struct {
	Edit
	made bool
}

// Hold returns a list of records that are none of the section's, for Edit.Then.
func (s *Section) Hold(records []dns.RR) List {
	if len(records) == 0 {
		return List{}
	}
	from := len(s.held)
	s.held = append(s.held, records...)
	return List{int32(from), int32(len(records))} // #nosec G115 -- fewer than 65536
}

// Replace makes e what leaves instead of a set. Nothing else changes what leaves.
// A set is replaced once at the most.
func (s *Section) Replace(i int, e Edit) {
	if len(s.edits) == 0 {
		s.edits = slices.Grow(s.edits, len(s.Sets))[:len(s.Sets)]
		clear(s.edits)
	}
	s.edits[i].Edit, s.edits[i].made = e, true
	s.withdrawn = s.withdrawn || e.Withdrawn
}

// Changed reports whether any set has an edit.
func (s *Section) Changed() bool { return len(s.edits) > 0 }

// Withdrawn reports whether an edit says so.
func (s *Section) Withdrawn() bool { return s.withdrawn }

// WithdrawnFrom reports whether the edit of a set says so.
func (s *Section) WithdrawnFrom(i int) bool { return s.Changed() && s.edits[i].Withdrawn }

// editAt returns the edit of the set that the record at place i is in or covers,
// or nil, and whether the record is the first of the set.
func (s *Section) editAt(i int) (e *Edit, first bool) {
	of := s.setOf[i]
	if of == None || !s.Changed() || !s.edits[of].made {
		return nil, false
	}
	return &s.edits[of].Edit, int(s.places[s.Sets[of].At.from]) == i
}

// behind returns what leaves behind the records that e keeps.
func (s *Section) behind(e *Edit) []dns.RR { return s.held[e.Then.from : e.Then.from+e.Then.n] }

// Append appends the section to dst, as it leaves. What leaves instead of a set
// stands where its first record stood.
func (s *Section) Append(dst []dns.RR) []dns.RR {
	for i, rr := range s.RRs {
		e, first := s.editAt(i)
		switch {
		case e == nil:
			dst = append(dst, rr)
		case first:
			dst = append(s.AppendWithTTL(dst, e.Keep, e.TTL), s.behind(e)...)
		}
	}
	return dst
}

// Pack appends what Append does to p, as far as p takes it.
func (s *Section) Pack(p *Packet) {
	for i, rr := range s.RRs {
		fits := true
		switch e, first := s.editAt(i); {
		case e == nil:
			fits = p.Records(rr)
		case first:
			for _, place := range s.Places(e.Keep) {
				if fits = p.Record(s.RRs[place], e.TTL); !fits {
					return
				}
			}
			fits = p.Records(s.behind(e)...)
		}
		if !fits {
			return
		}
	}
}

// Empty reports whether records stood in the section of which none leaves.
func (s *Section) Empty() bool {
	for i := range s.RRs {
		e, first := s.editAt(i)
		if e == nil || first && e.Keep.n+e.Then.n > 0 {
			return false
		}
	}
	return len(s.RRs) > 0
}

// Size is how many records Append appends at the most.
func (s *Section) Size() int { return len(s.RRs) + len(s.held) }

// AppendWithTTL appends the records of a list to dst, with the TTL given, in
// seconds: the records themselves if they have it, else copies.
func (s *Section) AppendWithTTL(dst []dns.RR, l List, ttl uint32) []dns.RR {
	var v4 []dns.A // all copies in one allocation
	var v6 []dns.AAAA
	for _, place := range s.Places(l) {
		rr := s.RRs[place]
		if rr.Header().Ttl == ttl {
			dst = append(dst, rr)
			continue
		}
		switch r := rr.(type) {
		case *dns.A:
			rr = addCopy(&v4, r, l.Len())
		case *dns.AAAA:
			rr = addCopy(&v6, r, l.Len())
		default:
			rr = Copy(rr, rr.Header().Name, ttl)
		}
		rr.Header().Ttl = ttl
		dst = append(dst, rr)
	}
	return dst
}

// addCopy appends a copy of v to all, which is made with room for n if it is nil,
// and returns the copy in it.
func addCopy[T any](all *[]T, v *T, n int) *T {
	if *all == nil {
		*all = make([]T, 0, n)
	}
	*all = append(*all, *v)
	return &(*all)[len(*all)-1]
}
