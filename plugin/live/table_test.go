package live

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
)

// numberedAddr returns the nth of many addresses of both families.
func numberedAddr(n int) netip.Addr {
	if n%2 == 0 {
		b := [4]byte{10}
		b[1], b[2], b[3] = byte(n>>16), byte(n>>8), byte(n)
		return netip.AddrFrom4(b)
	}
	b := [16]byte{0x20, 1, 0xd, 0xb8}
	binary.BigEndian.PutUint64(b[8:], uint64(n))
	return netip.AddrFrom16(b)
}

// Names of strangers bring new addresses all the time. What one of them costs
// the monitor's loop must not depend on how many others are watched.
func TestTheWorkOfAnAddressDoesNotGrowWithTheTable(t *testing.T) {
	w := newTable()
	const n = 200_000
	work := func(what string, i int, change func()) {
		before := w.copied
		if change(); w.copied-before > slotsAtOnce {
			t.Fatalf("address %d that %s made the loop copy %d others, want at most %d", i, what, w.copied-before, slotsAtOnce)
		}
	}
	for i := range n {
		work("came", i, func() { w.add(&address{addr: numberedAddr(i)}) })
	}
	if w.copied > 2*n {
		t.Errorf("%d addresses were copied %d times, want at most twice each", n, w.copied)
	}
	for i := range n {
		work("went", i, func() { w.remove(w.find(numberedAddr(i))) })
	}
	// One comes, one goes, as a cache that is turned over has it.
	for i := range n {
		work("came", i, func() { w.add(&address{addr: numberedAddr(i)}) })
		if i >= 10 {
			work("went", i, func() { w.remove(w.find(numberedAddr(i - 10))) })
		}
	}
	if size := len(w.current.Load().at); w.size != 10 || size > 16*fewSlots {
		t.Errorf("%d addresses in a table of %d slots, want 10 in at most %d", w.size, size, 16*fewSlots)
	}
}

// The list must hold what a map would.
func TestATableIsAMap(t *testing.T) {
	random := rand.New(rand.NewPCG(14, 1))
	w, want := newTable(), make(map[netip.Addr]*address)
	for round := range 60_000 {
		addr := numberedAddr(random.IntN(1 + round%7000))
		if a := want[addr]; a == nil {
			a = &address{addr: addr}
			want[addr] = a
			w.add(a)
		} else if random.IntN(3) > 0 {
			delete(want, addr)
			w.remove(a)
		}
		if addr = numberedAddr(random.IntN(8000)); w.find(addr) != want[addr] {
			t.Fatalf("round %d: %s is found: %t, want %t", round, addr, w.find(addr) != nil, want[addr] != nil)
		}
		if round%1000 == 0 {
			sameAddresses(t, w, want)
		}
	}
	sameAddresses(t, w, want)
	w.freeze()
	for a := range w.all() {
		w.remove(a)
	}
	w.add(&address{addr: netip.MustParseAddr("192.0.2.1")})
	sameAddresses(t, w, want)
	if w.find(netip.Addr{}) != nil {
		t.Error("something is known of no address at all")
	}
}

func sameAddresses(t *testing.T, w *table, want map[netip.Addr]*address) {
	t.Helper()
	n := 0
	for a := range w.listed() {
		if n++; want[a.addr] != a {
			t.Errorf("%s is in the list, or twice, want it not there", a.addr)
		}
	}
	for addr, a := range want {
		if w.find(addr) != a {
			t.Errorf("%s is not found", addr)
		}
	}
	if n != len(want) || w.size != len(want) {
		t.Errorf("%d addresses are listed and %d counted, want %d", n, w.size, len(want))
	}
}

// All may be removed while they are listed: a filter that stops does it.
func TestAddressesAreRemovedWhileTheyAreListed(t *testing.T) {
	for _, n := range []int{0, 1, 3, 100, 5000, 8200} {
		w, seen := newTable(), make(map[netip.Addr]bool)
		for i := range n {
			w.add(&address{addr: numberedAddr(i)})
		}
		for a := range w.all() {
			if seen[a.addr] {
				t.Errorf("%s is listed twice", a.addr)
			}
			seen[a.addr] = true
			w.remove(a)
		}
		if len(seen) != n || w.size != 0 {
			t.Errorf("%d of %d addresses were listed, %d are left", len(seen), n, w.size)
		}
	}
}

// An address that is watched all the time is found all the time, while others come
// and go: a query that missed it would answer it although it is down.
func TestQueriesMissNoAddressWhileOthersComeAndGo(t *testing.T) {
	w := newTable()
	const kept = 50
	for i := range kept {
		w.add(&address{addr: numberedAddr(i)})
	}
	var done atomic.Bool
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for i := 0; !done.Load(); i++ {
				addr := numberedAddr(i % kept)
				if a := w.find(addr); a == nil || a.addr != addr {
					t.Errorf("%s is not found", addr)
					return
				}
				w.find(numberedAddr(kept + i%5000))
			}
		})
	}
	for range 6 {
		for i := kept; i < 5000; i++ {
			w.add(&address{addr: numberedAddr(i)})
		}
		for i := kept; i < 5000; i++ {
			w.remove(w.find(numberedAddr(i)))
		}
	}
	done.Store(true)
	readers.Wait()
}

// BenchmarkNewAddresses is what a hundred new addresses cost the monitor's
// loop, beside those that are watched already.
func BenchmarkNewAddresses(b *testing.B) {
	for _, n := range []int{1000, 10_000, 100_000} {
		b.Run(fmt.Sprintf("watched=%d", n), func(b *testing.B) {
			w := newTable()
			for i := range n {
				w.add(&address{addr: numberedAddr(i)})
			}
			fresh := make([]*address, 100)
			for i := range fresh {
				fresh[i] = &address{addr: numberedAddr(n + i)}
			}
			b.ReportAllocs()
			for b.Loop() {
				for _, a := range fresh {
					w.add(a)
				}
				for _, a := range fresh {
					w.remove(a)
				}
			}
		})
	}
}

func BenchmarkFindAddress(b *testing.B) {
	for _, n := range []int{3, 1000, 10_000, 100_000} {
		b.Run(fmt.Sprintf("watched=%d", n), func(b *testing.B) {
			w, addrs := newTable(), make([]netip.Addr, n)
			for i := range n {
				addrs[i] = numberedAddr(2 * i)
				w.add(&address{addr: addrs[i]})
			}
			rand.Shuffle(n, func(i, j int) { addrs[i], addrs[j] = addrs[j], addrs[i] })
			i := 0
			for b.Loop() {
				if w.find(addrs[i]).seen.Load() {
					b.Fatal("seen")
				}
				if i++; i == n {
					i = 0
				}
			}
		})
	}
}
