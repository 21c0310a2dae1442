package live

import "sync/atomic"

// Counts are what a filter counts. They outlive its Watchlist: after a reload
// the next one continues with them.
type Counts struct {
	// Written by queries.
	Filtered Removals // left out
	Signed   Removals // not left out, because another key has signed them
	DryRun   Removals // not left out, because of dry_run

	// Guarded by ledger.mu.
	labels Labels
	latest *Watchlist // of those that use the counts, the last to start
}

// Removals count what is to be left out of answers.
type Removals struct {
	addresses atomic.Uint64 // that are down, those in hints included
	targets   atomic.Uint64 // records whose target is down
}

// Add counts addresses that are down, those in hints included, and records whose
// target is down.
func (n *Removals) Add(addresses, targets uint64) {
	n.addresses.Add(addresses)
	if targets > 0 {
		n.targets.Add(targets)
	}
}

// Addresses returns how many addresses were counted.
func (n *Removals) Addresses() uint64 { return n.addresses.Load() }

// totals returns what c has counted.
func (c *Counts) totals() (t totals) {
	t[filteredAddressTotal], t[filteredTargetTotal] = c.Filtered.addresses.Load(), c.Filtered.targets.Load()
	t[signedAddressTotal], t[signedTargetTotal] = c.Signed.addresses.Load(), c.Signed.targets.Load()
	if c.latest.dryRun {
		t[dryRunAddressTotal], t[dryRunTargetTotal] = c.DryRun.addresses.Load(), c.DryRun.targets.Load()
	}
	return t
}
