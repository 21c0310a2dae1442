package filter

import (
	"slices"
	"sync"

	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/plugin/reply"
)

// A Judge judges the answer to a query: it finds out about each set of records in
// its two sections (judge.go), and then edits the sets (apply.go). Judges are
// reused: no message that leaves has a part of one.
type Judge struct {
	*Query
	limits             reply.Limits // of the reply, or none
	answer, additional section
	marks              []mark // of the sets in the additional section, if records of the answer are left out
	first              turned // where the first set of the answer begins
	arranged           bool   // addresses of the answer are in the order of a policy
}

// turned is how far the first set of the answer is to be turned, if that is
// known before it is judged.
type turned struct {
	step  uint64
	known bool
}

var judges = sync.Pool{New: func() any { return new(Judge) }}

// Judge returns a judge of the answer to q. Put it back after use of its result.
func (q *Query) Judge() *Judge {
	j := judges.Get().(*Judge)
	j.Query = q
	return j
}

// Put keeps j for the next message, with the room of its lists.
func (j *Judge) Put() {
	j.Query = nil
	j.answer.clear()
	j.additional.clear()
	j.marks, j.first, j.arranged = j.marks[:0], turned{}, false
	judges.Put(j)
}

// Message judges m, and returns what leaves instead of it. limits are those by
// which the server truncates the reply: no more of m is judged than fills it. The
// zero Limits are for a server of which they are not known.
func (j *Judge) Message(m *dns.Msg, limits reply.Limits) Result {
	j.limits = limits
	if out, ok := j.ledToPool(m); ok {
		return Result{msg: out, Ordered: true}
	}
	m = j.judgeAnswer(m)
	allDown := j.allDown(m.Question[0].Qtype)
	if allDown != reply.None {
		if out, ok := j.replace(m, allDown); ok {
			return Result{msg: out}
		}
	}
	j.applyTo(m)
	if allDown != reply.None {
		out := j.explained(j.assemble(m), whyAllDown(j.answer.Sets[allDown].Type)+": all are answered")
		return Result{msg: out, Ordered: j.arranged}
	}
	return Result{judge: j, msg: m, Ordered: j.arranged}
}

// judgeAnswer judges the sets in m, and returns m or, if the server cuts the
// reply, a part of it that is enough.
func (j *Judge) judgeAnswer(m *dns.Msg) *dns.Msg {
	if part, ok := j.judgePart(m); ok {
		return part
	}
	j.judgeSets(m)
	j.judgeAdditional(m)
	for i := range j.answer.Sets {
		if targetType(j.answer.Sets[i].Type) {
			j.judge(&j.answer, i)
		}
	}
	return m
}

// judgeSets judges the sets in the answer section of m, but for those with
// targets, which may be in the additional section.
func (j *Judge) judgeSets(m *dns.Msg) {
	j.answer.group(m.Answer, judgedType)
	for i := range j.answer.Sets {
		if !targetType(j.answer.Sets[i].Type) {
			j.judge(&j.answer, i)
		}
	}
}

// judgeAdditional judges the sets in the additional section of m that clients
// use: addresses of targets, and of pools.
func (j *Judge) judgeAdditional(m *dns.Msg) {
	if !slices.ContainsFunc(m.Extra, hasAddresses) {
		return
	}
	points := slices.ContainsFunc(m.Answer, pointsElsewhere)
	if !points && (refers(m) || !j.concerned(m.Extra)) {
		return
	}
	j.additional.group(m.Extra, addressType)
	for i := range j.additional.Sets {
		if f := j.judge(&j.additional, i); !points && f.pool == nil {
			f.ignored = true
		}
	}
}

// hasAddresses reports whether rr is of a type that has addresses or hints.
func hasAddresses(rr dns.RR) bool { return rr != nil && addressType(rr.Header().Rrtype) }

// refers reports whether m has nothing but aliases, which lead to a zone that is
// delegated: the addresses beside them are those of name servers, and all of
// them belong there (RFC 9471).
func refers(m *dns.Msg) bool {
	return !slices.ContainsFunc(m.Answer, func(rr dns.RR) bool {
		if rr == nil {
			return false
		}
		switch rr.Header().Rrtype {
		case dns.TypeCNAME, dns.TypeDNAME, dns.TypeRRSIG:
			return false
		}
		return true
	})
}

// applyTo edits each set in m by its finding.
func (j *Judge) applyTo(m *dns.Msg) {
	for i := range j.answer.Sets {
		j.apply(&j.answer, i, true)
	}
	j.markTargets(m)
	for i := range j.additional.Sets {
		j.apply(&j.additional, i, false)
	}
}

// pointsElsewhere reports whether rr is of a type whose target's addresses are
// in the additional section for clients to use.
func pointsElsewhere(rr dns.RR) bool {
	if rr == nil {
		return false
	}
	switch rr.Header().Rrtype {
	case dns.TypeSRV, dns.TypeMX, dns.TypeSVCB, dns.TypeHTTPS:
		return true
	}
	return false
}
