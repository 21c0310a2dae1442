package operations

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/rrhealth/rrhealth/plugin/api"
	"github.com/rrhealth/rrhealth/plugin/live"
)

// A target is an address that a Change selects, in one pool, or, with the empty
// string, in each that has it.
type target struct {
	pool string
	addr netip.Addr
}

// selected returns what r selects, sorted. An order for everywhere by addresses
// alone selects them everywhere; one by tier or location selects backends of
// pools. auto also selects overrides whose backend is gone.
func (o *Operations) selected(r order) []target {
	found := make(map[target]bool)
	set := make(map[netip.Addr][]string) // the pools of overrides that auto may remove
	if r.kind == 0 {
		for _, one := range o.overrides().All() {
			set[one.Addr] = append(set[one.Addr], one.Pool)
		}
	}
	views := o.registry.View()
	for i := range views {
		v := &views[i]
		if r.pool != "" && !v.Named(r.pool) {
			continue
		}
		name := r.pool
		if name == "" && !r.selector.ByAddress() {
			name = v.Name()
		}
		for i := range v.Backends {
			b := &v.Backends[i]
			if r.selector.Match(b.Addr, api.Configured{Drain: b.Drain, Weight: b.Weight, Tier: b.Tier, Location: b.Place.String()}) {
				found[target{name, b.Addr}] = true
				for _, pool := range set[b.Addr] { // an override for one of its NAMEs is in force for all
					if name != "" && v.Named(pool) {
						found[target{pool, b.Addr}] = true
					}
				}
			}
		}
	}
	if r.kind == 0 && r.selector.ByAddress() {
		o.selectOrphans(found, r, views)
	}
	return slices.SortedFunc(maps.Keys(found), func(a, b target) int {
		return cmp.Or(strings.Compare(a.pool, b.pool), a.addr.Compare(b.addr))
	})
}

// selectOrphans adds the overrides of the addresses that r names whose backend is
// gone.
func (o *Operations) selectOrphans(found map[target]bool, r order, views []live.StanzaView) {
	all := o.overrides().All()
	gone := orphaned(views, all)
	for i := range all {
		if set := &all[i]; (r.pool == "" || r.pool == set.Pool) && slices.Contains(r.selector.Exact(), set.Addr) && gone(set) {
			found[target{set.Pool, set.Addr}] = true
		}
	}
}

// of returns the pools in which each address is selected.
func of(selected []target) map[netip.Addr][]string {
	all := make(map[netip.Addr][]string, len(selected))
	for _, t := range selected {
		all[t.addr] = append(all[t.addr], t.pool)
	}
	return all
}
