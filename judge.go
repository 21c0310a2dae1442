package rrhealth

import (
	"slices"

	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/plugin/pool"
	"github.com/rrhealth/rrhealth/plugin/reply"
)

// A finding is what was found out about a set. It is written once, when the set
// is judged.
type finding struct {
	by   *filter // nil where none is concerned with the owner
	pool *served // to which the owner belongs, or the target of a hint
	up   list    // the records that are not down, in their order
	ttl  uint32  // that all records should have

	down        uint32 // addresses, hints included, that are down
	downTargets uint32 // records whose target is down
	strange     uint32 // hints that the pool of their target does not answer
	outcome     pool.Outcome
	overlooked  bool // of no concern to the filter
}

// A part is a section of an answer with what was found out about its sets.
type part struct {
	section
	findings []finding // of each set
}

// group sorts rrs into sets, about which nothing is known yet.
func (s *part) group(rrs []dns.RR, wanted func(uint16) bool) bool {
	s.clear()
	found := s.section.group(rrs, wanted)
	s.findings = slices.Grow(s.findings, len(s.sets))[:len(s.sets)]
	return found
}

// clear makes s an empty part. It keeps the room that its section keeps.
func (s *part) clear() {
	if s.section.clear(); s.sets == nil {
		s.findings = nil
	}
	clear(s.findings)
	s.findings = s.findings[:0]
}

// judge finds out how the addresses in a set are, and what follows from it.
func (w *filterWriter) judge(s *part, i int) *finding {
	set, owner, f := &s.sets[i], s.owner(i), &s.findings[i]
	f.by, f.up, f.ttl, f.overlooked = w.filterOf(owner), set.at, set.low, true
	if f.by != nil {
		f.ttl = min(f.ttl, f.by.TTL)
	}
	if targetType(set.rrtype) {
		if set.hints() {
			w.judgeHints(s, i, f)
		}
		if f.by != nil && s == &w.answer {
			w.judgeTargets(s, i, f)
		}
		return f
	}
	if f.pool = w.poolOf(owner); f.pool == nil && f.by != nil {
		w.judgeAddresses(s, i, f)
	}
	return f
}

// filterOf returns the filter for owner, or nil. A target may be the business of
// another filter than the name that was asked.
func (w *filterWriter) filterOf(owner string) *filter {
	if w.filter != nil && w.handler.several {
		if own := w.handler.filterOf(owner); own != nil {
			return own
		}
	}
	return w.filter
}

// judgeAddresses finds out how the addresses in a set of A or AAAA records are.
func (w *filterWriter) judgeAddresses(s *part, i int, f *finding) {
	from := len(s.places)
	for _, place := range s.at(i) {
		c := w.handler.health(f.by, reply.Addr(s.rrs[place]))
		if f.note(c); !c.down {
			s.places = append(s.places, place)
		}
	}
	s.foundUp(i, from)
}

// foundUp makes those records of a set that were appended to places, since they
// were so many, the ones that are up.
func (s *part) foundUp(i, from int) {
	at, f := s.sets[i].at, &s.findings[i]
	if f.up = s.since(from); f.up.n == at.n {
		f.up, s.places = at, s.places[:from]
	}
	f.outcome = outcomeOf(&f.by.Settings, int(at.n), int(f.up.n))
}

// note takes the condition of one address into account.
func (f *finding) note(c condition) {
	if c.watched {
		f.overlooked, f.ttl = false, min(f.ttl, c.ttl)
	}
	if c.down {
		f.down++
	}
}

// judged reports whether the filter has a say in what leaves of the set.
func (f *finding) judged() bool { return f.by != nil && !f.overlooked && !f.by.dryRun }

// kept returns those records of the set that stay.
func (f *finding) kept(t *set) list {
	if f.judged() && f.outcome == pool.Served {
		return f.up
	}
	return t.at
}

// leftOut returns how many addresses of a set, and records with a target, are
// left out where what is down in it is.
func (f *finding) leftOut() (addresses, targets uint64) {
	if f.outcome == pool.Served {
		return uint64(f.down), uint64(f.downTargets)
	}
	return uint64(f.down), 0 // hints of records that stay
}

// allDown returns the set that the question is about when all of it is down,
// else none.
func (w *filterWriter) allDown(qtype uint16) int {
	asked := none
	if !judgedType(qtype) {
		return none
	}
	for i := range w.answer.sets {
		if w.answer.sets[i].rrtype != qtype {
			continue
		}
		if f := &w.answer.findings[i]; !f.judged() || f.up.n > 0 {
			return none
		}
		asked = i
	}
	return asked
}

// whyAllDown words that all records of the type are down.
func whyAllDown(rrtype uint16) string {
	if targetType(rrtype) {
		return "the targets of all records of this name and type are down"
	}
	return "all addresses of this name and type are down"
}
