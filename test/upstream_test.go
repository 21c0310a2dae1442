package test

import (
	"context"
	"sync"

	"github.com/coredns/caddy"
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/plugin"
	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/internal/harness"
)

func init() {
	harness.Insert("onebyone", "cache") // and rrhealth comes between
	plugin.Register("onebyone", setupOneByOne)
}

// The plugin onebyone, which stands before rrhealth, lets one query at a time
// into a server block. Tests of signed zones in a file use it: file appends
// signatures to the zone's own array of records, and so does dnssec above it, which
// is a race between any two queries, with rrhealth or without (see
// docs/upstream/file-append-race.md). An answer is written before the call
// returns. Lookups on behalf of a query, for the target of an alias or the
// other family, are part of it.
func setupOneByOne(c *caddy.Controller) error {
	dnsserver.GetConfig(c).AddPlugin(func(next plugin.Handler) plugin.Handler { return &oneByOne{next: next} })
	return nil
}

type oneByOne struct {
	next plugin.Handler
	mu   sync.Mutex
}

type oneByOneKey struct{}

func (o *oneByOne) Name() string { return "onebyone" }

func (o *oneByOne) ServeDNS(ctx context.Context, w dns.ResponseWriter, r *dns.Msg) (int, error) {
	if ctx.Value(oneByOneKey{}) == nil {
		o.mu.Lock()
		defer o.mu.Unlock()
		ctx = context.WithValue(ctx, oneByOneKey{}, true)
	}
	return plugin.NextOrFailure(o.Name(), o.next, ctx, w, r)
}
