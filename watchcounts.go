package rrhealth

import "sync/atomic"

// watchCounts are what a filter counts. They outlive its Watchlist: after a reload
// the next one continues with them.
type watchCounts struct {
	// Written by queries.
	filtered removals // left out
	signed   removals // not left out, because another key has signed them
	dryRun   removals // not left out, because of dry_run

	// Guarded by ledger.mu.
	labels Labels
	latest *Watchlist // of those that use the counts, the last to start
}

// removals count what is to be left out of answers.
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

// totals returns what c has counted.
func (c *watchCounts) totals() (t totals) {
	t[filteredAddressTotal], t[filteredTargetTotal] = c.filtered.addresses.Load(), c.filtered.targets.Load()
	t[signedAddressTotal], t[signedTargetTotal] = c.signed.addresses.Load(), c.signed.targets.Load()
	if c.latest.dryRun {
		t[dryRunAddressTotal], t[dryRunTargetTotal] = c.dryRun.addresses.Load(), c.dryRun.targets.Load()
	}
	return t
}
