// Package filter judges messages that other plugins have written: addresses that
// are down do not leave, and a pool's name has the addresses of the pool.
//
// A Judge sorts the two sections of a message that have addresses into sets of
// records (reply.Section). It finds out about each set, once: which filter or pool
// it belongs to, which of its addresses, hints and targets are down, and for how
// long that is known. Then it edits the sets, each once: records are left out, put
// into another order, get a lower TTL, or are replaced. If the set that the
// question is about is all down, all_down decides. What leaves is a Result, which
// is a message or bytes; the caller writes it.
//
// A message from below is never changed: it may belong to a cache.
package filter

import (
	"net/netip"

	"github.com/rrhealth/rrhealth/plugin/config"
	"github.com/rrhealth/rrhealth/plugin/live"
	"github.com/rrhealth/rrhealth/plugin/names"
	"github.com/rrhealth/rrhealth/plugin/pool"
	"github.com/rrhealth/rrhealth/plugin/verdict"
)

// Rules are the pools and the filters of a server block. They are fixed when the
// Corefile is parsed.
type Rules struct {
	Pools   []live.Pool
	Filters []*Filter

	pools   names.Table    // indices of Pools
	filters names.Suffixes // indices of Filters
}

// NewRules returns the rules of b, which is made of the same stanzas.
func NewRules(b *live.Block, stanzas []config.Stanza) Rules {
	r := Rules{Pools: b.Pools, pools: names.NewTable(len(b.Pools)), filters: names.NewSuffixes()}
	for i := range r.Pools {
		r.pools.Add(r.Pools[i].Name, int32(i)) // #nosec G115 -- memory holds fewer pools
	}
	for i := range stanzas {
		s := &stanzas[i]
		if !s.IsFilter() {
			continue
		}
		for _, name := range s.Names {
			n := len(r.Filters)
			r.Filters = append(r.Filters, &Filter{Settings: s.Pool.Settings, Watchlist: b.Watchlists[n], DryRun: s.DryRun})
			r.filters.Add(name, int32(n)) // #nosec G115 -- memory holds fewer filters
		}
	}
	return r
}

// Pool returns the pool for name, in any case, or nil.
func (r *Rules) Pool(name string) *live.Pool {
	if i, ok := r.pools.Match(name); ok {
		return &r.Pools[i]
	}
	return nil
}

// AbovePool reports whether name is above that of a pool, and no pool's itself.
func (r *Rules) AbovePool(name string) bool { return r.pools.Above(name) }

// FilterIndex returns the index in Filters of the filter for name, in any case.
func (r *Rules) FilterIndex(name string) (int32, bool) { return r.filters.Match(name) }

// Filter returns the filter for name, in any case, or nil.
func (r *Rules) Filter(name string) *Filter {
	if i, ok := r.filters.Match(name); ok {
		return r.Filters[i]
	}
	return nil
}

// A Filter is a stanza with watch, at one of its names: it judges the answers of
// other plugins for every name at or below that one.
type Filter struct {
	pool.Settings
	*live.Watchlist
	DryRun bool // counts what it would leave out, and leaves out nothing
}

// A condition is the health of an address, or of a record's target, as a query
// sees it.
type condition struct {
	watched bool // the filter is concerned with it
	down    bool
	ttl     uint32 // for how many seconds the condition may be cached; only if watched
}

// condition returns the condition of addr. An address whose health is unknown is
// taken for up.
func (f *Filter) condition(addr netip.Addr) condition {
	health, known, inScope := f.Health(addr)
	switch {
	case known:
		return condition{watched: true, down: health.State == verdict.Down, ttl: f.Lifetime(health)}
	case inScope:
		return condition{watched: true, ttl: f.TTL}
	}
	return condition{}
}
