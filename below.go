package rrhealth

import (
	"context"
	"strings"

	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/plugin/pool"
	"github.com/rrhealth/rrhealth/plugin/reply"
)

// serveOther lets the plugins below answer types other than A and AAAA for a name
// of p. The name exists in what leaves, and its hints are those that p answers.
func (h *RRHealth) serveOther(ctx context.Context, w dns.ResponseWriter, r *dns.Msg, p *served) (int, error) {
	if ownQuestion(r) {
		return write(w, reply.Failure(r, dns.RcodeRefused))
	}
	if h.Next != nil {
		other := &otherWriter{ResponseWriter: w, handler: h, pool: p, ctx: ctx, dnssec: reply.WantsDNSSEC(r)}
		rcode, err := h.below(ctx, other, r, p, nil)
		if other.wrote || !nothingBelow(rcode, err) {
			return rcode, err
		}
	}
	p.CountAnswer(pool.NoData)
	if q := r.Question[0]; q.Qtype == dns.TypeSOA && strings.EqualFold(q.Name, p.zone) {
		m := reply.NoData(r, p.zone, reply.NegativeTTL)
		m.Answer, m.Ns = m.Ns, nil
		if h.signer != nil && reply.WantsDNSSEC(r) {
			m.Answer = append(m.Answer, h.signer.set(m.Answer, serverOf(ctx))...)
		}
		return write(w, m)
	}
	m := h.noData(ctx, r, p.zone)
	ecs, _ := reply.Subnet(r)
	reply.EchoSubnet(m, r, ecs, 0)
	return write(w, m)
}

// nothingBelow reports whether rcode and err, with nothing written, mean that no
// plugin below answers for the name. Plugins such as cache and dnssec only pass
// queries on, and file, as the last one, refuses names outside its zones. If
// rrhealth refused a type of a name whose addresses it serves, resolvers would ask
// other servers for it.
func nothingBelow(rcode int, err error) bool {
	return rcode == dns.RcodeRefused && err == nil || err != nil && strings.HasSuffix(err.Error(), "no next plugin found")
}

// An otherWriter corrects what plugins below write about a pool's name.
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
		m = reply.Exists(m, w.pool.zone)
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
