package rrhealth

import (
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coredns/caddy"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/rrhealth/rrhealth/plugin/monitor"
	"github.com/rrhealth/rrhealth/plugin/pool"
	"github.com/rrhealth/rrhealth/plugin/verdict"
)

// readyWithin is how long Ready waits for first results.
const readyWithin = 5 * time.Second

// live is what the process keeps running, and what survives a reload: the
// monitor with its targets, and the record of each pool. A new instance starts
// before the old one stops, so what both use is never let go of.
var live = newRegistry()

func newRegistry() *registry {
	return &registry{
		handlers:   make(map[*RRHealth]bool),
		records:    make(map[recordKey]*record),
		filters:    make(map[recordKey]*watchCounts),
		watchLimit: watchLimit,
		maxSeries:  maxSeries,
		users:      make(map[*monitor.Target]*use),
		watched:    make(map[netip.Addr]int),
		aggregates: make(map[seriesKey]*aggregate),
		last:       make(map[seriesKey]last),
		left:       make(map[seriesKey]*leavings),
		timed:      make(map[string]bool),
	}
}

// A registry connects handlers to the monitor.
type registry struct {
	mu       sync.Mutex // serialises start and stop, and guards what follows
	monitor  *monitor.Monitor
	handlers map[*RRHealth]bool
	records  map[recordKey]*record
	filters  map[recordKey]*watchCounts

	aggregates map[seriesKey]*aggregate // by the first NAME of the stanza, as what follows
	last       map[seriesKey]last
	left       map[seriesKey]*leavings
	othersGone counts // of stanzas that were counted under others and have left
	aggregated bool   // once, which was logged
	maxSeries  int

	watchLimit    int
	watchedCount  atomic.Int64  // addresses that are watched
	watchFull     atomic.Bool   // as many as watchLimit
	watchRejected atomic.Uint64 // addresses that were not watched because it was
	walking       atomic.Int64  // handlers that have not walked their zones yet

	readyBy atomic.Int64                    // unix nanoseconds: when Ready waits no longer
	running atomic.Pointer[monitor.Monitor] // monitor, for those who do not hold mu

	certificates certificates

	// What follows belongs to the monitor's loop.
	users   map[*monitor.Target]*use
	watched map[netip.Addr]int // how many filters watch each address
	limiter limiter
	timed   map[string]bool // labels of checks that have a histogram
}

// A use is what a target is used for.
type use struct {
	members   []*member
	addresses []*address
	duration  prometheus.Observer
	expires   *expiry // of the certificate, nil for checks without TLS
}

// start brings h to life: its targets are watched and its snapshots kept up to
// date until stop. A handler whose instance has died unheard is stopped first.
func (r *registry) start(h *RRHealth) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stopOrphansLocked()
	if r.handlers[h] {
		return
	}
	r.handlers[h] = true
	h.instance.started()
	if r.monitor == nil {
		r.monitor = monitor.New(r)
		r.running.Store(r.monitor)
	}
	for _, p := range h.pools {
		r.attach(h, p)
	}
	r.readyBy.Store(time.Now().Add(readyWithin).UnixNano())
	r.monitor.Do(func() {
		for _, b := range h.bundles {
			r.join(b)
		}
	})
	r.startFilters(h)
}

// join has b's backends watched. It runs on the monitor's loop.
func (r *registry) join(b *bundle) {
	b.joined = true
	for i := range b.members {
		m := &b.members[i]
		m.targets, m.expires = nil, nil
		for _, c := range b.checks {
			t, u := r.acquire(b.config.Backends[i].CheckAddr, c)
			m.targets = append(m.targets, t)
			m.expires = append(m.expires, u.expires)
			u.members = append(u.members, m)
		}
		m.state = m.health().State
		m.known = m.state != verdict.Unknown
	}
	for _, p := range b.pools {
		p.record.remember(&b.config)
	}
	r.rebuild(b)
}

// acquire has c asked of addr until release. It runs on the monitor's loop.
func (r *registry) acquire(addr netip.Addr, c check) (*monitor.Target, *use) {
	t := r.monitor.Acquire(addr, c.monitor(), r.certificates.observed(c))
	u := r.users[t]
	if u == nil {
		u = &use{duration: r.durations(c.probe.Label), expires: r.certificates.add(addr, c)}
		r.users[t] = u
	}
	return t, u
}

// release undoes acquire. It runs on the monitor's loop.
func (r *registry) release(t *monitor.Target, c check) {
	if u := r.users[t]; u != nil && len(u.members) == 0 && len(u.addresses) == 0 {
		delete(r.users, t)
		r.certificates.remove(t.Addr, c)
	}
	r.monitor.Release(t)
}

// stop lets go of what h uses. Its snapshots stay as they are: queries are
// still answered from them until the servers are gone (lameduck).
func (r *registry) stop(h *RRHealth) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stopLocked(h)
}

func (r *registry) stopLocked(h *RRHealth) {
	if !r.handlers[h] {
		return
	}
	r.cancelInspections(h.instance)
	delete(r.handlers, h)
	h.inspection.stop()
	r.stopFilters(h)
	r.monitor.Do(func() { r.leave(h.bundles) })
	used := r.checkLabels()
	for _, p := range h.pools {
		r.detach(h, p)
	}
	for _, f := range h.filters {
		r.detachList(h, f.Watchlist)
	}
	r.forgetAggregates()
	r.monitor.Do(func() { r.forgetDurations(used) })
	if len(r.handlers) == 0 {
		r.running.Store(nil)
		r.monitor.Stop()
		r.monitor = nil
	}
}

// startFilters starts the watchlists of h and the discovery of addresses for them.
// r.mu is held.
func (r *registry) startFilters(h *RRHealth) {
	if len(h.filters) == 0 {
		return
	}
	for _, f := range h.filters {
		before := r.attachList(h, f.Watchlist)
		if before != nil {
			r.monitor.Do(func() { r.inherit(f.Watchlist, before) })
		}
	}
	h.discovery = startDiscovery(h, r)
}

// stopFilters releases the targets of h's watchlists. Queries find the addresses
// in the states that they have now. r.mu is held.
func (r *registry) stopFilters(h *RRHealth) {
	if h.discovery == nil {
		return
	}
	h.discovery.stop()
	r.monitor.Do(func() {
		for _, f := range h.filters {
			f.watched.freeze()
			r.forget(f.Watchlist, func(*address) bool { return true })
		}
	})
}

// leave undoes join for all of bundles. It runs on the monitor's loop. A target
// is looked through once: all stanzas may be on each.
func (r *registry) leave(bundles []*bundle) {
	for _, b := range bundles {
		b.joined = false
		for _, p := range b.pools {
			if p.wake != nil {
				p.wake.Stop()
			}
		}
	}
	done := make(map[*use]bool)
	for _, b := range bundles {
		for i := range b.members {
			for j, t := range b.members[i].targets {
				if u := r.users[t]; u != nil && !done[u] {
					done[u] = true
					u.members = slices.DeleteFunc(u.members, func(o *member) bool { return !o.bundle.joined })
				}
				r.release(t, b.checks[j])
			}
		}
	}
}

// checkLabels returns the labels of all checks in use.
func (r *registry) checkLabels() map[string]bool {
	labels := make(map[string]bool)
	for h := range r.handlers {
		for _, b := range h.bundles {
			for _, c := range b.checks {
				labels[c.probe.Label] = true
			}
		}
		for _, f := range h.filters {
			for _, c := range f.checks {
				labels[c.probe.Label] = true
			}
		}
	}
	return labels
}

// combine says what targets that must all be up amount to.
func combine(targets []*monitor.Target) (state verdict.State, changing bool) {
	states := make([]verdict.State, 0, 4)
	for _, t := range targets {
		states = append(states, t.Verdict().State)
		changing = changing || t.Suspect()
	}
	return verdict.All(states...), changing
}

// rebuild has the snapshot of b's pools made from the latest verdicts: one for
// all of them, unless they are patient. It runs on the monitor's loop.
func (r *registry) rebuild(b *bundle) {
	var room [16]pool.Health
	health := b.health(room[:0])
	if b.patient() {
		for _, p := range b.pools {
			r.settle(p, slices.Clone(health))
		}
		return
	}
	if slices.Equal(health, b.pools[0].state().Health) {
		return // so it is at most starts: nothing is known yet
	}
	s := b.build(health)
	for _, p := range b.pools {
		p.Store(s)
	}
}

// Changed implements monitor.Sink: verdicts in, snapshots out.
func (r *registry) Changed(changes []monitor.Change) {
	concerned := make(map[*bundle]bool)
	for _, c := range changes {
		u := r.users[c.Target]
		if u == nil {
			continue // released since
		}
		var moved []*member
		for _, m := range u.members {
			concerned[m.bundle] = true
			if m.move() {
				moved = append(moved, m)
			}
		}
		if c.FirstFailure() {
			r.hurry(c.Target, u.members)
		}
		r.limiter.transitions(c, moved)
		for _, a := range u.addresses {
			if a.update() {
				r.limiter.watched(c, a)
			}
		}
	}
	for b := range concerned {
		r.rebuild(b)
	}
}

// Probed implements monitor.Sink.
func (r *registry) Probed(res monitor.Result) {
	if u := r.users[res.Target]; u != nil {
		countProbe(res, u.duration)
		r.limiter.probe(res)
	}
}

// Ready implements ready.Readiness: every target has had its first result, or
// five seconds have passed. It is the same for every handler of the process:
// the ready plugin asks only one of those that share a name.
func (h *RRHealth) Ready() bool { return live.ready() }

func (r *registry) ready() bool {
	m := r.running.Load()
	return m == nil || m.Awaited() == 0 && r.walking.Load() == 0 || time.Now().UnixNano() > r.readyBy.Load()
}

// An instance is one load of the Corefile. CoreDNS (caddy, to be exact) tells
// an instance that it starts and that it shuts down, but not that its start
// has failed after its plugins were started. Such an orphan is recognised by
// its absence from caddy's list of instances.
type instance struct{ listed bool }

type instanceKey struct{}

func instanceOf(c *caddy.Controller) *instance {
	if i, ok := c.Get(instanceKey{}).(*instance); ok {
		return i
	}
	i := new(instance)
	c.Set(instanceKey{}, i)
	return i
}

// started notes whether caddy lists the instance at all: those of programs
// that drive plugins by hand are not listed, and are never orphans. All others
// that caddy lists, the one to be replaced among them, get a callback for a
// reload that fails. The new instance itself gets none: caddy calls only that
// of the old one, whose Corefile may not have rrhealth in it.
func (i *instance) started() {
	if i.listed {
		return // by another server block
	}
	i.listed = i.inList()
	for _, o := range caddy.Instances() {
		if !i.is(o) && guard(o) {
			o.OnRestartFailed = append(o.OnRestartFailed, func() error { live.stopOrphans(); return nil })
		}
	}
}

type guardKey struct{}

// guard reports whether o has no callback of started yet. It counts as having one then.
func guard(o *caddy.Instance) bool {
	o.StorageMu.Lock()
	defer o.StorageMu.Unlock()
	if o.Storage[guardKey{}] != nil {
		return false
	}
	o.Storage[guardKey{}] = true
	return true
}

func (i *instance) orphan() bool { return i.listed && !i.inList() }

func (i *instance) inList() bool { return slices.ContainsFunc(caddy.Instances(), i.is) }

// is reports whether o is caddy's part of the instance.
func (i *instance) is(o *caddy.Instance) bool {
	o.StorageMu.RLock()
	defer o.StorageMu.RUnlock()
	return o.Storage[instanceKey{}] == i
}

func (r *registry) stopOrphans() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stopOrphansLocked()
}

func (r *registry) stopOrphansLocked() {
	for h := range r.handlers {
		if h.instance.orphan() {
			r.stopLocked(h)
		}
	}
}
