package live

import (
	"encoding/binary"
	"iter"
	"math/bits"
	"math/rand/v2"
	"net/netip"
	"sync/atomic"
)

// A table holds the addresses of a Watchlist. The monitor's loop alone writes to
// it; queries read it at the same time, without a lock.
//
// It is a hash table with open addressing. The loop writes one slot at a time.
// If the table is too full, or much too large, slots of another number take the
// place of the current ones, and each address that is added or removed copies a
// few of the old ones. The names in answers bring new addresses ten times a
// second: copying a hundred thousand at once would delay the loop's schedule
// each time.
type table struct {
	current atomic.Pointer[slots] // written by the loop, read by queries

	// Written and read by the loop.
	size   int  // addresses in the table
	used   int  // current slots that hold something, removed included
	next   int  // the slot of current.old that is copied next
	frozen bool // add and remove do nothing
	copied int  // addresses that were copied, ever: for tests
}

// slots are the slots of a table. An address that is not in them may be in old.
type slots struct {
	at  []atomic.Pointer[address] // their number is a power of two; at least half are nil
	old atomic.Pointer[slots]
}

const (
	// fewSlots is the number of slots of the smallest table.
	fewSlots = 8
	// slotsAtOnce is how many old slots are copied with each address that is
	// added or removed. All are copied before the current ones can be full: that
	// takes at least a sixteenth as many addresses as there are old slots.
	slotsAtOnce = 16
)

// removed stands in slots whose address was removed.
var removed = new(address)

// addrSeeds make it impossible to choose addresses that collide.
var addrSeeds = [2]uint64{rand.Uint64(), rand.Uint64()}

func hashAddr(addr netip.Addr) int {
	if addr.Is4() { // As16 would take longer than the rest
		b := addr.As4()
		hi, lo := bits.Mul64(uint64(binary.LittleEndian.Uint32(b[:]))^addrSeeds[0], addrSeeds[1])
		return int((hi ^ lo) >> 1) // #nosec G115 -- 63 bits
	}
	b := addr.As16()
	hi, lo := bits.Mul64(binary.LittleEndian.Uint64(b[:8])^addrSeeds[0], binary.LittleEndian.Uint64(b[8:])^addrSeeds[1])
	return int((hi ^ lo) >> 1) // #nosec G115 -- 63 bits
}

func newTable() *table {
	t := new(table)
	t.init()
	return t
}

// init makes t an empty table.
func (t *table) init() { t.current.Store(newSlots(fewSlots)) }

func newSlots(n int) *slots { return &slots{at: make([]atomic.Pointer[address], n)} }

// find returns the address of the table that is addr, or nil.
func (t *table) find(addr netip.Addr) *address {
	if !addr.IsValid() {
		return nil
	}
	s := t.current.Load()
	// Load old before searching s: an address that is copied later is in old.
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

// all yields all addresses. The loop may remove them while it ranges over them.
func (t *table) all() iter.Seq[*address] {
	s := t.current.Load()
	if old := s.old.Load(); old != nil {
		t.copy(len(old.at))
	}
	return func(yield func(*address) bool) {
		for i := range s.at {
			if a := s.at[i].Load(); a != nil && a != removed && !yield(a) {
				return
			}
		}
	}
}

// listed returns all addresses, for any goroutine. It may lack those that are
// added, and have those that are removed, while it runs.
func (t *table) listed() map[*address]bool {
	all := make(map[*address]bool)
	s := t.current.Load()
	for _, s := range [...]*slots{s, s.old.Load()} {
		for i := 0; s != nil && i < len(s.at); i++ {
			if a := s.at[i].Load(); a != nil && a != removed {
				all[a] = true
			}
		}
	}
	return all
}

// add adds a. Its addr must not be in the table.
func (t *table) add(a *address) {
	if t.frozen {
		return
	}
	if s := t.current.Load(); 2*(t.used+1) > len(s.at) {
		t.resize(max(4*t.size, len(s.at)/4, fewSlots))
	}
	t.copy(slotsAtOnce)
	t.put(a)
	t.size++
}

// put stores a in its first free slot.
func (t *table) put(a *address) {
	s := t.current.Load()
	mask := len(s.at) - 1
	i := hashAddr(a.addr) & mask
	for s.at[i].Load() != nil {
		i = (i + 1) & mask
	}
	s.at[i].Store(a)
	t.used++
}

// remove removes a.
func (t *table) remove(a *address) {
	if t.frozen {
		return
	}
	s := t.current.Load()
	s.remove(a)
	if old := s.old.Load(); old != nil {
		old.remove(a)
	}
	t.size--
	if t.copy(slotsAtOnce); len(s.at) > 8*fewSlots && 16*t.size < len(s.at) && s.old.Load() == nil {
		t.resize(len(s.at) / 4)
	}
}

func (s *slots) remove(a *address) {
	mask := len(s.at) - 1
	for i := hashAddr(a.addr) & mask; ; i = (i + 1) & mask {
		switch s.at[i].Load() {
		case nil:
			return
		case a:
			s.at[i].Store(removed)
			return
		}
	}
}

// resize makes the current slots the old ones of at least n empty ones.
func (t *table) resize(n int) {
	old := t.current.Load()
	t.copy(len(old.at))                     // copies nothing: see slotsAtOnce
	s := newSlots(1 << bits.Len(uint(n-1))) // #nosec G115 -- positive
	s.old.Store(old)
	t.used, t.next = 0, 0
	t.current.Store(s)
}

// copy copies the addresses in the next n old slots, and drops the old slots
// after the last.
func (t *table) copy(n int) {
	s := t.current.Load()
	old := s.old.Load()
	if old == nil {
		return
	}
	for end := min(t.next+n, len(old.at)); t.next < end; t.next++ {
		if a := old.at[t.next].Load(); a != nil && a != removed {
			t.put(a)
			t.copied++
		}
	}
	if t.next == len(old.at) {
		s.old.Store(nil)
	}
}

// freeze makes add and remove do nothing from now on: queries find what they
// find now.
func (t *table) freeze() { t.frozen = true }
