package filter

import (
	"slices"

	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/plugin/reply"
)

// A Result is what leaves instead of a message from below: as a message, or as
// bytes. It is good until its judge is put back.
type Result struct {
	judge *Judge // whose sections are edits of msg, or nil
	msg   *dns.Msg
	// Ordered is true if the addresses are in the order of a policy. A filter around
	// this one, in another server block, leaves them in that order.
	Ordered bool
}

// Dropped reports whether nothing is to be answered.
func (r Result) Dropped() bool { return r.msg == nil }

// Message returns the message that leaves: the one from below if nothing changes.
func (r Result) Message() *dns.Msg {
	if r.judge == nil {
		return r.msg
	}
	return r.judge.denialIfEmpty(r.judge.assemble(r.msg), r.msg)
}

// Pack encodes into p the bytes that a server with these limits would send for
// Message. It reports false if only the message will do.
func (r Result) Pack(p *reply.Packet, limits reply.Limits) bool {
	return r.judge != nil && !r.judge.answer.Empty() && r.judge.pack(p, r.msg, limits)
}

// usual is how many records a changed answer has room for without allocating.
const usual = 8

// assemble returns m with the sections as they have become.
func (j *Judge) assemble(m *dns.Msg) *dns.Msg {
	if !j.answer.Changed() && !j.additional.Changed() {
		return m
	}
	out := &struct {
		msg  dns.Msg
		room [usual]dns.RR
	}{msg: *m}
	if j.answer.Changed() {
		out.msg.Answer = out.room[:0]
		if n := j.answer.Size(); n > usual {
			out.msg.Answer = make([]dns.RR, 0, n)
		}
		out.msg.Answer = j.answer.Append(out.msg.Answer)
	}
	if j.additional.Changed() {
		out.msg.Extra = j.additional.Append(make([]dns.RR, 0, j.additional.Size()+1))
	}
	if j.answer.Withdrawn() || j.additional.Withdrawn() {
		out.msg.AuthenticatedData = false // what was authenticated is not what leaves
	}
	return &out.msg
}

// options returns the OPT records in an additional section.
func options(extra []dns.RR) (opts []dns.RR) {
	for _, rr := range extra {
		if opt, ok := rr.(*dns.OPT); ok {
			opts = append(opts, opt)
		}
	}
	return opts
}

// pack makes p what the server would make of what assemble makes of m. It
// reports false where that has more to it than is written as bytes.
func (j *Judge) pack(p *reply.Packet, m *dns.Msg, l reply.Limits) bool {
	header := m.MsgHdr
	header.AuthenticatedData = header.AuthenticatedData && !j.answer.Withdrawn() && !j.additional.Withdrawn()
	ok := p.Encode(j.Request, &m.Question[0], header, l, func(p *reply.Packet) { j.packSections(p, m) })
	return ok && !(p.Full() && slices.ContainsFunc(m.Extra, special))
}

// special reports whether the server keeps rr when it leaves out others.
func special(rr dns.RR) bool {
	_, opt := rr.(*dns.OPT)
	_, tsig := rr.(*dns.TSIG)
	return opt || tsig
}

// packSections appends the sections of m, as they leave, to p.
func (j *Judge) packSections(p *reply.Packet, m *dns.Msg) {
	j.answer.Pack(p)
	p.Next()
	p.Records(m.Ns...)
	p.Next()
	if j.additional.Changed() {
		j.additional.Pack(p)
	} else {
		p.Records(m.Extra...)
	}
}
