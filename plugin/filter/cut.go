package filter

import (
	"slices"

	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/plugin/pool"
	"github.com/rrhealth/rrhealth/plugin/reply"
)

// A name with ten thousand addresses does not fit a reply over UDP: the server
// cuts it and sets TC, and the client asks again over TCP. If all of them were
// judged for the fifty that leave, small packets could load the server. So no
// more are judged than surely fill the reply, and TC is set. All that leaves is
// up: if too few of the part are, more are judged, and in the end all.

const (
	// shortestRecord is the size of an A record of the root in bytes. With any
	// other owner, a pointer at the least, it has one more.
	shortestRecord = 1 + 10 + 4
	// longestStart is how many records, aliases as a rule, may stand before the
	// addresses of an answer that is judged in part.
	longestStart = 16
	// fewDown is how many sets that are all down are looked for in the rest of
	// an answer that is judged in part.
	fewDown = 8
)

// judgePart judges as much of m as fills the reply, and returns a message with
// only that in it. It reports false, with nothing judged, if the reply may hold
// all of m or if the rest of m decides about the part.
func (j *Judge) judgePart(m *dns.Msg) (part *dns.Msg, ok bool) {
	qtype := m.Question[0].Qtype
	if j.Filter == nil || len(m.Answer) <= dns.MinMsgSize/shortestRecord || qtype != dns.TypeA && qtype != dns.TypeAAAA {
		return nil, false
	}
	full := j.limits.Most/shortestRecord + 1
	if j.limits.Most == 0 || len(m.Answer) <= full {
		return nil, false
	}
	part = new(dns.Msg)
	*part = *m
	part.Ns, part.Extra = nil, nil // as the server has it
	for _, rr := range m.Extra {
		if special(rr) {
			part.Extra = append(part.Extra, rr)
		}
	}
	if start, end, ok := oneSet(m.Answer); ok {
		return part, j.judgeWindow(part, m.Answer, start, end, full)
	}
	return part, j.judgeStart(part, m.Answer, full)
}

// oneSet returns the places of the addresses in an answer that has one set of
// them in one piece. It reports false for any other.
func oneSet(rrs []dns.RR) (start, end int, ok bool) {
	start = slices.IndexFunc(rrs, func(rr dns.RR) bool { return rr != nil && judgedType(rr.Header().Rrtype) })
	if start < 0 || start > longestStart {
		return 0, 0, false
	}
	owner, rrtype := rrs[start].Header().Name, rrs[start].Header().Rrtype
	for end = start + 1; end < len(rrs); end++ {
		if rrs[end] == nil {
			break
		}
		if h := rrs[end].Header(); h.Rrtype != rrtype || h.Name != owner && !reply.SameName(h.Name, owner) {
			break
		}
	}
	for _, rr := range rrs[end:] {
		if rr == nil || judgedType(rr.Header().Rrtype) {
			return 0, 0, false
		}
	}
	return start, end, rrtype == dns.TypeA || rrtype == dns.TypeAAAA
}

// judgeWindow judges a part of the set from start to end in rrs, and makes it
// the answer of m. The part begins with the record whose turn it is.
func (j *Judge) judgeWindow(m *dns.Msg, rrs []dns.RR, start, end, full int) bool {
	set, f := rrs[start:end], j.filterOf(rrs[start].Header().Name)
	if f.MaxAnswers > 0 || j.poolOf(rrs[start].Header().Name) != nil {
		return false
	}
	first := 0
	rotates := f.Policy == pool.Rotate && !f.DryRun && !j.Server.Ordered()
	if h := rrs[start].Header(); rotates {
		j.first = turned{j.step(h.Name, h.Rrtype), true}
		first = int(j.first.step % uint64(len(set))) // #nosec G115 -- less than the length
	}
	whole := j.first
	for n := full + full/8 + 1; n < len(set); n *= 4 {
		m.Answer = slices.Grow(m.Answer[:0:0], start+n)
		m.Answer = append(m.Answer, rrs[:start]...)
		m.Answer = append(m.Answer, set[first:min(first+n, len(set))]...)
		m.Answer = append(m.Answer, set[:max(0, first+n-len(set))]...)
		j.judgeSets(m)
		switch found := &j.answer.findings[0]; {
		case found.ignored && first > 0:
			first = 0 // what the filter ignores leaves in its order
			n /= 4
		case found.ignored || found.up.Len() >= full && outcomeOf(&f.Settings, len(set), found.up.Len()) == pool.Served:
			j.first = turned{0, true} // the part begins with the record whose turn it is
			return true
		}
	}
	j.first = whole
	return false
}

// judgeStart judges the first of rrs, which are of many sets, and makes them the
// answer of m.
func (j *Judge) judgeStart(m *dns.Msg, rrs []dns.RR, full int) bool {
	for n := full + full/4 + 1; n < len(rrs)/2; n *= 4 {
		m.Answer = rrs[:n:n]
		j.judgeSets(m)
		if leave, ok := j.leaving(rrs[n:]); !ok {
			return false
		} else if leave >= full && j.allDown(m.Question[0].Qtype) == reply.None {
			return true
		}
	}
	return false
}

// leaving returns how many addresses of the answer leave, at the least. It reports
// false if that depends on the rest, which has not been judged.
func (j *Judge) leaving(rest []dns.RR) (n int, ok bool) {
	down := make([]int, 0, fewDown)
	for i := range j.answer.Sets {
		set, f := &j.answer.Sets[i], &j.answer.findings[i]
		switch {
		case f.pool != nil || targetType(set.Type):
			return 0, false
		case f.ignored:
		case f.by.MaxAnswers > 0 || outcomeOf(&f.by.Settings, len(rest)+set.At.Len(), 1) != pool.Served:
			return 0, false
		case f.up.Len() > 0:
			n += f.up.Len() - set.At.Len()
		case len(down) == fewDown:
			return 0, false
		default:
			down = append(down, i)
		}
	}
	for place := range j.answer.RRs {
		// Aliases do not count: they may be shorter than shortestRecord.
		if of := j.answer.SetOf(place); of != reply.None && !j.answer.Sets[of].Signed() {
			n++
		}
	}
	return n, !slices.ContainsFunc(rest, func(rr dns.RR) bool { return rr == nil || j.answer.isOf(rr, down) })
}

// isOf reports whether rr belongs to one of the sets given.
func (s *section) isOf(rr dns.RR, sets []int) bool {
	h := rr.Header()
	return slices.ContainsFunc(sets, func(i int) bool { return s.Sets[i].Type == h.Rrtype && reply.SameName(s.Owner(i), h.Name) })
}
