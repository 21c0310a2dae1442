package filter

import (
	"slices"

	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/plugin/live"
	"github.com/rrhealth/rrhealth/plugin/pool"
	"github.com/rrhealth/rrhealth/plugin/reply"
)

// A finding is what was found out about a set. It is written when the set is
// judged, before the first set is edited.
type finding struct {
	by   *Filter    // nil where none is concerned with the owner
	pool *live.Pool // to which the owner belongs, or the target of a hint
	up   reply.List // the records that are not down, in their order
	ttl  uint32     // that all records should have

	down        uint32 // addresses, hints included, that are down
	downTargets uint32 // records whose target is down
	wrongHints  uint32 // hints of a pool that does not answer them
	outcome     pool.Outcome
	ignored     bool // the filter is not concerned with it
}

// A section is one of an answer, with what was found out about its sets.
type section struct {
	reply.Section
	findings []finding // of each set
}

// group sorts rrs into sets, about which nothing is known yet.
func (s *section) group(rrs []dns.RR, wanted func(uint16) bool) bool {
	s.clear()
	found := s.Group(rrs, wanted)
	s.findings = slices.Grow(s.findings, len(s.Sets))[:len(s.Sets)]
	return found
}

// clear makes s an empty section. It keeps the room that its section keeps.
func (s *section) clear() {
	if s.Clear(); s.Sets == nil {
		s.findings = nil
	}
	clear(s.findings)
	s.findings = s.findings[:0]
}

// judge finds out what of a set is down: addresses, hints and, in the answer
// section, targets.
func (j *Judge) judge(s *section, i int) *finding {
	set, owner, f := &s.Sets[i], s.Owner(i), &s.findings[i]
	f.by, f.up, f.ttl, f.ignored = j.filterOf(owner), set.At, set.Low, true
	if f.by != nil {
		f.ttl = min(f.ttl, f.by.TTL)
	}
	if targetType(set.Type) {
		if hintType(set.Type) {
			j.judgeHints(s, i, f)
		}
		if f.by != nil && s == &j.answer {
			j.judgeTargets(s, i, f)
		}
		return f
	}
	if f.pool = j.poolOf(owner); f.pool == nil && f.by != nil {
		j.judgeAddresses(s, i, f)
	}
	return f
}

// filterOf returns the filter for owner, or nil. The end of an alias or a target
// may have another filter than the name that was asked. If it has none, that of
// the name that was asked judges it.
func (j *Judge) filterOf(owner string) *Filter {
	if j.Filter != nil && len(j.Rules.Filters) > 1 {
		if own := j.Rules.Filter(owner); own != nil {
			return own
		}
	}
	return j.Filter
}

// judgeAddresses finds out which addresses in a set of A or AAAA records are down.
func (j *Judge) judgeAddresses(s *section, i int, f *finding) {
	from := s.Begin()
	for _, place := range s.At(i) {
		if f.note(f.by.condition(reply.Addr(s.RRs[place]))) {
			f.down++
		} else {
			s.Add(place)
		}
	}
	f.up = s.End(i, from)
	f.outcome = outcomeOf(&f.by.Settings, s.Sets[i].At.Len(), f.up.Len())
}

// note takes a condition into account, and reports whether it is down.
func (f *finding) note(c condition) (down bool) {
	if c.watched {
		f.ignored, f.ttl = false, min(f.ttl, c.ttl)
	}
	return c.down
}

// judged reports whether the filter decides what leaves of the set.
func (f *finding) judged() bool { return f.by != nil && !f.ignored && !f.by.DryRun }

// kept returns those records of the set that stay.
func (f *finding) kept(t *reply.Set) reply.List {
	if f.judged() && f.outcome == pool.Served {
		return f.up
	}
	return t.At
}

// leftOut returns how many addresses of a set, and records with a target, are
// left out.
func (f *finding) leftOut() (addresses, targets uint64) {
	if f.outcome == pool.Served {
		return uint64(f.down), uint64(f.downTargets)
	}
	return uint64(f.down), 0 // hints of records that stay
}

// allDown returns the set that the question is about if all of it is down, else
// reply.None.
func (j *Judge) allDown(qtype uint16) int {
	asked := reply.None
	if !judgedType(qtype) {
		return reply.None
	}
	for i := range j.answer.Sets {
		if j.answer.Sets[i].Type != qtype {
			continue
		}
		if f := &j.answer.findings[i]; !f.judged() || f.up.Len() > 0 {
			return reply.None
		}
		asked = i
	}
	return asked
}

// whyAllDown returns the text for a reply in which all records of the type are
// down.
func whyAllDown(rrtype uint16) string {
	if targetType(rrtype) {
		return "the targets of all records of this name and type are down"
	}
	return "all addresses of this name and type are down"
}
