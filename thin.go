package rrhealth

import (
	"context"
	"slices"
	"sync"

	"github.com/miekg/dns"
)

// A filterWriter judges the answer that a plugin below writes.
type filterWriter struct {
	dns.ResponseWriter
	handler *RRHealth
	filter  *filter // for the name that was asked
	ctx     context.Context
	request *dns.Msg
	dnssec  bool // the client asks for signatures

	*draft // while a message is judged
}

// A draft is where the two sections are judged.
type draft struct{ answer, additional section }

// drafts are kept for the next message: they take no part in what is written.
var drafts = sync.Pool{New: func() any { return new(draft) }}

// judging returns a writer that judges what plugins below answer to r.
func (h *RRHealth) judging(ctx context.Context, w dns.ResponseWriter, r *dns.Msg, f *filter) *filterWriter {
	return &filterWriter{ResponseWriter: w, handler: h, filter: f, ctx: ctx, request: r, dnssec: wantsDNSSEC(r)}
}

// WriteMsg implements dns.ResponseWriter.
func (w *filterWriter) WriteMsg(m *dns.Msg) error {
	if !plain(m) {
		return w.ResponseWriter.WriteMsg(m)
	}
	w.draft = drafts.Get().(*draft)
	m, done := w.judged(m)
	w.answer.clear()
	w.additional.clear()
	drafts.Put(w.draft)
	if done {
		return nil
	}
	return w.ResponseWriter.WriteMsg(m)
}

// plain reports whether m is a whole, positive answer: all others pass as they
// are. A referral is one without an answer: its addresses are those of name
// servers.
func plain(m *dns.Msg) bool {
	return m != nil && m.Response && m.Rcode == dns.RcodeSuccess && !m.Truncated && len(m.Question) == 1 && len(m.Answer) > 0
}

// judged returns what is answered instead of m: m itself where all is well. It
// reports true where nothing is to be answered, or has been already.
func (w *filterWriter) judged(m *dns.Msg) (out *dns.Msg, done bool) {
	w.judgeAnswer(m)
	allDown := w.allDown(m.Question[0].Qtype)
	if allDown != none {
		if m, ok := w.replace(m, allDown); ok {
			return m, m == nil
		}
	}
	w.applyTo(m)
	if allDown != none {
		return w.explained(w.assemble(m), "all addresses of this name and type are down: answered all the same"), false
	}
	if w.writeRaw(m) {
		return nil, true
	}
	return w.assemble(m), false
}

// judgeAnswer finds out about each set in the answer section of m.
func (w *filterWriter) judgeAnswer(m *dns.Msg) {
	w.answer.group(m.Answer, addressType)
	for i := range w.answer.sets {
		w.judge(&w.answer, &w.answer.sets[i])
	}
}

// applyTo makes of each set in m what was found.
func (w *filterWriter) applyTo(m *dns.Msg) {
	for i := range w.answer.sets {
		w.apply(&w.answer, i, true)
	}
	if slices.ContainsFunc(m.Answer, pointsElsewhere) && w.additional.group(m.Extra, addressType) {
		for i := range w.additional.sets {
			w.judge(&w.additional, &w.additional.sets[i])
			w.apply(&w.additional, i, false)
		}
	}
}

// pointsElsewhere reports whether rr is of a type whose target's addresses
// stand in the additional section for clients to use.
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

// assemble returns m with the sections as they have become.
func (w *filterWriter) assemble(m *dns.Msg) *dns.Msg {
	if !w.answer.changed() && !w.additional.changed() {
		return m
	}
	out := &struct {
		msg  dns.Msg
		room [usual]dns.RR
	}{msg: *m}
	if w.answer.changed() {
		out.msg.Answer = out.room[:0]
		if n := w.answer.size(); n > usual {
			out.msg.Answer = make([]dns.RR, 0, n)
		}
		out.msg.Answer = w.answer.appendTo(out.msg.Answer)
	}
	if w.additional.changed() {
		out.msg.Extra = w.additional.appendTo(make([]dns.RR, 0, w.additional.size()+1))
	}
	if w.withdrawn() {
		out.msg.AuthenticatedData = false // what was authenticated is not what leaves
	}
	return &out.msg
}

// withdrawn reports whether anything is left out.
func (w *filterWriter) withdrawn() bool {
	for _, sets := range [...][]rrset{w.answer.sets, w.additional.sets} {
		for i := range sets {
			if sets[i].withdrawn {
				return true
			}
		}
	}
	return false
}

// judge finds out how the addresses in set are, and what follows from it.
func (w *filterWriter) judge(s *section, set *rrset) {
	f := w.filter
	if w.handler.several {
		// A target may be the business of another filter.
		if own := w.handler.rules.match(set.owner); own != nil {
			f = own
		}
	}
	set.filter = f
	set.overlooked = true
	set.ttl = f.TTL
	set.living = set.at // until one is found to be down
	for i, place := range set.at {
		rr := s.rrs[place]
		set.ttl = min(set.ttl, rr.Header().Ttl)
		if set.hints() {
			for addr := range hintAddrs(rr) {
				set.take(w.handler.health(f, addr))
			}
			continue
		}
		switch h := w.handler.health(f, addrOf(rr)); {
		case set.take(h):
			if set.dead == 1 {
				set.living = append(s.room(len(set.at))[:0], set.at[:i]...)
			}
		case set.dead > 0:
			set.living = append(set.living, place)
		}
	}
	if !set.hints() {
		set.outcome = f.Thin(len(set.at), len(set.living))
	}
}

// take takes one address into account, and reports whether it is down.
func (set *rrset) take(h condition) (down bool) {
	set.overlooked = set.overlooked && !h.watched
	if h.watched {
		set.ttl = min(set.ttl, h.ttl)
	}
	if h.down {
		set.dead++
	}
	return h.down
}

// allDown returns the set that the question is about when all of it is down,
// else none.
func (w *filterWriter) allDown(qtype uint16) int {
	asked := none
	if qtype != dns.TypeA && qtype != dns.TypeAAAA {
		return none
	}
	for i := range w.answer.sets {
		set := &w.answer.sets[i]
		if set.rrtype != qtype {
			continue
		}
		if set.overlooked || len(set.living) > 0 || set.filter.shadow {
			return none
		}
		asked = i
	}
	return asked
}
