package rrhealth

import (
	"context"
	"strings"

	"github.com/coredns/coredns/plugin"
	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/plugin/discover"
	"github.com/rrhealth/rrhealth/plugin/filter"
	"github.com/rrhealth/rrhealth/plugin/live"
	"github.com/rrhealth/rrhealth/plugin/pool"
	"github.com/rrhealth/rrhealth/plugin/reply"
)

// nothingBelow reports whether rcode and err, with nothing written, mean that no
// plugin below answers for the name. Plugins such as cache and dnssec only pass
// queries on, and file, as the last one, refuses names outside its zones. If
// rrhealth refused a type of a name whose addresses it serves, resolvers would ask
// other servers for it.
func nothingBelow(rcode int, err error) bool {
	return rcode == dns.RcodeRefused && err == nil || err != nil && strings.HasSuffix(err.Error(), "no next plugin found")
}

// serveOther lets the plugins below answer types other than A and AAAA for a name
// of p. The name exists in what leaves, and its hints are those that p answers.
func (h *RRHealth) serveOther(ctx context.Context, w dns.ResponseWriter, r *dns.Msg, p *live.Pool) (int, error) {
	if discover.OwnQuestion(r) {
		return write(w, reply.Failure(r, dns.RcodeRefused))
	}
	if h.Next != nil {
		other := &otherWriter{ResponseWriter: w, handler: h, pool: p, ctx: ctx, dnssec: reply.WantsDNSSEC(r)}
		rcode, err := h.below(ctx, other, r, p, nil)
		if other.wrote || !nothingBelow(rcode, err) {
			return rcode, err
		}
	}
	if ctx.Value(explainKey{}) == nil {
		p.CountAnswer(pool.NoData)
	}
	if q := r.Question[0]; q.Qtype == dns.TypeSOA && strings.EqualFold(q.Name, p.Zone) {
		m := reply.NoData(r, p.Zone, reply.NegativeTTL)
		m.Answer, m.Ns = m.Ns, nil
		if h.signer != nil && reply.WantsDNSSEC(r) {
			m.Answer = append(m.Answer, h.signer.set(m.Answer, serverOf(ctx))...)
		}
		return write(w, m)
	}
	m := h.noData(ctx, r, p.Zone)
	ecs, _ := reply.Subnet(r)
	reply.EchoSubnet(m, r, ecs, 0)
	return write(w, m)
}

// An otherWriter corrects what plugins below write about a pool's name.
type otherWriter struct {
	dns.ResponseWriter
	handler *RRHealth
	pool    *live.Pool
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
		m = reply.Exists(m, w.pool.Zone)
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

// serveAbove lets the plugins below answer for a name above that of a pool. The
// name exists in what leaves: to deny it would deny the pool's name too (RFC
// 8020), and resolvers that minimize names ask for it first (RFC 9156).
func (h *RRHealth) serveAbove(ctx context.Context, w dns.ResponseWriter, r *dns.Msg) (int, error) {
	zone := h.zoneOf(strings.ToLower(r.Question[0].Name))
	above := &aboveWriter{ResponseWriter: w, zone: zone}
	rcode, err := h.passOn(ctx, above, r)
	if above.wrote || !nothingBelow(rcode, err) {
		return rcode, err
	}
	return write(w, h.noData(ctx, r, zone))
}

// An aboveWriter corrects what plugins below write about a name above that of a
// pool.
type aboveWriter struct {
	dns.ResponseWriter
	zone  string
	wrote bool
}

// WriteMsg implements dns.ResponseWriter.
func (w *aboveWriter) WriteMsg(m *dns.Msg) error {
	w.wrote = true
	if m != nil && m.Rcode == dns.RcodeNameError && len(m.Answer) == 0 {
		m = reply.Exists(m, w.zone)
	}
	return w.ResponseWriter.WriteMsg(m)
}

// Write implements dns.ResponseWriter.
func (w *aboveWriter) Write(b []byte) (int, error) {
	w.wrote = true
	return w.ResponseWriter.Write(b)
}

// A filterWriter judges the answers that plugins below write.
type filterWriter struct {
	dns.ResponseWriter
	query filter.Query
	ctx   watchedContext // in which the plugins below answer
}

var _ filter.Server = (*filterWriter)(nil)

// judging returns a writer that judges the answer of plugins below to r, which is
// for a name of the pool own, if that is not nil, or under the filter f, if that is
// not.
func (h *RRHealth) judging(ctx context.Context, w dns.ResponseWriter, r *dns.Msg, own *live.Pool, f *filter.Filter) *filterWriter {
	j := &filterWriter{ResponseWriter: w}
	j.ctx.Context, j.ctx.handler, j.ctx.filter = ctx, h, f != nil
	j.query = filter.Query{Rules: &h.rules, Server: j, Request: r, Filter: f, Own: own, DNSSEC: reply.WantsDNSSEC(r)}
	if len(h.rules.Pools) > 0 {
		j.query.Nested = h.nested(ctx)
	}
	if own == nil {
		j.query.Foreign = r.Question[0].Name
	}
	return j
}

// WriteMsg implements dns.ResponseWriter.
func (w *filterWriter) WriteMsg(m *dns.Msg) error {
	if !w.query.MayChange(m) {
		return w.ResponseWriter.WriteMsg(m)
	}
	fast := takesBytes(w.ResponseWriter, w.query.Request)
	var limits reply.Limits
	if fast {
		limits, fast = limitsOf(w.RemoteAddr(), w.query.Request)
	}
	if !fast {
		w.query.Asked = w.ctx.note(m)
	}
	j := w.query.Judge()
	result := j.Message(m, limits)
	done := result.Dropped() || fast && writeResult(w.ResponseWriter, w.query.Request, result, limits)
	if !done {
		m = result.Message()
	}
	if j.Put(); done {
		return nil
	}
	if result.Ordered {
		markOrdered(w.ctx.Context)
	}
	return w.ResponseWriter.WriteMsg(m)
}

// writeResult writes result, a reply to r, as bytes, and reports whether it could.
func writeResult(w dns.ResponseWriter, r *dns.Msg, result filter.Result, limits reply.Limits) bool {
	if handsBack(r) {
		return false
	}
	p := reply.Get()
	defer p.Put()
	return result.Pack(p, limits) && send(w, p)
}

// Client implements filter.Below.
func (w *filterWriter) Client(p *live.Pool, ecs *dns.EDNS0_SUBNET) pool.Client {
	return clientOf(&w.ctx, p, w.ResponseWriter, ecs)
}

// Ordered implements filter.Below.
func (w *filterWriter) Ordered() bool { return w.ctx.ordered.Load() }

// Lookup implements filter.Below.
func (w *filterWriter) Lookup(name string, qtype uint16) *dns.Msg {
	asked := w.query.Request
	r := &dns.Msg{
		MsgHdr:   asked.MsgHdr,
		Question: []dns.Question{{Name: name, Qtype: qtype, Qclass: dns.ClassINET}},
	}
	if o := asked.IsEdns0(); o != nil {
		r.Extra = []dns.RR{dns.Copy(o)}
	}
	c := &capture{ResponseWriter: w.ResponseWriter}
	_, _ = plugin.NextOrFailure(w.ctx.handler.Name(), w.ctx.handler.Next, &w.ctx, c, r)
	return c.msg
}

// Sign implements filter.Signer.
func (w *filterWriter) Sign(set []dns.RR) []dns.RR {
	return w.ctx.handler.signer.set(set, serverOf(&w.ctx))
}

// Deny implements filter.Signer.
func (w *filterWriter) Deny(name string, qtype uint16, soa *dns.SOA) []dns.RR {
	return w.ctx.handler.signer.denial(name, qtype, soa, true, serverOf(&w.ctx))
}

// NoData implements filter.Signer.
func (w *filterWriter) NoData(r *dns.Msg, zone string, ttl uint32) *dns.Msg {
	if zone == "" {
		zone = w.ctx.handler.zoneOf(strings.ToLower(r.Question[0].Name))
	}
	if zone == "" {
		zone = r.Question[0].Name // a plugin below answers another question
	}
	return w.ctx.handler.noDataFor(&w.ctx, r, zone, ttl)
}

// A capture keeps the message that is written.
type capture struct {
	dns.ResponseWriter
	msg *dns.Msg
}

// WriteMsg implements dns.ResponseWriter.
func (c *capture) WriteMsg(m *dns.Msg) error {
	c.msg = m
	return nil
}

// Write implements dns.ResponseWriter. Bytes are not for the client.
func (c *capture) Write(b []byte) (int, error) { return len(b), nil }
