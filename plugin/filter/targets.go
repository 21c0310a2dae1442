package filter

import (
	"math"
	"slices"

	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/plugin/pool"
	"github.com/rrhealth/rrhealth/plugin/reply"
)

// judgedType reports whether sets of type t are judged in an answer section.
func judgedType(t uint16) bool { return addressType(t) || t == dns.TypeSRV }

// addressType reports whether records of type t have addresses, or hints.
func addressType(t uint16) bool {
	return t == dns.TypeA || t == dns.TypeAAAA || hintType(t)
}

// hintType reports whether the addresses in records of type t are hints.
func hintType(t uint16) bool { return t == dns.TypeHTTPS || t == dns.TypeSVCB }

// targetType reports whether records of type t are judged by their targets.
// Those of MX are not: senders try the next, and come again later.
func targetType(t uint16) bool { return t == dns.TypeSRV || hintType(t) }

// targetOf returns the name that has the addresses for rr, or "" if rr names
// none.
func targetOf(rr dns.RR) string {
	switch rr := rr.(type) {
	case *dns.SRV:
		if rr.Target != "." { // no such service: RFC 2782
			return rr.Target
		}
	case *dns.MX:
		return rr.Mx
	case *dns.HTTPS:
		return svcbTarget(&rr.SVCB)
	case *dns.SVCB:
		return svcbTarget(rr)
	}
	return ""
}

// svcbTarget returns the target of rr, which may be its owner (RFC 9460,
// section 2.5.2). The target "." of an alias means that there is no such
// service (section 2.5.1).
func svcbTarget(rr *dns.SVCB) string {
	switch {
	case rr.Target != ".":
		return rr.Target
	case rr.Priority == 0:
		return ""
	}
	return rr.Hdr.Name
}

// judgeTargets finds out which records of a set of SRV, HTTPS or SVCB have a
// target that is down.
func (j *Judge) judgeTargets(s *section, i int, f *finding) {
	from := s.Begin()
	for _, place := range s.At(i) {
		if f.note(j.target(f.by, targetOf(s.RRs[place]))) {
			f.downTargets++
		} else {
			s.Add(place)
		}
	}
	f.up = s.End(i, from)
	f.outcome = outcomeOf(&f.by.Settings, s.Sets[i].At.Len(), f.up.Len())
}

// target returns the condition of name, the target of a record that f judges. It
// is down if all of its addresses are. A pool knows those of its name. Those of
// other names are in the additional section; a target without any is taken for
// up, because a lookup for each target would be paid by every query.
func (j *Judge) target(f *Filter, name string) condition {
	if name == "" {
		return condition{}
	}
	if p := j.poolOf(name); p != nil {
		s := p.Snapshot()
		return condition{watched: true, down: s.AllDown && p.AllDown != pool.ActAddresses, ttl: s.TTL}
	}
	c, found := condition{down: true, ttl: math.MaxUint32}, false
	for _, rrtype := range [...]uint16{dns.TypeA, dns.TypeAAAA} {
		beside := j.beside(name, rrtype)
		if beside == nil {
			continue
		}
		found = true
		c.watched = c.watched || !beside.ignored
		c.down = c.down && beside.up.Len() == 0 && (f.DryRun || !beside.by.DryRun)
		c.ttl = min(c.ttl, beside.ttl)
	}
	c.down = c.down && found
	return c
}

// beside returns what was found out about the set of name and rrtype in the
// additional section, or nil.
func (j *Judge) beside(name string, rrtype uint16) *finding {
	i := j.additional.Find(name, rrtype)
	if i == reply.None || j.additional.findings[i].by == nil {
		return nil
	}
	return &j.additional.findings[i]
}

// A mark is about an address set in the additional section: whether its owner
// is the target of a record that stays, and of one that is left out.
type mark struct{ wanted, unwanted bool }

// markTargets notes which addresses in the additional section belong to targets
// of records that are left out, and of none that stays.
func (j *Judge) markTargets(m *dns.Msg) {
	if len(j.additional.Sets) == 0 || !j.thinned() {
		return
	}
	j.marks = slices.Grow(j.marks, len(j.additional.Sets))[:len(j.additional.Sets)]
	clear(j.marks)
	for place, rr := range m.Answer {
		if rr == nil || !pointsElsewhere(rr) {
			continue
		}
		name, stays := targetOf(rr), j.stays(int32(place)) // #nosec G115 -- fewer than 65536
		for _, rrtype := range [...]uint16{dns.TypeA, dns.TypeAAAA} {
			if i := j.additional.Find(name, rrtype); i != reply.None {
				mark := &j.marks[i]
				mark.wanted, mark.unwanted = mark.wanted || stays, mark.unwanted || !stays
			}
		}
	}
}

// unwanted reports whether all records that name the owner of a set in the
// additional section as their target are left out.
func (j *Judge) unwanted(i int) bool {
	return len(j.marks) > 0 && j.marks[i].unwanted && !j.marks[i].wanted
}

// thinned reports whether records of the answer are left out for their targets.
func (j *Judge) thinned() bool {
	for i := range j.answer.Sets {
		if j.thinnedBy(i) {
			return true
		}
	}
	return false
}

// thinnedBy reports whether records of a set of the answer are left out for their
// targets.
func (j *Judge) thinnedBy(i int) bool {
	set := &j.answer.Sets[i]
	return targetType(set.Type) && j.answer.WithdrawnFrom(i) && j.answer.findings[i].kept(set).Len() < set.At.Len()
}

// stays reports whether the target of a record of the answer leaves with it.
func (j *Judge) stays(place int32) bool {
	i := j.answer.SetOf(int(place))
	if i == reply.None || !j.thinnedBy(i) {
		return true
	}
	_, found := slices.BinarySearch(j.answer.Places(j.answer.findings[i].up), place)
	return found
}
