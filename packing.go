package rrhealth

import (
	"slices"

	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/plugin/reply"
)

// writeBytes writes m as assemble would make it, as bytes, and reports whether it
// could.
func (w *filterWriter) writeBytes(m *dns.Msg) bool {
	if w.answer.Empty() || handsBack(w.request) {
		return false
	}
	limits, ok := w.fits()
	if !ok {
		return false
	}
	p := reply.Get()
	defer p.Put()
	return w.pack(p, m, limits) && send(w.ResponseWriter, p)
}

// sending is what is known of the way that an answer takes.
type sending struct {
	limits      reply.Limits
	fast, known bool
}

// fits returns the limits of the answer, and whether bytes may be written.
func (w *filterWriter) fits() (reply.Limits, bool) {
	if s := &w.sent; !s.known {
		s.known = true
		if takesBytes(w.ResponseWriter, w.request) {
			s.limits, s.fast = limitsOf(w.RemoteAddr(), w.request)
		}
	}
	return w.sent.limits, w.sent.fast
}

// pack makes p what the server would make of what assemble makes of m. It
// reports false where that has more to it than is written as bytes.
func (w *filterWriter) pack(p *reply.Packet, m *dns.Msg, l reply.Limits) bool {
	header := m.MsgHdr
	header.AuthenticatedData = header.AuthenticatedData && !w.answer.Withdrawn() && !w.additional.Withdrawn()
	ok := p.Encode(w.request, &m.Question[0], header, l, func(p *reply.Packet) { w.packSections(p, m) })
	return ok && !(p.Full() && slices.ContainsFunc(m.Extra, special))
}

// special reports whether the server keeps rr when it leaves out others.
func special(rr dns.RR) bool {
	_, opt := rr.(*dns.OPT)
	_, tsig := rr.(*dns.TSIG)
	return opt || tsig
}

func (w *filterWriter) packSections(p *reply.Packet, m *dns.Msg) {
	w.answer.Pack(p)
	p.Next()
	p.Records(m.Ns...)
	p.Next()
	if w.additional.Changed() {
		w.additional.Pack(p)
	} else {
		p.Records(m.Extra...)
	}
}
