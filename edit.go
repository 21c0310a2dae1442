package rrhealth

import (
	"slices"

	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/plugin/reply"
)

// An edit is what leaves instead of a set. It has no more than four fields, so
// that the compiler keeps it in registers.
type edit struct {
	keep      list   // those of its records that leave, in that order
	ttl       uint32 // that these have
	then      list   // what leaves behind them, see hold
	withdrawn bool   // fewer records than there were, or others
}

// A change is the edit of a set, if there is one.
type change struct {
	edit
	made bool
}

// hold returns a list of records that are to leave behind those of the section.
func (s *section) hold(records []dns.RR) list {
	if len(records) == 0 {
		return list{}
	}
	from := len(s.held)
	s.held = append(s.held, records...)
	return list{int32(from), int32(len(records))} // #nosec G115 -- fewer than 65536
}

// replace makes e what leaves instead of a set. Nothing else changes what
// leaves, and nothing replaces a set twice.
func (s *section) replace(i int, e edit) {
	if len(s.changes) == 0 {
		s.changes = slices.Grow(s.changes, len(s.sets))[:len(s.sets)]
		clear(s.changes)
	}
	c := &s.changes[i]
	c.edit, c.made = e, true
	s.withdrawn = s.withdrawn || e.withdrawn
}

// changed reports whether any set has changed.
func (s *section) changed() bool { return len(s.changes) > 0 }

// withdrawnFrom reports whether of a set fewer records leave than there were, or
// others.
func (s *section) withdrawnFrom(i int) bool { return s.changed() && s.changes[i].withdrawn }

// changeAt returns the change of the set that the ith record is of or signs, or
// nil, and whether the record is the first of the set.
func (s *section) changeAt(i int) (c *change, first bool) {
	of := s.setOf[i]
	if of == none || !s.changed() || !s.changes[of].made {
		return nil, false
	}
	return &s.changes[of], int(s.places[s.sets[of].at.from]) == i
}

// behind returns what leaves behind the records that c keeps.
func (s *section) behind(c *change) []dns.RR { return s.held[c.then.from : c.then.from+c.then.n] }

// appendTo appends the section, with what has changed, to dst. A changed set
// stands where its first record stood.
func (s *section) appendTo(dst []dns.RR) []dns.RR {
	for i, rr := range s.rrs {
		c, first := s.changeAt(i)
		switch {
		case c == nil:
			dst = append(dst, rr)
		case first:
			dst = append(s.appendLowered(dst, c.keep, c.ttl), s.behind(c)...)
		}
	}
	return dst
}

// pack appends what appendTo does to p, as far as p takes it.
func (s *section) pack(p *reply.Packet) {
	for i, rr := range s.rrs {
		fits := true
		switch c, first := s.changeAt(i); {
		case c == nil:
			fits = p.Records(rr)
		case first:
			for _, place := range s.list(c.keep) {
				if fits = p.Record(s.rrs[place], c.ttl); !fits {
					return
				}
			}
			fits = p.Records(s.behind(c)...)
		}
		if !fits {
			return
		}
	}
}

// empty reports whether records stood in the section of which none leaves.
func (s *section) empty() bool {
	for i := range s.rrs {
		c, first := s.changeAt(i)
		if c == nil || first && c.keep.n+c.then.n > 0 {
			return false
		}
	}
	return len(s.rrs) > 0
}

// size is how many records appendTo appends at the most.
func (s *section) size() int { return len(s.rrs) + len(s.held) }

// appendLowered appends the records of a list with the TTL given: the records
// themselves where they have it, else copies.
func (s *section) appendLowered(records []dns.RR, l list, ttl uint32) []dns.RR {
	return reply.AppendWithTTL(records, s.rrs, s.list(l), ttl)
}
