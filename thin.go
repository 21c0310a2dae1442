package rrhealth

import (
	"context"
	"slices"
	"sync"

	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/plugin/reply"
)

// A filterWriter judges the answer that a plugin below writes, and sees to it
// that it has of pools' names what the pools answer.
type filterWriter struct {
	dns.ResponseWriter
	handler *RRHealth
	filter  *filter // for the name that was asked, or nil
	own     *served // the pool of the name that was asked, or nil
	foreign string  // the name that was asked, where no pool has it
	ctx     context.Context
	request *dns.Msg
	dnssec  bool // the client asks for signatures
	nested  bool // the handler looks through what is made of the answer, too
	pools   bool // the answer may have the names of pools

	arranged bool           // addresses in the answer were put in order
	watching watchedContext // room for ctx

	*draft // while a message is judged
}

// A draft is where the two sections are judged.
type draft struct {
	answer, additional part
	marks              []mark // of the sets in the additional section, where records go whose target they are
	first              turned // where the first set of the answer begins
	sent               sending
}

// turned is how far the first set of the answer is to be turned, where that is
// known before it is judged.
type turned struct {
	step  uint64
	known bool
}

// drafts are kept for the next message: they take no part in what is written.
var drafts = sync.Pool{New: func() any { return new(draft) }}

// clear makes d an empty draft. It keeps the room of its lists.
func (d *draft) clear() {
	d.answer.clear()
	d.additional.clear()
	d.marks, d.first, d.sent = d.marks[:0], turned{}, sending{}
}

// judging returns a writer that judges what plugins below answer to r, for f,
// which may be nil.
func (h *RRHealth) judging(ctx context.Context, w dns.ResponseWriter, r *dns.Msg, f *filter) *filterWriter {
	return &filterWriter{ResponseWriter: w, handler: h, filter: f, ctx: ctx, request: r, dnssec: reply.WantsDNSSEC(r)}
}

// WriteMsg implements dns.ResponseWriter.
func (w *filterWriter) WriteMsg(m *dns.Msg) error {
	if !w.mayChange(m) {
		return w.ResponseWriter.WriteMsg(m)
	}
	w.draft = drafts.Get().(*draft)
	m, done := w.judged(m)
	w.draft.clear()
	drafts.Put(w.draft)
	if done {
		return nil
	}
	if w.arranged {
		tellOrdered(w.watching.Context)
	}
	return w.ResponseWriter.WriteMsg(m)
}

// mayChange reports whether m has something to judge.
func (w *filterWriter) mayChange(m *dns.Msg) bool {
	if plain(m) && (w.filter != nil || w.concerned(m.Answer) || w.concerned(m.Extra)) {
		return true
	}
	_, _, ok := w.leadsTo(m)
	return ok
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
	if out, ok := w.ledToPool(m); ok {
		w.arranged = true
		return out, out == nil
	}
	m = w.judgeAnswer(m)
	allDown := w.allDown(m.Question[0].Qtype)
	if allDown != reply.None {
		if m, ok := w.replace(m, allDown); ok {
			return m, m == nil
		}
	}
	w.applyTo(m)
	if allDown != reply.None {
		return w.explained(w.assemble(m), whyAllDown(w.answer.Sets[allDown].Type)+": answered all the same"), false
	}
	if w.writeBytes(m) {
		return nil, true
	}
	return w.unemptied(w.assemble(m), m), false
}

// judgeAnswer finds out about each set in m that is to be judged, and returns m
// or, where the server cuts the reply, a part of it that is enough.
func (w *filterWriter) judgeAnswer(m *dns.Msg) *dns.Msg {
	if part, ok := w.judgePart(m); ok {
		return part
	}
	w.judgeSets(m)
	w.judgeAdditional(m)
	for i := range w.answer.Sets {
		if targetType(w.answer.Sets[i].Type) {
			w.judge(&w.answer, i)
		}
	}
	return m
}

// judgeSets finds out about each set in the answer section of m but those that
// have targets, of which the additional section may know.
func (w *filterWriter) judgeSets(m *dns.Msg) {
	w.answer.group(m.Answer, judgedType)
	for i := range w.answer.Sets {
		if !targetType(w.answer.Sets[i].Type) {
			w.judge(&w.answer, i)
		}
	}
}

// judgeAdditional finds out about the sets in the additional section of m that
// clients are to use.
func (w *filterWriter) judgeAdditional(m *dns.Msg) {
	if !slices.ContainsFunc(m.Extra, hasAddresses) {
		return
	}
	points := slices.ContainsFunc(m.Answer, pointsElsewhere)
	if !points && !(w.concerned(m.Extra) && !refers(m)) || !w.additional.group(m.Extra, addressType) {
		return
	}
	for i := range w.additional.Sets {
		if f := w.judge(&w.additional, i); !points && f.pool == nil {
			f.overlooked = true
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

// applyTo makes of each set in m what was found.
func (w *filterWriter) applyTo(m *dns.Msg) {
	for i := range w.answer.Sets {
		w.apply(&w.answer, i, true)
	}
	w.markTargets(m)
	for i := range w.additional.Sets {
		w.apply(&w.additional, i, false)
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

// usual is how many records a changed answer has room for without allocating.
const usual = 8

// assemble returns m with the sections as they have become.
func (w *filterWriter) assemble(m *dns.Msg) *dns.Msg {
	if !w.answer.Changed() && !w.additional.Changed() {
		return m
	}
	out := &struct {
		msg  dns.Msg
		room [usual]dns.RR
	}{msg: *m}
	if w.answer.Changed() {
		out.msg.Answer = out.room[:0]
		if n := w.answer.Size(); n > usual {
			out.msg.Answer = make([]dns.RR, 0, n)
		}
		out.msg.Answer = w.answer.Append(out.msg.Answer)
	}
	if w.additional.Changed() {
		out.msg.Extra = w.additional.Append(make([]dns.RR, 0, w.additional.Size()+1))
	}
	if w.answer.Withdrawn() || w.additional.Withdrawn() {
		out.msg.AuthenticatedData = false // what was authenticated is not what leaves
	}
	return &out.msg
}
