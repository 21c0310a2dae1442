package rrhealth

import (
	"context"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/plugin/pool"
)

// A reply is a message with room for what usually goes into it, so that the
// usual answer takes one allocation. Nothing in it is shared, not even the bytes
// of addresses: plugins above us may write to what we hand them (rewrite does).
type reply struct {
	msg      dns.Msg
	question [1]dns.Question
	answer   [usual]dns.RR
	extra    [1]dns.RR // for the OPT record that the server adds
}

// usual is how many records an answer has room for without allocating.
const usual = 8

// answer builds the answer to r: the members at the places in order.
func answer(r *dns.Msg, ttl uint32, members []pool.Member, order []int, f pool.Family) *dns.Msg {
	// The owner is the name as it was asked, letter by letter: resolvers that
	// randomise case (0x20) check it.
	header := dns.RR_Header{Name: r.Question[0].Name, Class: dns.ClassINET, Ttl: ttl}
	if f == pool.V4 {
		a := &struct {
			reply
			records [usual]recordA
		}{}
		header.Rrtype = dns.TypeA
		return place(a.start(r), a.records[:0], order, func(rec *recordA, i int) dns.RR {
			rec.addr = members[i].Addr.As4()
			rec.rr = dns.A{Hdr: header, A: rec.addr[:]}
			return &rec.rr
		})
	}
	a := &struct {
		reply
		records [usual]recordAAAA
	}{}
	header.Rrtype = dns.TypeAAAA
	return place(a.start(r), a.records[:0], order, func(rec *recordAAAA, i int) dns.RR {
		rec.addr = members[i].Addr.As16()
		rec.rr = dns.AAAA{Hdr: header, AAAA: rec.addr[:]}
		return &rec.rr
	})
}

// A recordA is an A record with the bytes that it points to.
type recordA struct {
	rr   dns.A
	addr [4]byte
}

// A recordAAAA is the same for the other family.
type recordAAAA struct {
	rr   dns.AAAA
	addr [16]byte
}

// place answers with a record for each place in order. The records lie in room
// as far as that goes.
func place[T any](m *dns.Msg, room []T, order []int, fill func(*T, int) dns.RR) *dns.Msg {
	if len(order) > cap(room) {
		room = make([]T, 0, len(order))
		m.Answer = make([]dns.RR, 0, len(order))
	}
	room = room[:len(order)]
	for k, i := range order {
		m.Answer = append(m.Answer, fill(&room[k], i))
	}
	return m
}

// start makes the message of a an authoritative reply to r, without records.
func (a *reply) start(r *dns.Msg) *dns.Msg {
	m := &a.msg
	m.Id = r.Id
	m.Response = true
	m.Authoritative = true
	m.RecursionDesired = r.RecursionDesired
	m.CheckingDisabled = r.CheckingDisabled
	a.question[0] = r.Question[0]
	m.Question = a.question[:]
	m.Answer = a.answer[:0]
	m.Extra = a.extra[:0]
	return m
}

// failure answers r with rcode and nothing else.
func failure(r *dns.Msg, rcode int) *dns.Msg {
	m := new(reply).start(r)
	m.Authoritative = false
	m.Rcode = rcode
	return m
}

// explain tells why m is as it is (RFC 8914), to clients that speak EDNS.
func (p *served) explain(m, r *dns.Msg, o pool.Outcome, f pool.Family) {
	if o == pool.Served || r.IsEdns0() == nil {
		return
	}
	why := p.why(o, f)
	if why == "" {
		return
	}
	opt := ownOPT(m, r)
	opt.Option = append(opt.Option, &dns.EDNS0_EDE{InfoCode: dns.ExtendedErrorCodeOther, ExtraText: why})
}

// why words what led to the outcome o for the addresses of one family, or
// returns "" where that is nothing out of the ordinary.
func (p *served) why(o pool.Outcome, f pool.Family) string {
	down := "all backends of " + p.Name + " are down"
	switch o {
	case pool.ServedMinUp:
		return "fewer backends of " + p.Name + " are up than it takes: answered all"
	case pool.ServedAllDown:
		return down + ": answered all the same"
	case pool.ServedFallback:
		return down + ": answered the fallback"
	case pool.Servfail, pool.Refused:
		return down
	}
	if o != pool.NoData || !slices.ContainsFunc(p.Backends, func(b pool.Backend) bool { return !b.Drain && pool.FamilyOf(b.Addr) == f }) {
		return ""
	}
	if p.Snapshot().AllDown {
		return down
	}
	return "all backends of " + p.Name + " with an " + [...]string{pool.V4: "IPv4", pool.V6: "IPv6"}[f] + " address are down"
}

// serveOther lets the plugins below answer types other than A and AAAA, and
// sees to it that the name exists and that its hints are alive.
func (h *RRHealth) serveOther(ctx context.Context, w dns.ResponseWriter, r *dns.Msg, p *served) (int, error) {
	if ownQuestion(r) {
		return write(w, failure(r, dns.RcodeRefused))
	}
	if h.Next != nil {
		other := &otherWriter{ResponseWriter: w, handler: h, pool: p, ctx: ctx, dnssec: wantsDNSSEC(r)}
		rcode, err := h.below(ctx, other, r, p, nil)
		if other.wrote || !nothingBelow(rcode, err) {
			return rcode, err
		}
	}
	p.record.answers[pool.NoData].Add(1)
	if q := r.Question[0]; q.Qtype == dns.TypeSOA && strings.EqualFold(q.Name, p.zone) {
		m := noData(r, p.zone)
		m.Answer, m.Ns = m.Ns, nil
		if h.signer != nil && wantsDNSSEC(r) {
			m.Answer = append(m.Answer, h.signer.set(m.Answer, serverOf(ctx))...)
		}
		return write(w, m)
	}
	m := h.noData(ctx, r, p.zone)
	ecs, _ := subnetOf(r)
	echo(m, r, ecs, 0)
	return write(w, m)
}

// nothingBelow reports whether rcode and err, with nothing written, say that no
// plugin below answers for the name. Plugins such as cache and dnssec only pass
// queries on, and file, as the last one, refuses names outside its zones. To
// refuse a type of a name whose addresses we serve would make resolvers ask
// elsewhere for it.
func nothingBelow(rcode int, err error) bool {
	return rcode == dns.RcodeRefused && err == nil || err != nil && strings.HasSuffix(err.Error(), "no next plugin found")
}

// An otherWriter mends what plugins below say of a name that is ours.
type otherWriter struct {
	dns.ResponseWriter
	handler *RRHealth
	pool    *served
	ctx     context.Context
	dnssec  bool // the client asks for signatures
	wrote   bool
}

// WriteMsg implements dns.ResponseWriter.
func (w *otherWriter) WriteMsg(m *dns.Msg) error {
	w.wrote = true
	if m == nil {
		return w.ResponseWriter.WriteMsg(m)
	}
	if m.Rcode == dns.RcodeNameError {
		m = exists(m, w.pool.zone)
	}
	if w.dnssec {
		m = w.handler.signer.corrected(m, serverOf(w.ctx))
	}
	return w.ResponseWriter.WriteMsg(m)
}

// Write implements dns.ResponseWriter.
func (w *otherWriter) Write(b []byte) (int, error) {
	w.wrote = true
	return w.ResponseWriter.Write(b)
}

// serveAbove lets the plugins below answer for a name that is not ours, but has
// one of ours below it, and sees to it that it exists. A denial of it would be
// one of ours too (RFC 8020), and resolvers that minimise names ask for it
// first (RFC 9156).
func (h *RRHealth) serveAbove(ctx context.Context, w dns.ResponseWriter, r *dns.Msg) (int, error) {
	zone := h.zoneOf(strings.ToLower(r.Question[0].Name))
	above := &aboveWriter{ResponseWriter: w, zone: zone}
	rcode, err := h.passOn(ctx, above, r)
	if above.wrote || !nothingBelow(rcode, err) {
		return rcode, err
	}
	return write(w, h.noData(ctx, r, zone))
}

// An aboveWriter mends what plugins below say of a name above one of ours.
type aboveWriter struct {
	dns.ResponseWriter
	zone  string
	wrote bool
}

// WriteMsg implements dns.ResponseWriter.
func (w *aboveWriter) WriteMsg(m *dns.Msg) error {
	w.wrote = true
	if m != nil && m.Rcode == dns.RcodeNameError && len(m.Answer) == 0 {
		m = exists(m, w.zone)
	}
	return w.ResponseWriter.WriteMsg(m)
}

// Write implements dns.ResponseWriter.
func (w *aboveWriter) Write(b []byte) (int, error) {
	w.wrote = true
	return w.ResponseWriter.Write(b)
}
