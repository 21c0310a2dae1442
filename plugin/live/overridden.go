package live

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/rrhealth/rrhealth/plugin/override"
)

// maxOverridden is how many overrides have series, two each. They have room of their
// own: a drain must not cost a large pool the series of its other backends, and is
// shown in pools whose backends have none.
const maxOverridden = 500

// An overridden is what is in force for a backend of a pool or a watched address.
type overridden struct {
	labels Labels
	addr   netip.Addr
	kind   override.Kind
}

// ofOverrides returns the series of the overrides in set that are in force for a
// backend, or for an address that a filter watches. l.mu is held.
func (l *ledger) ofOverrides(set *override.Set) (all []Series) {
	inForce := l.inForce(set)
	sorted := make([]overridden, 0, len(inForce))
	for o := range inForce {
		sorted = append(sorted, o)
	}
	slices.SortFunc(sorted, compareOverridden)
	for _, o := range sorted[:min(len(sorted), maxOverridden)] {
		backend, what := o.addr.String(), o.kind.String()
		all = append(all, o.labels.gauge(BackendOverride, 1, backend, what))
		if until := inForce[o]; !until.IsZero() {
			all = append(all, o.labels.gauge(OverrideEnds, float64(until.UnixMilli())/1000, backend, what))
		}
	}
	return all
}

// inForce returns what of set is in force, with when it ends. Stanzas and filters with
// the same labels have one entry for an address: a second one would cost the scrape.
func (l *ledger) inForce(set *override.Set) map[overridden]time.Time {
	all := make(map[overridden]time.Time)
	if len(set.All()) == 0 {
		return all
	}
	add := func(labels Labels, addr netip.Addr, named func(string) bool) {
		for _, o := range set.Of(addr, named) {
			all[overridden{labels, addr, o.Kind}] = o.Until
		}
	}
	for _, b := range l.blocks {
		for _, s := range b.Stanzas {
			if first := s.Pools[0]; first.counters.latest == first {
				for i := range s.config.Backends {
					add(b.labels(first.Name), s.config.Backends[i].Addr, s.named)
				}
			}
		}
		for _, w := range b.Watchlists {
			for i := range set.All() { // few, of 100,000 addresses that may be watched
				if addr := set.All()[i].Addr; w.Counts.latest == w && w.watched.find(addr) != nil {
					add(w.Counts.labels, addr, w.named)
				}
			}
		}
	}
	return all
}

func compareOverridden(a, b overridden) int {
	return cmp.Or(
		strings.Compare(a.labels.Pool, b.labels.Pool), strings.Compare(a.labels.Filter, b.labels.Filter),
		strings.Compare(a.labels.Server, b.labels.Server), strings.Compare(a.labels.View, b.labels.View),
		a.addr.Compare(b.addr), cmp.Compare(a.kind, b.kind),
	)
}
