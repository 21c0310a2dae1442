package rrhealth

import (
	"context"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/plugin/pool"
	"github.com/rrhealth/rrhealth/plugin/reply"
)

// explain adds to m why it is as it is, as an extended error (RFC 8914).
func (p *served) explain(m, r *dns.Msg, o pool.Outcome, f pool.Family) {
	if o == pool.Served || r.IsEdns0() == nil {
		return
	}
	if why := p.why(o, f); why != "" {
		reply.Explain(m, r, why)
	}
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
		m = reply.Exists(m, w.zone)
	}
	return w.ResponseWriter.WriteMsg(m)
}

// Write implements dns.ResponseWriter.
func (w *aboveWriter) Write(b []byte) (int, error) {
	w.wrote = true
	return w.ResponseWriter.Write(b)
}
