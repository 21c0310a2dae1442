package live

import (
	"net/netip"
	"slices"
	"sync/atomic"

	"github.com/rrhealth/rrhealth/plugin/pool"
	"github.com/rrhealth/rrhealth/plugin/verdict"
)

// counters are what is counted about a pool, and where its rotation stands. They
// outlive the pool: after a reload the next pool of that block and name
// continues with them.
type counters struct {
	// Written by the usual query, in one cache line: with many pools each access
	// to other memory misses the cache.
	cursors pool.Cursors
	firsts  [inlined]atomic.Uint64 // answers in which a backend came first, see tally
	answers [pool.OutcomeCount]atomic.Uint64

	// Written by other queries.
	unlocated atomic.Uint64
	dryRun    atomic.Uint64

	// Written by the monitor's loop.
	changes [inlined]changes // see tally
	history *pool.History    // of patient pools

	// Guarded by ledger.mu: the pool that metrics show, of those that use the
	// counters the one that started last.
	latest *Pool
}

// inlined is how many backends counters have room for.
const inlined = 4

// changes count how often a backend went to each state. They are the only counters
// that may wrap: with ten changes a second that takes 13 years.
type changes [len(verdict.States)]atomic.Uint32

// A tally is where one backend of a pool is counted.
type tally struct {
	first   *atomic.Uint64
	changes *changes
}

// countersAtOnce is how many counters lie in one piece of memory, which is freed
// with the last of them. One less than 64: with the runtime's header they fill a
// size class.
const countersAtOnce = 63

// newCounters returns n counters, whose rotations begin anywhere.
func newCounters(n int) []*counters {
	all := make([]*counters, 0, n)
	for len(all) < n {
		chunk := make([]counters, min(n-len(all), countersAtOnce))
		for i := range chunk {
			chunk[i].cursors.Scatter()
			all = append(all, &chunk[i])
		}
	}
	return all
}

// adopt makes p count in c. A backend that the latest pool of c has keeps its
// tally, at any place.
func (p *Pool) adopt(c *counters) {
	switch before := c.latest; {
	case before == nil && len(p.Backends) <= inlined:
		p.spilled = nil
	case before != nil && slices.EqualFunc(before.Backends, p.Backends, sameAddr):
		p.spilled = before.spilled
	default:
		p.spilled = spill(before, p.Backends)
	}
	p.counters = c
	p.Adopt(&c.cursors)
}

func sameAddr(a, b pool.Backend) bool { return a.Addr == b.Addr }

// spill returns a tally for each of backends: that of before, which may be nil,
// or a new one.
func spill(before *Pool, backends []pool.Backend) []tally {
	known := make(map[netip.Addr]tally)
	if before != nil {
		for i, b := range before.Backends {
			known[b.Addr] = before.tally(i)
		}
	}
	added := make([]struct { // in one piece of memory, in the order of use
		first   atomic.Uint64
		changes changes
	}, len(backends))
	all := make([]tally, len(backends))
	for i, b := range backends {
		t, ok := known[b.Addr]
		if !ok {
			t = tally{&added[i].first, &added[i].changes}
		}
		all[i] = t
	}
	return all
}

// tally returns where the backend with the given index is counted.
func (p *Pool) tally(index int) tally {
	if p.spilled != nil {
		return p.spilled[index]
	}
	return tally{&p.counters.firsts[index], &p.counters.changes[index]}
}

// totals returns what p has counted besides its backends.
func (p *Pool) totals() (c totals) {
	for o := range p.counters.answers {
		c[o] = p.counters.answers[o].Load()
	}
	c[unlocatedTotal] = p.counters.unlocated.Load()
	if c[signedAddressTotal] = p.signed.Load(); p.stanza.dryRun {
		c[dryRunAddressTotal] = p.counters.dryRun.Load()
	}
	return c
}

// remember prepares the history of a pool that conf describes, if it has or had
// one. It runs on the monitor's loop.
func (c *counters) remember(conf *pool.Config) {
	if c.history == nil && conf.Recovery != (pool.Recovery{}) {
		c.history = pool.NewHistory()
	}
	if c.history != nil {
		c.history.Adopt(conf)
	}
}
