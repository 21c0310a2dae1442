package rrhealth

import (
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/rrhealth/rrhealth/plugin/monitor"
	"github.com/rrhealth/rrhealth/plugin/verdict"
)

const (
	// watchLimit is how many addresses the process watches at the most.
	watchLimit = 100_000
	// forgetAfter is how long an address is watched after it was last seen.
	forgetAfter = 10 * time.Minute
)

// A scope is the word watch: which addresses may be probed. Whatever answers
// say, no packet goes to an address outside it.
type scope struct {
	prefixes []netip.Prefix
	any      bool
}

// has reports whether addr may be probed.
func (s scope) has(addr netip.Addr) bool {
	if s.any {
		// Names of strangers may point anywhere. At this machine and at those
		// on its link (there are cloud metadata services) they may not, unless
		// the Corefile says so by giving their networks.
		return !addr.IsLoopback() && !addr.IsLinkLocalUnicast() && isHost(addr)
	}
	return slices.ContainsFunc(s.prefixes, func(p netip.Prefix) bool { return p.Contains(addr) }) && isHost(addr)
}

func isHost(addr netip.Addr) bool {
	_, err := backendAddr(addr)
	return err == nil
}

// String returns s as the Corefile writes it.
func (s scope) String() string {
	if s.any {
		return "any"
	}
	words := make([]string, len(s.prefixes))
	for i, p := range s.prefixes {
		words[i] = p.String()
	}
	return strings.Join(words, " ")
}

// An address is one that a filter watches. Queries read its state and mark it
// as seen, both without a lock; the rest belongs to the monitor's loop.
type address struct {
	// What queries read, in one cache line.
	addr     netip.Addr
	state    atomic.Uint32 // a verdict.State
	changing atomic.Bool
	seen     atomic.Bool // in an answer or in a zone, since last was set

	known   bool // has had a state other than unknown
	filter  *filter
	targets []*monitor.Target
	last    time.Time // when it was seen, but for seen
}

// State returns the address's state.
func (a *address) State() verdict.State { return verdict.State(a.state.Load()) } // #nosec G115 -- stored from one

// update takes over what a's targets say, and reports whether its state is
// news. That an address is up at its first result is not.
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

// watch has addrs watched for f, as far as there is room, and reports whether
// there was. It runs on the monitor's loop; what it adds is seen by queries
// after watchlist.publish.
func (r *registry) watch(f *filter, addrs []netip.Addr, seen time.Time) bool {
	room := true
	for _, addr := range addrs {
		if a := f.watched.find(addr); a != nil {
			a.seen.Store(true)
			continue
		}
		if r.watched[addr] == 0 && len(r.watched) >= r.watchLimit {
			room = false
			watchRejected.Inc()
			continue
		}
		a := &address{addr: addr, filter: f, last: seen}
		for _, c := range f.checks {
			t, u := r.acquire(addr, c)
			a.targets = append(a.targets, t)
			u.addresses = append(u.addresses, a)
		}
		a.update()
		a.known = a.State() != verdict.Unknown
		f.watched.add(a)
		r.watched[addr]++
	}
	r.countWatched()
	return room
}

// forget ends the watch over those of f's addresses that expired picks. It runs on
// the monitor's loop.
func (r *registry) forget(f *filter, expired func(*address) bool) {
	for a := range f.watched.all() {
		if !expired(a) {
			continue
		}
		for i, t := range a.targets {
			u := r.users[t]
			u.addresses = slices.DeleteFunc(u.addresses, func(o *address) bool { return o == a })
			r.release(t, f.checks[i])
		}
		f.watched.remove(a)
		if r.watched[a.addr]--; r.watched[a.addr] == 0 {
			delete(r.watched, a.addr)
		}
	}
	r.countWatched()
}

// countWatched tells those outside the loop how many addresses are watched.
func (r *registry) countWatched() {
	r.watchedCount.Store(int64(len(r.watched)))
	r.watchFull.Store(len(r.watched) >= r.watchLimit)
}

// inherit makes f watch what the filter that it replaces in a reload watches.
// It runs on the monitor's loop.
func (r *registry) inherit(f, from *filter) {
	for a := range from.watched.all() {
		if f.scope.has(a.addr) {
			r.watch(f, []netip.Addr{a.addr}, a.last)
		}
	}
}

// expired returns what picks the addresses that were last seen too long ago.
func expired(now time.Time) func(*address) bool {
	return func(a *address) bool {
		if a.seen.Swap(false) {
			a.last = now
		}
		return now.Sub(a.last) > forgetAfter
	}
}
