package live

import (
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"github.com/rrhealth/rrhealth/plugin/config"
	"github.com/rrhealth/rrhealth/plugin/monitor"
	"github.com/rrhealth/rrhealth/plugin/pool"
	"github.com/rrhealth/rrhealth/plugin/verdict"
)

const (
	// watchLimit is how many addresses a Registry watches at the most.
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
	Name     string // of the filter: in lower case, with the final dot; may start with "*."
	Networks config.Networks
	dryRun   bool
	checks   []config.Check
	settings pool.Settings

	// Set by Registry.Start, before the list serves.
	Counts   *Counts // what the filter counts
	registry *Registry

	watched table
}

func newWatchlist(name string, s *config.Stanza) *Watchlist {
	w := &Watchlist{Name: name, Networks: s.Watch, dryRun: s.DryRun, checks: s.Checks, settings: s.Pool.Settings, Counts: new(Counts)}
	w.watched.init()
	return w
}

// Wants reports whether addr is to be watched: it is inside the networks of
// watch, and there is a check.
func (w *Watchlist) Wants(addr netip.Addr) bool {
	return len(w.checks) > 0 && addr.IsValid() && w.Networks.Contain(addr)
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
	if !addr.IsValid() || !w.Networks.Contain(addr) {
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
	addr      netip.Addr
	seenState atomic.Uint32 // a verdict.State
	changing  atomic.Bool   // the next result may change the state
	seen      atomic.Bool   // in an answer or in a zone, since last was set

	// Written and read by the loop.
	subject
	list *Watchlist
	last time.Time // when it was last seen, as of the last sweep
}

// State returns the state that queries see.
func (a *address) State() verdict.State { return verdict.State(a.seenState.Load()) } // #nosec G115 -- stored from one

// publish makes queries see h. An address that is drained is down for them: a
// filter does not know which others could stand in for it, and all_down decides if
// there is none.
func (a *address) publish(h pool.Health) {
	state := h.Effective()
	if h.Admin.Drained {
		state = verdict.Down
	}
	a.changing.Store(changing(h))
	if r := a.list.registry; r != nil && state == verdict.Down && a.State() != verdict.Down {
		r.pastOf(a).left = time.Now().Add(time.Duration(a.list.settings.TTL+1) * time.Second)
	}
	a.seenState.Store(uint32(state))
}

// update takes over the state of a's targets after c, and reports whether the
// change is news. Only then it is noted: most addresses are up all the time.
func (a *address) update(c monitor.Change) bool {
	h, _, news := a.subject.update()
	a.publish(h)
	if news {
		a.list.registry.pastOf(a).note(changed(c, a.state))
	}
	return news
}

// transition returns the transition of a that c has brought about.
func (a *address) transition(c monitor.Change) Transition {
	return Transition{Name: a.list.Name, Watched: true, Addr: a.addr, To: a.state, Err: c.Err, Streak: inARow(c), DryRun: a.list.dryRun}
}

// Watch adds addrs to w, as far as the limit permits, and reports whether it
// permitted all. It waits for the monitor's loop. If w is stopped, it does nothing.
func (r *Registry) Watch(w *Watchlist, addrs []netip.Addr) (room bool) {
	room = true
	r.do(func() {
		if !w.watched.frozen {
			room = r.watch(w, addrs, time.Now())
		}
	})
	return room
}

// Sweep removes the addresses of w that were last seen more than ten minutes ago.
// It waits for the monitor's loop. If w is stopped, it does nothing.
func (r *Registry) Sweep(w *Watchlist) {
	now := time.Now()
	r.do(func() {
		if w.watched.frozen {
			return
		}
		for a := range w.watched.all() {
			if a.expired(now) {
				r.forget(a)
			}
		}
		r.countWatched()
	})
}

// end releases the targets of w. Queries find the addresses in the states that
// they have now. It runs on the monitor's loop.
func (r *Registry) end(w *Watchlist) {
	w.watched.freeze()
	for a := range w.watched.all() {
		r.forget(a)
	}
	r.countWatched()
}

// watch adds addrs to w, which were last seen at that time, as far as the limit
// permits, and reports whether it permitted all. It runs on the monitor's loop.
func (r *Registry) watch(w *Watchlist, addrs []netip.Addr, seen time.Time) bool {
	room := true
	for _, addr := range addrs {
		if a := w.watched.find(addr); a != nil {
			a.seen.Store(true)
			continue
		}
		if r.watched[addr] == 0 && len(r.watched) >= r.WatchLimit {
			room = false
			r.watchRejected.Add(1)
			continue
		}
		a := &address{addr: addr, list: w, last: seen}
		a.admin = w.adminOf(r.overrides.Load(), addr)
		for _, c := range w.checks {
			t, u := r.acquire(addr, c)
			a.targets = append(a.targets, t)
			u.addresses = append(u.addresses, a)
		}
		a.publish(a.begin())
		w.watched.add(a)
		r.watched[addr]++
	}
	r.countWatched()
	return room
}

// forget removes a from its list. It runs on the monitor's loop.
func (r *Registry) forget(a *address) {
	for i, t := range a.targets {
		u := r.uses[t]
		u.addresses = slices.DeleteFunc(u.addresses, func(o *address) bool { return o == a })
		r.release(t, a.list.checks[i])
	}
	a.list.watched.remove(a)
	delete(r.pasts, a)
	if r.watched[a.addr]--; r.watched[a.addr] == 0 {
		delete(r.watched, a.addr)
	}
}

// countWatched publishes how many addresses are watched. It runs on the
// monitor's loop.
func (r *Registry) countWatched() {
	r.watching.Store(int64(len(r.watched)))
	r.watchFull.Store(len(r.watched) >= r.WatchLimit)
}

// inherit adds the addresses of from, which w replaces in a reload, to w. It runs
// on the monitor's loop.
func (r *Registry) inherit(w, from *Watchlist) {
	for a := range from.watched.all() {
		if w.Networks.Contain(a.addr) {
			r.watch(w, []netip.Addr{a.addr}, a.last)
		}
	}
}

// expired reports whether a was last seen longer than forgetAfter before now.
func (a *address) expired(now time.Time) bool {
	if a.seen.Swap(false) {
		a.last = now
	}
	return now.Sub(a.last) > forgetAfter
}

// States returns the states of all addresses of w.
func (w *Watchlist) States() map[netip.Addr]verdict.State {
	all := make(map[netip.Addr]verdict.State)
	for a := range w.watched.listed() {
		all[a.addr] = a.State()
	}
	return all
}
