// Package rrhealth is a CoreDNS plugin for health-checked round-robin DNS: it
// probes the backends of a name, answers only with those that are up, and turns
// the list by one with each query.
//
// A query looks its name up in a table that was fixed when the Corefile was
// parsed (plugin/names), loads the pool's latest snapshot (one atomic load), takes
// the list of the address family, orders and cuts it (plugin/pool), and writes it
// (plugin/reply). It takes no lock and does no I/O: tiers, min_up, all_down and TTL
// were decided when the snapshot was built. Snapshots are built when verdicts
// change (plugin/live), verdicts change when results come in (plugin/monitor,
// plugin/verdict), and results come from probes (plugin/probe). No query waits for
// a probe.
//
// A query for another name goes to the plugins below. If it is under a filter, or
// has a pool's name in its answer, plugin/filter judges that answer (below.go).
//
// This package has what is about CoreDNS: the Corefile (setup.go), the life cycle
// of handlers (health.go), writers, metrics, log and DNSSEC. The packages in plugin
// know nothing of it; plugin/config has the settings they share.
package rrhealth

import (
	"context"
	"fmt"
	"strings"

	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/plugin"
	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/plugin/config"
	"github.com/rrhealth/rrhealth/plugin/discover"
	"github.com/rrhealth/rrhealth/plugin/filter"
	"github.com/rrhealth/rrhealth/plugin/live"
	"github.com/rrhealth/rrhealth/plugin/pool"
	"github.com/rrhealth/rrhealth/plugin/reply"
)

// RRHealth is the handler of one server block. It holds all its stanzas.
type RRHealth struct {
	Next plugin.Handler

	zones    []string // of the server block
	block    *live.Block
	rules    filter.Rules // of block
	instance *instance

	// Set when the handler starts, before it serves.
	metadata  bool                        // the metadata plugin is in the server block
	collector dnsserver.MetadataCollector // the same plugin, or nil
	signer    *signer
	sources   []discover.Source // plugins below whose zones can be walked
	discovery *discover.Discovery

	inspection *discover.Inspection // of the zones below; guarded by lifecycle.mu
}

var _ plugin.Handler = (*RRHealth)(nil)

func newHandler(zones []string, stanzas []config.Stanza) *RRHealth {
	b := live.NewBlock(stanzas)
	h := &RRHealth{zones: zones, block: b, rules: filter.NewRules(b, stanzas)}
	for i := range h.rules.Pools {
		p := &h.rules.Pools[i]
		p.Zone = h.zoneOf(p.Name)
	}
	return h
}

// zoneOf returns the zone whose SOA is in negative answers for name: that of the
// server block, or, in a server block for the root, the name itself. Resolvers
// reject an SOA above the zone cut, which rrhealth does not know; the name itself
// is never above it.
func (h *RRHealth) zoneOf(name string) string {
	zone := plugin.Zones(h.zones).Matches(strings.TrimPrefix(name, "*."))
	if zone == "." {
		return strings.TrimPrefix(name, "*.")
	}
	return zone
}

// Name implements plugin.Handler.
func (h *RRHealth) Name() string { return pluginName }

// ServeDNS implements plugin.Handler.
func (h *RRHealth) ServeDNS(ctx context.Context, w dns.ResponseWriter, r *dns.Msg) (int, error) {
	p := h.match(r)
	if p == nil {
		if ordinary(r) && h.rules.AbovePool(r.Question[0].Name) {
			return h.serveAbove(ctx, w, r)
		}
		return h.passOn(ctx, w, r)
	}
	if _, ok := reply.Subnet(r); !ok {
		return write(w, reply.Failure(r, dns.RcodeFormatError))
	}
	switch qtype := r.Question[0].Qtype; qtype {
	case dns.TypeA:
		return h.serve(ctx, w, r, p, pool.V4)
	case dns.TypeAAAA:
		return h.serve(ctx, w, r, p, pool.V6)
	case dns.TypeANY: // one RRset will do: RFC 8482, section 4.1
		if len(p.Snapshot().Choices[pool.V4].Members) > 0 {
			return h.serve(ctx, w, r, p, pool.V4)
		}
		return h.serve(ctx, w, r, p, pool.V6)
	default:
		return h.serveOther(ctx, w, r, p)
	}
}

// passOn lets the plugins below answer r, under the filter for its name.
func (h *RRHealth) passOn(ctx context.Context, w dns.ResponseWriter, r *dns.Msg) (int, error) {
	f := h.filterFor(r)
	if f != nil && h.filteredAround(ctx, r) {
		f = nil
	}
	return h.below(ctx, w, r, nil, f)
}

// below lets the plugins below answer r, for a name of the pool own, if it is
// not nil, or under the filter f, if that is not. Where h has pools, it looks
// through the answer for their names.
func (h *RRHealth) below(ctx context.Context, w dns.ResponseWriter, r *dns.Msg, own *live.Pool, f *filter.Filter) (int, error) {
	if f != nil || len(h.rules.Pools) > 0 && ordinary(r) {
		judging := h.judging(ctx, w, r, own, f)
		w, ctx = judging, &judging.ctx
	}
	return plugin.NextOrFailure(h.Name(), h.Next, ctx, w, r)
}

// match returns the pool that answers r, or nil.
func (h *RRHealth) match(r *dns.Msg) *live.Pool {
	if !ordinary(r) {
		return nil
	}
	return h.rules.Pool(r.Question[0].Name)
}

// filterFor returns the filter that judges the answer to r, or nil.
func (h *RRHealth) filterFor(r *dns.Msg) *filter.Filter {
	if !ordinary(r) {
		return nil
	}
	return h.rules.Filter(r.Question[0].Name)
}

// ordinary reports whether a pool or a filter may be concerned with r. None is with
// transfers, updates, notifications and classes other than IN.
func ordinary(r *dns.Msg) bool {
	if r.Opcode != dns.OpcodeQuery || len(r.Question) != 1 {
		return false
	}
	q := &r.Question[0]
	return q.Qclass == dns.ClassINET && q.Qtype != dns.TypeAXFR && q.Qtype != dns.TypeIXFR
}

// serve answers r with p's addresses of one family.
func (h *RRHealth) serve(ctx context.Context, w dns.ResponseWriter, r *dns.Msg, p *live.Pool, f pool.Family) (int, error) {
	s := p.Snapshot()
	choice := &s.Choices[f]
	ecs, _ := reply.Subnet(r)
	signing := h.signer != nil && reply.WantsDNSSEC(r)
	fast := choice.Outcome == pool.Served && ecs == nil && !signing && r.Question[0].Qtype != dns.TypeANY && takesBytes(w, r)
	nested := !fast && h.nested(ctx)
	explained := !fast && ctx.Value(explainKey{}) != nil
	if !nested && !explained {
		p.CountAnswer(choice.Outcome)
	}
	var room [32]int
	order := room[:0]
	switch {
	case len(choice.Members) == 0:
	case nested:
		order = p.Aside(order, s, f, clientOf(ctx, p, w, ecs), filter.NestedTurn(p.Name, r.Question[0].Qtype))
	case explained:
		order = p.Peek(order, s, f, clientOf(ctx, p, w, ecs))
	default:
		order = p.Order(order, s, f, clientOf(ctx, p, w, ecs))
	}
	if h.metadata {
		publish(ctx, p, choice, order)
	}
	if s.Judged != nil && !nested && !explained {
		p.CountDryRun(s, f)
	}
	if fast && writeBytes(w, r, s.TTL, choice.Members, order) {
		return dns.RcodeSuccess, nil
	}
	if choice.Outcome == pool.Dropped {
		return dns.RcodeSuccess, nil // nothing written, and nothing to be written
	}
	m := h.message(ctx, r, p, s, f, order)
	filter.Explain(p, m, r, choice.Outcome, f)
	reply.EchoSubnet(m, r, ecs, filter.Scope(p, choice, ecs))
	return write(w, m)
}

// message returns the message for the outcome in s for one family: the members at
// the indices in order, signed for clients that ask for it, a denial or a failure.
func (h *RRHealth) message(ctx context.Context, r *dns.Msg, p *live.Pool, s *pool.Snapshot, f pool.Family, order []int) *dns.Msg {
	choice := &s.Choices[f]
	switch choice.Outcome {
	case pool.NoData:
		return h.noAddress(ctx, r, p, s, f)
	case pool.Servfail:
		return reply.Failure(r, dns.RcodeServerFailure)
	case pool.Refused:
		return reply.Failure(r, dns.RcodeRefused)
	}
	markOrdered(ctx)
	m := reply.Answer(r, s.TTL, choice.Members, order, f)
	if h.signer != nil && reply.WantsDNSSEC(r) {
		m.Answer = append(m.Answer, h.signer.set(m.Answer, serverOf(ctx))...)
	}
	return m
}

// write sends m. What was written is the answer, of any rcode: to return
// that one would make the server write a second.
func write(w dns.ResponseWriter, m *dns.Msg) (int, error) {
	if err := w.WriteMsg(m); err != nil {
		return dns.RcodeSuccess, fmt.Errorf("writing the answer: %w", err)
	}
	return dns.RcodeSuccess, nil
}
