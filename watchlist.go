package rrhealth

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/rrhealth/rrhealth/plugin/monitor"
	"github.com/rrhealth/rrhealth/plugin/pool"
	"github.com/rrhealth/rrhealth/plugin/verdict"
)

const (
	// watchLimit is how many addresses the process watches at the most.
	watchLimit = 100_000
	// forgetAfter is how long an address is watched after it was last seen.
	forgetAfter = 10 * time.Minute
)

// A Watchlist has the addresses that one filter has probed, and what the filter
// counts. Queries call Health; the monitor's loop does everything else.
type Watchlist struct {
	// Learn is called with an address that is to be watched and is not yet, by
	// queries: it must not block. Set before the list serves; nil to learn none.
	Learn func(netip.Addr)

	// Fixed when the Corefile is parsed.
	Name   string // of the filter: in lower case, with the final dot; may start with "*."
	dryRun bool
	scope  scope
	checks []check

	// Set when the registry starts the list, before it serves.
	registry *registry
	counts   *watchCounts

	watched table
}

func newWatchlist(name string, s *stanza) *Watchlist {
	w := &Watchlist{Name: name, dryRun: s.dryRun, scope: s.watch, checks: s.checks, counts: new(watchCounts)}
	w.watched.init()
	return w
}

// Wants reports whether addr is to be watched: it is inside the networks of
// watch, and there is a check.
func (w *Watchlist) Wants(addr netip.Addr) bool {
	return len(w.checks) > 0 && addr.IsValid() && w.scope.has(addr)
}

// Health returns the health of addr. known reports whether addr is watched, and
// inScope whether the filter is concerned with it at all. An address in the scope
// that is not watched yet is passed to Learn.
func (w *Watchlist) Health(addr netip.Addr) (h pool.Health, known, inScope bool) {
	if a := w.watched.find(addr); a != nil {
		if !a.seen.Load() { // writing to a cache line that many queries read is slow
			a.seen.Store(true)
		}
		return pool.Health{State: a.State(), Changing: a.changing.Load()}, true, true
	}
	if !addr.IsValid() || !w.scope.has(addr) {
		return pool.Health{}, false, false
	}
	if len(w.checks) > 0 {
		w.learn(addr)
	}
	return pool.Health{}, false, true
}

// learn passes addr to Learn, unless no more addresses can be watched.
func (w *Watchlist) learn(addr netip.Addr) {
	switch {
	case w.Learn == nil:
	case w.registry != nil && w.registry.watchFull.Load():
		w.registry.watchRejected.Add(1)
	default:
		w.Learn(addr)
	}
}

// An address is one of a Watchlist.
type address struct {
	// Read by queries, in one cache line. Queries write seen, the loop the rest.
	addr     netip.Addr
	state    atomic.Uint32 // a verdict.State
	changing atomic.Bool   // the next result may change the state
	seen     atomic.Bool   // in an answer or in a zone, since last was set

	// Written and read by the loop.
	known   bool // has had a state other than unknown
	list    *Watchlist
	targets []*monitor.Target
	last    time.Time // when it was last seen, as of the last sweep
}

// State returns the address's state.
func (a *address) State() verdict.State { return verdict.State(a.state.Load()) } // #nosec G115 -- stored from one

// update takes over the state of a's targets, and reports whether the change is
// news. A first result that is a pass is not.
func (a *address) update() bool {
	state, changing := combine(a.targets)
	a.changing.Store(changing)
	if state == a.State() {
		return false
	}
	news := a.known || state != verdict.Up
	a.state.Store(uint32(state))
	a.known = true
	return news
}

// watch adds addrs to w, as far as the limit permits, and reports whether it
// permitted all. It runs on the monitor's loop.
func (r *registry) watch(w *Watchlist, addrs []netip.Addr, seen time.Time) bool {
	room := true
	for _, addr := range addrs {
		if a := w.watched.find(addr); a != nil {
			a.seen.Store(true)
			continue
		}
		if r.watched[addr] == 0 && len(r.watched) >= r.watchLimit {
			room = false
			r.watchRejected.Add(1)
			continue
		}
		a := &address{addr: addr, list: w, last: seen}
		for _, c := range w.checks {
			t, u := r.acquire(addr, c)
			a.targets = append(a.targets, t)
			u.addresses = append(u.addresses, a)
		}
		a.update()
		a.known = a.State() != verdict.Unknown
		w.watched.add(a)
		r.watched[addr]++
	}
	r.countWatched()
	return room
}

// forget removes the addresses of w that expired picks. It runs on the monitor's
// loop.
func (r *registry) forget(w *Watchlist, expired func(*address) bool) {
	for a := range w.watched.all() {
		if !expired(a) {
			continue
		}
		for i, t := range a.targets {
			u := r.users[t]
			u.addresses = slices.DeleteFunc(u.addresses, func(o *address) bool { return o == a })
			r.release(t, w.checks[i])
		}
		w.watched.remove(a)
		if r.watched[a.addr]--; r.watched[a.addr] == 0 {
			delete(r.watched, a.addr)
		}
	}
	r.countWatched()
}

// countWatched publishes how many addresses are watched. It runs on the
// monitor's loop.
func (r *registry) countWatched() {
	r.watchedCount.Store(int64(len(r.watched)))
	r.watchFull.Store(len(r.watched) >= r.watchLimit)
}

// inherit adds the addresses of from, which w replaces in a reload, to w. It runs
// on the monitor's loop.
func (r *registry) inherit(w, from *Watchlist) {
	for a := range from.watched.all() {
		if w.scope.has(a.addr) {
			r.watch(w, []netip.Addr{a.addr}, a.last)
		}
	}
}

// expired returns a function that picks the addresses that were last seen
// longer than forgetAfter before now.
func expired(now time.Time) func(*address) bool {
	return func(a *address) bool {
		if a.seen.Swap(false) {
			a.last = now
		}
		return now.Sub(a.last) > forgetAfter
	}
}

// The bounds of Listing: addresses in a line, and in all.
const (
	listedPerLine = 50
	listedAtMost  = 1000
)

// Listing returns lines with the addresses that w watches and their states,
// sorted by address.
func (w *Watchlist) Listing() []string {
	addrs := slices.SortedFunc(maps.Keys(w.watched.listed()), func(a, b *address) int { return a.addr.Compare(b.addr) })
	lines := []string{fmt.Sprintf("watching %d addresses below %s, of %s", len(addrs), w.Name, w.scope)}
	for part := range slices.Chunk(addrs[:min(len(addrs), listedAtMost)], listedPerLine) {
		words := make([]string, len(part))
		for i, a := range part {
			words[i] = a.addr.String() + " " + a.State().String()
		}
		lines = append(lines, "below "+w.Name+": "+strings.Join(words, ", "))
	}
	if more := len(addrs) - listedAtMost; more > 0 {
		lines = append(lines, fmt.Sprintf("below %s: and %d more", w.Name, more))
	}
	return lines
}
