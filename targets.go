package rrhealth

import (
	"slices"

	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/plugin/pool"
)

// judgedType reports whether sets of type t are judged in an answer section.
func judgedType(t uint16) bool { return addressType(t) || t == dns.TypeSRV }

// targetType reports whether records of type t are judged by their targets.
// Those of MX are not: senders try the next, and come again later.
func targetType(t uint16) bool { return t == dns.TypeSRV || hintType(t) }

// targetOf returns the name at which the addresses for rr stand, or "" where rr
// names none.
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

// svcbTarget returns the target of rr, which may be its owner (RFC 9460, section
// 2.5.2). As an alias, "." says that there is no such service (section 2.5.1).
func svcbTarget(rr *dns.SVCB) string {
	switch {
	case rr.Target != ".":
		return rr.Target
	case rr.Priority == 0:
		return ""
	}
	return rr.Hdr.Name
}

// judgeTargets finds out which records of the set, of SRV, HTTPS or SVCB, have a
// target that is down.
func (w *filterWriter) judgeTargets(set *rrset) {
	set.up = set.at // until one is found to be down
	for i, place := range set.at {
		c := w.target(set.filter, targetOf(w.answer.rrs[place]))
		if c.watched {
			set.overlooked = false
			set.ttl = min(set.ttl, c.ttl)
		}
		switch {
		case c.down:
			if set.downTargets++; set.downTargets == 1 {
				set.up = append(w.answer.room(len(set.at))[:0], set.at[:i]...)
			}
		case set.downTargets > 0:
			set.up = append(set.up, place)
		}
	}
	set.outcome = set.filter.Thin(len(set.at), len(set.up))
}

// An outlook is how the target of a record is.
type outlook struct {
	watched bool // all that follows is known
	down    bool // there is no address that is not down
	ttl     uint32
}

// target returns how name is, for a record that is f's business. A pool knows. Of
// other names the additional section has the addresses, or it has not: then
// nothing is known, and nothing is asked, since that would cost every query as
// many lookups as there are targets.
func (w *filterWriter) target(f *filter, name string) (o outlook) {
	if name == "" {
		return o
	}
	if p := w.poolOf(name); p != nil {
		s := p.Snapshot()
		return outlook{watched: true, down: s.AllDown && p.AllDown != pool.ActAddresses, ttl: s.TTL}
	}
	found, down := false, true
	for _, rrtype := range [...]uint16{dns.TypeA, dns.TypeAAAA} {
		set := w.beside(name, rrtype)
		if set == nil {
			continue
		}
		if !found || set.ttl < o.ttl {
			o.ttl = set.ttl
		}
		found = true
		o.watched = o.watched || !set.overlooked
		down = down && len(set.up) == 0 && (f.dryRun || !set.filter.dryRun)
	}
	o.down = found && down
	return o
}

// beside returns the set of name and rrtype in the additional section, or nil.
func (w *filterWriter) beside(name string, rrtype uint16) *rrset {
	if len(w.additional.sets) == 0 {
		return nil
	}
	i := w.additional.find(name, rrtype, false)
	if i == none || w.additional.sets[i].filter == nil {
		return nil
	}
	return &w.additional.sets[i]
}

// markTargets notes which addresses in the additional section belong to targets
// of records that are left out, and of none that stays.
func (w *filterWriter) markTargets(m *dns.Msg) {
	if len(w.additional.sets) == 0 || !slices.ContainsFunc(w.answer.sets, func(set rrset) bool { return set.thinned }) {
		return
	}
	for i, rr := range m.Answer {
		if rr == nil || !pointsElsewhere(rr) {
			continue
		}
		stays := true
		if of := w.answer.setOf[i]; of != none {
			set := &w.answer.sets[of]
			_, found := slices.BinarySearch(set.up, i)
			stays = !set.thinned || found
		}
		name := targetOf(rr)
		for _, rrtype := range [...]uint16{dns.TypeA, dns.TypeAAAA} {
			if at := w.additional.find(name, rrtype, false); at != none {
				set := &w.additional.sets[at]
				set.wanted, set.unwanted = set.wanted || stays, set.unwanted || !stays
			}
		}
	}
}
