package live

import (
	"errors"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rrhealth/rrhealth/plugin/pool"
	"github.com/rrhealth/rrhealth/plugin/verdict"
)

const watching = "rrhealth example.org {\nwatch 192.0.2.0/24\ncheck tcp://:1\ninterval 2s fast 500ms\ntimeout 1s\n}"

func addrs(texts ...string) (all []netip.Addr) {
	for _, text := range texts {
		all = append(all, netip.MustParseAddr(text))
	}
	return all
}

// list returns the watchlist of the block.
func (b *bubble) list() *Watchlist { return b.block.Watchlists[0] }

func TestTheHealthOfAnAddress(t *testing.T) {
	inBubble(t, watching, func(b *bubble) {
		var learned []netip.Addr
		w := b.list()
		w.Learn = func(addr netip.Addr) { learned = append(learned, addr) }
		b.failing(syscall.ECONNREFUSED, addrs("192.0.2.1")...)
		b.registry.Watch(w, addrs("192.0.2.1", "192.0.2.2"))
		time.Sleep(10 * time.Second)
		synctest.Wait()
		for _, tc := range []struct {
			addr           string
			state          verdict.State
			known, inScope bool
		}{
			{"192.0.2.1", verdict.Down, true, true},
			{"192.0.2.2", verdict.Up, true, true},
			{"192.0.2.3", verdict.Unknown, false, true},
			{"198.51.100.1", verdict.Unknown, false, false},
		} {
			h, known, inScope := w.Health(netip.MustParseAddr(tc.addr))
			if h.State != tc.state || h.Changing || known != tc.known || inScope != tc.inScope {
				t.Errorf("%s: %+v, known %t, in scope %t; want %+v", tc.addr, h, known, inScope, tc)
			}
		}
		if len(learned) != 1 || learned[0] != addrs("192.0.2.3")[0] {
			t.Errorf("learned %v, want 192.0.2.3", learned)
		}
		if _, known, inScope := w.Health(netip.Addr{}); known || inScope {
			t.Error("no address is known or in scope")
		}
		moved := b.observer.transitions()
		if len(moved) != 1 || !moved[0].Watched || moved[0].To != verdict.Down || moved[0].Name != "example.org." || moved[0].Streak < 1 {
			t.Errorf("transitions %+v, want one: 192.0.2.1 is down", moved)
		}
	})
}

// An address is swept ten minutes after it was last seen, by a walk or a query.
func TestSweep(t *testing.T) {
	inBubble(t, watching, func(b *bubble) {
		w := b.list()
		b.registry.Watch(w, addrs("192.0.2.1", "192.0.2.2", "192.0.2.3"))
		for range 11 {
			time.Sleep(time.Minute)
			w.Health(addrs("192.0.2.1")[0])
			b.registry.Watch(w, addrs("192.0.2.2"))
			b.registry.Sweep(w)
		}
		states := w.States()
		if _, ok := states[addrs("192.0.2.3")[0]]; ok || len(states) != 2 || b.registry.Targets() != 2 {
			t.Errorf("%v are watched by %d targets, want the two that were seen", states, b.registry.Targets())
		}
	})
}

func TestTheLimitOfAddresses(t *testing.T) {
	inBubble(t, watching, func(b *bubble) {
		b.registry.WatchLimit = 2
		w := b.list()
		if b.registry.Watch(w, addrs("192.0.2.1", "192.0.2.2", "192.0.2.3")) {
			t.Error("there was room for three addresses, want two")
		}
		w.Learn = func(addr netip.Addr) { t.Errorf("%s is learned although there is no room", addr) }
		w.Health(addrs("192.0.2.4")[0])
		if s := b.registry.Status(100); s.Watched != 2 || s.Rejected != 2 || !s.Filters {
			t.Errorf("%d watched and %d rejected, want 2 and 2", s.Watched, s.Rejected)
		}
		if !b.registry.Watch(w, addrs("192.0.2.1")) {
			t.Error("an address that is watched already needs no room")
		}
	})
}

// After a reload the new list has the addresses of the old one, as far as they are
// in its scope, with their states and counts. The old one stays as it is.
func TestAWatchlistIsInherited(t *testing.T) {
	inBubble(t, watching, func(b *bubble) {
		old := b.list()
		b.failing(errors.New("down"), addrs("192.0.2.1", "192.0.2.129")...)
		b.registry.Watch(old, addrs("192.0.2.1", "192.0.2.129"))
		time.Sleep(10 * time.Second)
		old.Counts.Filtered.Add(3, 1)
		b.load("rrhealth example.org {\nwatch 192.0.2.0/25\ncheck tcp://:1\ninterval 1s fast 500ms\ntimeout 500ms\n}")
		states := b.list().States()
		if state, ok := states[addrs("192.0.2.1")[0]]; !ok || state != verdict.Down || len(states) != 1 {
			t.Errorf("inherited %v, want 192.0.2.1 down", states)
		}
		if n := b.list().Counts.Filtered.Addresses(); n != 3 {
			t.Errorf("%d addresses counted, want 3", n)
		}
		if len(old.States()) != 2 || b.registry.Targets() != 1 {
			t.Errorf("the old list has %v, and %d targets are probed", old.States(), b.registry.Targets())
		}
		// A walk that was left behind adds nothing to a list that is stopped.
		if !b.registry.Watch(old, addrs("192.0.2.2")) || b.registry.Targets() != 1 {
			t.Errorf("%d targets after an address for a list that is stopped", b.registry.Targets())
		}
		b.registry.Sweep(old)
		if len(old.States()) != 2 {
			t.Errorf("a list that is stopped was swept: %v", old.States())
		}
	})
}

// Without a check nothing is probed, so nothing is learned: all are taken for up.
func TestAWatchlistWithoutACheckLearnsNothing(t *testing.T) {
	inBubble(t, "rrhealth example.org {\nwatch any\n}", func(b *bubble) {
		addr := addrs("192.0.2.1")[0]
		b.list().Learn = func(netip.Addr) { t.Error("an address is learned") }
		if h, known, inScope := b.list().Health(addr); h.State != verdict.Unknown || known || !inScope || b.list().Wants(addr) {
			t.Errorf("%v, known %t, in scope %t, wanted %t; want unknown, false, true, false", h.State, known, inScope, b.list().Wants(addr))
		}
	})
}

// While the next result may change the state, queries see that.
func TestTheHealthOfASuspectIsChanging(t *testing.T) {
	inBubble(t, watching, func(b *bubble) {
		w := b.list()
		health := func() pool.Health {
			synctest.Wait()
			h, _, _ := w.Health(addrs("192.0.2.1")[0])
			return h
		}
		b.registry.Watch(w, addrs("192.0.2.1"))
		b.until("up", func() bool { return health() == pool.Health{State: verdict.Up} })
		b.fails(1, syscall.ECONNREFUSED)
		b.until("a first failure", func() bool { return health() == pool.Health{State: verdict.Up, Changing: true} })
		b.until("down", func() bool { return health() == pool.Health{State: verdict.Down} })
	})
}

// The limit is that of the registry. An address in two lists counts once, and
// makes room when both have forgotten it.
func TestTheLimitIsOfAllLists(t *testing.T) {
	inBubble(t, watching+"\n"+strings.Replace(watching, "example", "other.example", 1), func(b *bubble) {
		b.registry.WatchLimit = 2
		r, one, two := b.registry, b.list(), b.block.Watchlists[1]
		if !r.Watch(one, addrs("192.0.2.1")) || !r.Watch(two, addrs("192.0.2.1", "192.0.2.2")) {
			t.Error("no room for two addresses")
		}
		if r.Watch(one, addrs("192.0.2.2", "192.0.2.3")) {
			t.Error("there is room for a third address")
		}
		if s := r.Status(100); s.Watched != 2 || r.Targets() != 2 {
			t.Errorf("%d addresses and %d targets, want 2", s.Watched, r.Targets())
		}
		for range 11 {
			time.Sleep(time.Minute)
			r.Watch(two, addrs("192.0.2.1", "192.0.2.2"))
			r.Sweep(one)
			r.Sweep(two)
		}
		if len(one.States()) != 0 || r.Watch(one, addrs("192.0.2.3")) {
			t.Errorf("there is room although the other list has two addresses; this one has %v", one.States())
		}
		time.Sleep(forgetAfter + time.Minute)
		r.Sweep(two)
		if !r.Watch(one, addrs("192.0.2.3")) {
			t.Error("no room after both lists have forgotten their addresses")
		}
	})
}

// A reload does not make addresses young: the new list forgets those that were
// last seen before it, in time.
func TestAnInheritedAddressIsAsOldAsItWas(t *testing.T) {
	inBubble(t, watching, func(b *bubble) {
		b.registry.Watch(b.list(), addrs("192.0.2.1"))
		time.Sleep(forgetAfter - time.Minute)
		b.load(watching)
		b.registry.Sweep(b.list())
		if len(b.list().States()) != 1 {
			t.Error("forgotten after nine minutes")
		}
		time.Sleep(2 * time.Minute)
		b.registry.Sweep(b.list())
		if len(b.list().States()) != 0 || b.registry.Targets() != 0 {
			t.Errorf("%v and %d targets after eleven minutes, want none", b.list().States(), b.registry.Targets())
		}
	})
}

// In a failed reload the new block is stopped, and the old list goes on.
func TestAWatchlistGoesOnAfterAFailedReload(t *testing.T) {
	inBubble(t, watching, func(b *bubble) {
		state := func(n string) verdict.State { synctest.Wait(); return b.list().States()[addrs(n)[0]] }
		b.registry.Watch(b.list(), addrs("192.0.2.1"))
		b.until("up", func() bool { return state("192.0.2.1") == verdict.Up })
		failed := newBlock(t, watching, b.probe)
		b.registry.Start(failed)
		b.registry.Watch(failed.Watchlists[0], addrs("192.0.2.2"))
		b.registry.Stop(failed)
		b.fails(1, syscall.ECONNREFUSED)
		b.until("down", func() bool { return state("192.0.2.1") == verdict.Down })
		b.load(watching)
		if got := b.list().States(); len(got) != 1 || got[addrs("192.0.2.1")[0]] != verdict.Down {
			t.Errorf("after the next reload %v are watched, want 192.0.2.1, down", got)
		}
	})
}
