// Package live keeps pools and watched addresses up to date, across reloads.
//
// A Registry has the Blocks that are started, one for each server block. It has
// the monitor probe each backend by each check: a target, which pools and
// watchlists share. When the monitor reports changes of verdicts, the registry
// rebuilds the snapshots of the stanzas concerned, which queries load, and stores
// the states of watched addresses, which queries look up. Each does that without a
// lock.
//
// In a reload the new Block starts before the old one stops. Both use the same
// targets, so verdicts stay. Counters, rotations and histories are found by the
// server block and the name, and the new pools continue with them.
//
// Changes run on the monitor's loop, which owns all state but what is published
// atomically. The exception is the ledger: which blocks there are, and what
// Status has shown of them.
package live

import (
	"net/netip"
	"slices"
	"sync/atomic"

	"github.com/rrhealth/rrhealth/plugin/config"
	"github.com/rrhealth/rrhealth/plugin/monitor"
	"github.com/rrhealth/rrhealth/plugin/override"
	"github.com/rrhealth/rrhealth/plugin/pool"
)

// An Observer receives results and changes, always on the monitor's loop: it must
// not block, and must not call a Registry.
type Observer interface {
	Changed([]Transition)                       // after states of backends have changed
	Probed(check string, result monitor.Result) // after each probe by the check with that label
}

// A Registry connects Blocks to the monitor. From Start to Stop it has their
// targets probed, and keeps their snapshots and watchlists up to date. The
// monitor runs while a Block is started. In a reload the new Block starts before
// the old one stops, so that targets, counters and histories stay.
type Registry struct {
	// WatchLimit is how many addresses are watched at the most: 100,000, unless it
	// is set before Start.
	WatchLimit int

	observer     Observer
	certificates certificates
	ledger       ledger

	// Written by Start and Stop, read by any goroutine; nil while no block is started.
	monitor atomic.Pointer[monitor.Monitor]

	// Written by Override, read by the monitor's loop.
	overrides atomic.Pointer[override.Set]
	restored  atomic.Pointer[restored] // see Restore

	// Written by the monitor's loop, read by queries and Status.
	watching  atomic.Int64 // addresses that are watched
	watchFull atomic.Bool  // as many as WatchLimit
	// Written by queries and the loop: addresses that were found and not watched,
	// as too many others are.
	watchRejected atomic.Uint64

	// Written and read by the monitor's loop.
	uses    map[*monitor.Target]*use
	watched map[netip.Addr]int // how many watchlists have each address
	pasts   map[*address]*past // of watched addresses that have one
}

// New returns a Registry without blocks that reports to o.
func New(o Observer) *Registry {
	return &Registry{
		WatchLimit: watchLimit, observer: o, ledger: newLedger(),
		uses: make(map[*monitor.Target]*use), watched: make(map[netip.Addr]int),
		pasts: make(map[*address]*past),
	}
}

// A use is what a target is used for. It belongs to the monitor's loop.
type use struct {
	members   []*member
	addresses []*address
	check     string  // the label of the check
	expires   *expiry // of the certificate, nil for checks without TLS
}

// Start starts b. What a started block with the same Identity counts and watches,
// b continues with. Calls of Start and Stop must not overlap.
func (r *Registry) Start(b *Block) {
	m := r.monitor.Load()
	if m == nil {
		m = monitor.New(sink{r})
		r.monitor.Store(m)
	}
	replaced := r.ledger.adopt(b)
	overrides := r.overrides.Load()
	for _, w := range b.Watchlists {
		w.registry = r
	}
	m.Do(func() {
		for _, s := range b.Stanzas {
			r.join(s, b)
		}
		for i, w := range b.Watchlists {
			if from := replaced[i]; from != nil {
				r.inherit(w, from)
			}
		}
	})
	r.ledger.add(b)
	if r.overrides.Load() != overrides {
		r.administer([]*Block{b}) // Override may have missed it
	}
}

// Stop ends what Start began. Queries are still answered until the servers are
// gone (lameduck): the snapshots and watchlists of b stay as they are.
func (r *Registry) Stop(b *Block) {
	m := r.monitor.Load()
	if m == nil || !r.ledger.has(b) {
		return
	}
	m.Do(func() {
		for _, w := range b.Watchlists {
			r.end(w)
		}
		r.leave(b.Stanzas)
	})
	if r.ledger.remove(b) {
		r.monitor.Store(nil)
		m.Stop()
	}
}

// Awaited returns how many targets have no first result yet.
func (r *Registry) Awaited() int {
	if m := r.monitor.Load(); m != nil {
		return m.Awaited()
	}
	return 0
}

// Targets returns how many targets are probed. It waits for the monitor's loop.
func (r *Registry) Targets() (n int) {
	r.do(func() { n = len(r.uses) })
	return n
}

// do runs f on the monitor's loop, unless no block is started.
func (r *Registry) do(f func()) {
	if m := r.monitor.Load(); m != nil {
		m.Do(f)
	}
}

// acquire has addr probed by c until release. It runs on the monitor's loop.
func (r *Registry) acquire(addr netip.Addr, c config.Check) (*monitor.Target, *use) {
	t := r.monitor.Load().Acquire(addr, c.Pace, r.certificates.observed(c))
	u := r.uses[t]
	if u == nil {
		u = &use{check: c.Probe.Label, expires: r.certificates.add(addr, c)}
		r.uses[t] = u
	}
	return t, u
}

// release undoes acquire. It runs on the monitor's loop.
func (r *Registry) release(t *monitor.Target, c config.Check) {
	if u := r.uses[t]; u != nil && len(u.members) == 0 && len(u.addresses) == 0 {
		delete(r.uses, t)
		r.certificates.remove(t.Addr, c)
	}
	r.monitor.Load().Release(t)
}

// join has the backends of s, of the block b, probed. It runs on the monitor's loop.
func (r *Registry) join(s *Stanza, b *Block) {
	for _, p := range s.Pools {
		p.counters.remember(&s.config)
	}
	s.restore(b, r.restored.Load(), r.overrides.Load())
	for i := range s.members {
		m := &s.members[i]
		m.targets, m.expires = nil, nil
		m.admin = s.adminOf(r.overrides.Load(), i)
		for _, c := range s.Checks {
			t, u := r.acquire(s.config.Backends[i].CheckAddr, c)
			m.targets = append(m.targets, t)
			m.expires = append(m.expires, u.expires)
			u.members = append(u.members, m)
		}
		m.begin()
	}
	r.rebuild(s) // the snapshot before was never answered
	s.joined = true
	s.succeed()
}

// leave undoes join for all stanzas. It runs on the monitor's loop. It looks
// through the members of a target once: all stanzas may use each target.
func (r *Registry) leave(stanzas []*Stanza) {
	for _, s := range stanzas {
		s.joined = false
		for _, p := range s.Pools {
			if p.wake != nil {
				p.wake.Stop()
			}
		}
		s.bequeath()
	}
	done := make(map[*use]bool)
	for _, s := range stanzas {
		for i := range s.members {
			for j, t := range s.members[i].targets {
				if u := r.uses[t]; u != nil && !done[u] {
					done[u] = true
					u.members = slices.DeleteFunc(u.members, func(o *member) bool { return !o.stanza.joined })
				}
				r.release(t, s.Checks[j])
			}
		}
	}
}

// rebuild builds the snapshot of s's pools from the latest verdicts: one for all
// of them, unless they have histories. It runs on the monitor's loop.
func (r *Registry) rebuild(s *Stanza) {
	var room [16]pool.Health
	health := s.health(room[:0])
	if s.patient() {
		for _, p := range s.Pools {
			r.settle(p, slices.Clone(health))
		}
		return
	}
	if slices.Equal(health, s.Pools[0].state().Health) {
		return // as for most at the start: nothing is known yet
	}
	next, before := s.Build(health), s.Pools[0].Snapshot()
	for _, p := range s.Pools {
		p.Store(next)
	}
	if s.joined {
		s.replaced(before, next)
	}
}
