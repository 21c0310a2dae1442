package rrhealth

import (
	"encoding/binary"
	"iter"
	"math/bits"
	"math/rand/v2"
	"net/netip"
	"sync/atomic"
)

// A watchlist holds the addresses that a filter watches. The monitor's loop
// alone writes to it; queries read it meanwhile, without a lock.
//
// It is a hash table with open addressing whose slots are written one at a
// time. When it is too full, or much too large, a table of another size takes
// its place, and what the old one holds is copied bit by bit, with every
// address that comes or goes: names of strangers bring new addresses ten times
// a second, and a copy of a hundred thousand would keep the loop from its
// schedule each time.
type watchlist struct {
	table atomic.Pointer[slots]

	// What follows belongs to the monitor's loop.
	live   int  // addresses
	used   int  // slots of table that hold something, gone included
	next   int  // slot of table.old that is copied next
	frozen bool // what queries see stays as it is
	copied int  // addresses, ever: for tests
}

// slots is a table of a watchlist. What is not in it may still be in old.
type slots struct {
	at  []atomic.Pointer[address] // a power of two; at least half are nil
	old atomic.Pointer[slots]
}

const (
	// fewSlots is the size of the smallest table.
	fewSlots = 8
	// slotsAtOnce is how many slots of the old table are looked through with
	// each address that comes or goes. The table is full again after a
	// sixteenth as many as the old one has slots, at the earliest.
	slotsAtOnce = 16
)

// gone stands in slots whose address was removed.
var gone = new(address)

// addrSeeds keep strangers from choosing addresses that collide.
var addrSeeds = [2]uint64{rand.Uint64(), rand.Uint64()}

func hashAddr(addr netip.Addr) int {
	b := addr.As16()
	hi, lo := bits.Mul64(binary.LittleEndian.Uint64(b[:8])^addrSeeds[0], binary.LittleEndian.Uint64(b[8:])^addrSeeds[1])
	return int((hi ^ lo) >> 1) // #nosec G115 -- 63 bits
}

func newWatchlist() *watchlist {
	w := new(watchlist)
	w.table.Store(newSlots(fewSlots))
	return w
}

func newSlots(n int) *slots { return &slots{at: make([]atomic.Pointer[address], n)} }

// find returns what is known of addr, or nil.
func (w *watchlist) find(addr netip.Addr) *address {
	if !addr.IsValid() {
		return nil
	}
	s := w.table.Load()
	// Before s is searched: what is moved after that is still in old.
	old := s.old.Load()
	hash := hashAddr(addr)
	if a := s.find(addr, hash); a != nil || old == nil {
		return a
	}
	return old.find(addr, hash)
}

func (s *slots) find(addr netip.Addr, hash int) *address {
	mask := len(s.at) - 1
	for i := hash & mask; ; i = (i + 1) & mask {
		if a := s.at[i].Load(); a == nil || a.addr == addr {
			return a
		}
	}
}

// all yields all addresses to the loop, which may remove them meanwhile.
func (w *watchlist) all() iter.Seq[*address] {
	s := w.table.Load()
	if old := s.old.Load(); old != nil {
		w.copy(len(old.at))
	}
	return func(yield func(*address) bool) {
		for i := range s.at {
			if a := s.at[i].Load(); a != nil && a != gone && !yield(a) {
				return
			}
		}
	}
}

// listed returns all addresses to anyone. Some that come or go meanwhile may be
// in it or not.
func (w *watchlist) listed() map[*address]bool {
	all := make(map[*address]bool)
	s := w.table.Load()
	for _, s := range [...]*slots{s, s.old.Load()} {
		for i := 0; s != nil && i < len(s.at); i++ {
			if a := s.at[i].Load(); a != nil && a != gone {
				all[a] = true
			}
		}
	}
	return all
}

// add adds a, the address of which must not be in w.
func (w *watchlist) add(a *address) {
	if w.frozen {
		return
	}
	if s := w.table.Load(); 2*(w.used+1) > len(s.at) {
		w.resize(max(4*w.live, len(s.at)/4, fewSlots))
	}
	w.copy(slotsAtOnce)
	w.put(a)
	w.live++
}

// put stores a in the first free slot of the table.
func (w *watchlist) put(a *address) {
	s := w.table.Load()
	mask := len(s.at) - 1
	i := hashAddr(a.addr) & mask
	for s.at[i].Load() != nil {
		i = (i + 1) & mask
	}
	s.at[i].Store(a)
	w.used++
}

// remove removes a.
func (w *watchlist) remove(a *address) {
	if w.frozen {
		return
	}
	s := w.table.Load()
	s.remove(a)
	if old := s.old.Load(); old != nil {
		old.remove(a)
	}
	w.live--
	if w.copy(slotsAtOnce); len(s.at) > 8*fewSlots && 16*w.live < len(s.at) && s.old.Load() == nil {
		w.resize(len(s.at) / 4)
	}
}

func (s *slots) remove(a *address) {
	mask := len(s.at) - 1
	for i := hashAddr(a.addr) & mask; ; i = (i + 1) & mask {
		switch s.at[i].Load() {
		case nil:
			return
		case a:
			s.at[i].Store(gone)
			return
		}
	}
}

// resize puts an empty table of at least n slots before the one that there is.
func (w *watchlist) resize(n int) {
	old := w.table.Load()
	w.copy(len(old.at))                     // never anything: see slotsAtOnce
	s := newSlots(1 << bits.Len(uint(n-1))) // #nosec G115 -- positive
	s.old.Store(old)
	w.used, w.next = 0, 0
	w.table.Store(s)
}

// copy copies what the next n slots of the old table hold, and lets go of it
// at its end.
func (w *watchlist) copy(n int) {
	s := w.table.Load()
	old := s.old.Load()
	if old == nil {
		return
	}
	for end := min(w.next+n, len(old.at)); w.next < end; w.next++ {
		if a := old.at[w.next].Load(); a != nil && a != gone {
			w.put(a)
			w.copied++
		}
	}
	if w.next == len(old.at) {
		s.old.Store(nil)
	}
}

// freeze keeps what queries see as it is, whatever is added and removed from
// now on.
func (w *watchlist) freeze() { w.frozen = true }
