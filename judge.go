package rrhealth

import (
	"math"

	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/plugin/reply"
)

// judge finds out how the addresses in set are, and what follows from it.
func (w *filterWriter) judge(s *section, set *rrset) {
	set.filter = w.filterOf(set.owner)
	set.overlooked = true
	set.ttl = math.MaxUint32
	if set.filter != nil {
		set.ttl = set.filter.TTL
	}
	for _, place := range set.at {
		set.ttl = min(set.ttl, s.rrs[place].Header().Ttl)
	}
	switch {
	case set.hints():
		w.judgeHints(s, set)
	case set.rrtype == dns.TypeSRV: // see judgeTargets
	case w.poolOf(set.owner) != nil:
		set.pool = w.poolOf(set.owner)
	case set.filter != nil:
		w.judgeAddresses(s, set)
	}
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
func (w *filterWriter) judgeAddresses(s *section, set *rrset) {
	set.up = set.at // until one is found to be down
	for i, place := range set.at {
		switch h := w.handler.health(set.filter, reply.Addr(s.rrs[place])); {
		case set.take(h):
			if set.down == 1 {
				set.up = append(s.room(len(set.at))[:0], set.at[:i]...)
			}
		case set.down > 0:
			set.up = append(set.up, place)
		}
	}
	set.outcome = set.filter.Thin(len(set.at), len(set.up))
}

// take takes one address into account, and reports whether it is down.
func (set *rrset) take(h condition) (down bool) {
	set.overlooked = set.overlooked && !h.watched
	if h.watched {
		set.ttl = min(set.ttl, h.ttl)
	}
	if h.down {
		set.down++
	}
	return h.down
}

// allDown returns the set that the question is about when all of it is down,
// else none.
func (w *filterWriter) allDown(qtype uint16) int {
	asked := none
	if !judgedType(qtype) {
		return none
	}
	for i := range w.answer.sets {
		set := &w.answer.sets[i]
		if set.rrtype != qtype {
			continue
		}
		if set.overlooked || set.filter == nil || len(set.up) > 0 || set.filter.dryRun {
			return none
		}
		asked = i
	}
	return asked
}

// whyAllDown words that all of set is down.
func (set *rrset) whyAllDown() string {
	if targetType(set.rrtype) {
		return "the targets of all records of this name and type are down"
	}
	return "all addresses of this name and type are down"
}
