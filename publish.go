package rrhealth

import (
	"context"

	"github.com/coredns/coredns/plugin/metadata"
	"github.com/coredns/coredns/request"
	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/plugin/pool"
)

// The labels under which the metadata plugin tells others what we do.
const (
	labelPool    = pluginName + "/pool"    // the pool's name, as in the metrics
	labelPolicy  = pluginName + "/policy"  // its policy
	labelOutcome = pluginName + "/outcome" // what its addresses come to, as in the metrics
	labelFirst   = pluginName + "/first"   // the address that was answered first
)

var _ metadata.Provider = (*RRHealth)(nil)

// Metadata implements metadata.Provider. It runs before the chain, and before
// the view plugin decides: what is told here is what would be answered now. It
// moves no rotation, so which address would be the first is not known yet.
func (h *RRHealth) Metadata(ctx context.Context, state request.Request) context.Context {
	p := h.match(state.Req)
	if p == nil {
		return ctx
	}
	p.introduce(ctx)
	if f, ok := familyOf(state.Req.Question[0].Qtype); ok {
		metadata.SetValueFunc(ctx, labelOutcome, func() string { return p.Snapshot().Choices[f].Outcome.String() })
	}
	return ctx
}

// familyOf returns the family whose records qtype asks for.
func familyOf(qtype uint16) (pool.Family, bool) {
	switch qtype {
	case dns.TypeA:
		return pool.V4, true
	case dns.TypeAAAA:
		return pool.V6, true
	}
	return 0, false
}

func (p *served) introduce(ctx context.Context) {
	metadata.SetValueFunc(ctx, labelPool, func() string { return p.Name })
	metadata.SetValueFunc(ctx, labelPolicy, p.Policy.String)
}

// publish tells what is answered: the members at the places in order.
func (p *served) publish(ctx context.Context, choice *pool.Choice, order []int) {
	p.introduce(ctx) // once more: the name may have been rewritten on the way
	metadata.SetValueFunc(ctx, labelOutcome, choice.Outcome.String)
	if len(order) > 0 {
		first := choice.Members[order[0]].Addr
		metadata.SetValueFunc(ctx, labelFirst, first.String)
	}
}
