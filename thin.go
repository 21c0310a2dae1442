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
	_ = growStack(0)
	return &filterWriter{ResponseWriter: w, handler: h, filter: f, ctx: ctx, request: r, dnssec: wantsDNSSEC(r)}
}

// growStack makes the stack of the query's goroutine grow now, to the 8 KiB that
// it comes to need: it starts small, and what other plugins put on it behind our
// writer is a little more than fits. What growing costs depends on how deep the
// stack is: down there, in cache, say, it is more than all of the judging.
//
//go:noinline
func growStack(i uint8) byte {
	var room [3 << 10]byte
	return room[i]
}

// WriteMsg implements dns.ResponseWriter.
func (w *filterWriter) WriteMsg(m *dns.Msg) error {
	// What is no plain, whole, positive answer passes as it is. A referral is
	// one without an answer: its addresses are those of name servers.
	if m == nil || len(m.Question) != 1 || m.Rcode != dns.RcodeSuccess || m.Truncated || !m.Response || len(m.Answer) == 0 {
		return w.ResponseWriter.WriteMsg(m)
	}
	w.draft = drafts.Get().(*draft)
	m, dropped := w.judged(m)
	w.answer.clear()
	w.additional.clear()
	drafts.Put(w.draft)
	if dropped {
		return nil
	}
	return w.ResponseWriter.WriteMsg(m)
}

// judged returns what is answered instead of m: m itself where all is well. It
// reports true where nothing is to be answered.
func (w *filterWriter) judged(m *dns.Msg) (out *dns.Msg, dropped bool) {
	qtype := m.Question[0].Qtype
	w.answer.group(m.Answer, addressType)
	for i := range w.answer.sets {
		w.judge(&w.answer, &w.answer.sets[i])
	}
	allDown := w.allDown(qtype)
	if allDown != none {
		if m, ok := w.replace(m, allDown); ok {
			return m, m == nil
		}
	}
	for i := range w.answer.sets {
		w.apply(&w.answer, i, true)
	}
	if slices.ContainsFunc(m.Answer, pointsElsewhere) && w.additional.group(m.Extra, addressType) {
		for i := range w.additional.sets {
			w.judge(&w.additional, &w.additional.sets[i])
			w.apply(&w.additional, i, false)
		}
	}
	m = w.assemble(m)
	if allDown != none {
		m = w.explained(m, "all addresses of this name and type are down: answered all the same")
	}
	return m, false
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
	for _, sets := range [...][]rrset{w.answer.sets, w.additional.sets} {
		for i := range sets {
			if sets[i].withdrawn {
				out.msg.AuthenticatedData = false // what was authenticated is not what leaves
			}
		}
	}
	return &out.msg
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
	from := len(s.places)
	for _, place := range set.at {
		rr := s.rrs[place]
		set.ttl = min(set.ttl, rr.Header().Ttl)
		if set.hints() {
			for addr := range hintAddrs(rr) {
				set.take(w.handler.health(f, addr))
			}
		} else if h := w.handler.health(f, addrOf(rr)); !set.take(h) {
			s.places = append(s.places, place)
		}
	}
	set.living = s.places[from:len(s.places):len(s.places)]
	if !set.hints() {
		set.outcome = f.Thin(len(set.at), len(set.living))
	}
}

// take takes one address into account, and reports whether it is down.
func (set *rrset) take(h condition) (down bool) {
	set.overlooked = set.overlooked && !h.watched
	if h.short {
		set.ttl = min(set.ttl, set.filter.ShortTTL)
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
