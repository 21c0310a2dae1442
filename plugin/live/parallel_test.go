package live

import (
	"context"
	"net/netip"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Queries, scrapes, sweeps and reloads do not wait for one another. The race
// detector looks on.
func TestQueriesScrapesAndReloadsAtTheSameTime(t *testing.T) {
	const pools = "rrhealth a.example.org b.example.org {\nbackend 192.0.2.1 192.0.2.2\nbackend 192.0.2.3 tier 2\n" +
		"check tcp://:1\ninterval 200ms fast 100ms\ntimeout 50ms\nfall 1\nhold_down 1s\nfailback 1s\n}\n"
	fails := func(_ context.Context, addr netip.Addr) error {
		if time.Now().UnixMilli()/100%2 == int64(addr.As4()[3]%2) {
			return syscall.ECONNREFUSED
		}
		return nil
	}
	r := New(new(recorder))
	block := newBlock(t, pools+watching, fails)
	r.Start(block)
	var all sync.WaitGroup
	busy := func(f func()) {
		all.Go(func() {
			for range 200 {
				f()
			}
		})
	}
	busy(func() { r.Status(1000); r.Awaited(); r.Targets() })
	for range 5 {
		next := newBlock(t, pools+watching, fails)
		next.Watchlists[0].Learn = func(netip.Addr) {}
		r.Start(next)
		busy(func() {
			for i := range next.Pools {
				answer(&next.Pools[i], 1)
				next.Pools[i].CountSigned(1)
			}
			r.Watch(next.Watchlists[0], addrs("192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"))
			next.Watchlists[0].Health(addrs("192.0.2.3")[0])
			next.Watchlists[0].Health(addrs("192.0.2.9")[0])
			next.Watchlists[0].Counts.Filtered.Add(1, 1)
			next.Watchlists[0].States()
			r.Sweep(next.Watchlists[0])
		})
		r.Stop(block)
		block = next
	}
	all.Wait()
	r.Stop(block)
	if r.monitor.Load() != nil || len(r.uses)+len(r.watched)+len(r.ledger.counters)+len(r.ledger.watchCounts) > 0 {
		t.Errorf("left behind: %d targets, %d addresses, counters of %d pools and %d filters", len(r.uses), len(r.watched), len(r.ledger.counters), len(r.ledger.watchCounts))
	}
}
