package rrhealth

import (
	"slices"
	"sync/atomic"
)

// A watchCounts is what a filter counts. It outlives the filter's Watchlist:
// after a reload the next one continues with it.
type watchCounts struct {
	filtered removals // left out
	signed   removals // not left out, because another key has signed them
	dryRun   removals // not left out, because of dry_run

	// Guarded by registry.mu.
	key   seriesKey
	lists []*Watchlist // that use it, in the order in which they started
}

// removals counts what is to be left out of answers.
type removals struct {
	addresses atomic.Uint64 // that are down, those in hints included
	targets   atomic.Uint64 // records whose target is down
}

func (n *removals) add(addresses, targets uint64) {
	n.addresses.Add(addresses)
	if targets > 0 {
		n.targets.Add(targets)
	}
}

// attachList makes w, of a filter of h, continue with the counts of its block and
// name. It returns the list that w replaces, or nil. r.mu is held.
func (r *registry) attachList(h *RRHealth, w *Watchlist) (before *Watchlist) {
	key := recordKey{h.identity, w.Name}
	c := r.filters[key]
	if c == nil {
		c = new(watchCounts)
		r.filters[key] = c
	}
	if n := len(c.lists); n > 0 {
		before = c.lists[n-1]
	}
	c.key = seriesKey{server: h.server, view: h.view, filter: w.Name}
	c.lists = append(c.lists, w)
	w.counts, w.registry = c, r
	return before
}

// detachList undoes attachList. r.mu is held.
func (r *registry) detachList(h *RRHealth, w *Watchlist) {
	key := recordKey{h.identity, w.Name}
	c := r.filters[key]
	c.lists = slices.DeleteFunc(c.lists, func(o *Watchlist) bool { return o == w })
	if len(c.lists) == 0 {
		delete(r.filters, key)
	}
}

// countFilters adds the counts of all filters to byKey. r.mu is held.
func (r *registry) countFilters(byKey map[seriesKey]*counts) {
	for _, of := range r.filters {
		key := of.key
		if len(r.filters) > maxOfStanzas {
			key = seriesKey{filter: others}
		}
		var c counts
		c[filteredAddressCount], c[filteredTargetCount] = of.filtered.addresses.Load(), of.filtered.targets.Load()
		c[signedAddressCount], c[signedTargetCount] = of.signed.addresses.Load(), of.signed.targets.Load()
		if of.lists[len(of.lists)-1].dryRun {
			c[dryRunAddressCount], c[dryRunTargetCount] = of.dryRun.addresses.Load(), of.dryRun.targets.Load()
		}
		if c != (counts{}) {
			countsOf(byKey, key).add(&c)
		}
	}
}
