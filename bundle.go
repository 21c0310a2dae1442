package rrhealth

import (
	"iter"

	"github.com/rrhealth/rrhealth/plugin/config"
	"github.com/rrhealth/rrhealth/plugin/monitor"
	"github.com/rrhealth/rrhealth/plugin/pool"
)

// A Block is what one server block brings. Its exported fields are set before
// Start and never change after that.
type Block struct {
	Identity     string // of the server block, the same after a reload
	Server, View string // labels of metrics
	Watchlists   []*Watchlist

	pools   []*served
	bundles []*bundle // of pools
}

// Checks yields the checks of all stanzas: those of pools, then those of filters.
func (b *Block) Checks() iter.Seq[config.Check] {
	return func(yield func(config.Check) bool) {
		for _, g := range b.bundles {
			for _, c := range g.checks {
				if !yield(c) {
					return
				}
			}
		}
		for _, w := range b.Watchlists {
			for _, c := range w.checks {
				if !yield(c) {
					return
				}
			}
		}
	}
}

// A bundle is what the pools of one stanza share. They have the same backends
// and checks, and so the same verdicts and, unless they have histories of their
// own, the same snapshot. Each pool has a name and counters. With a hundred
// thousand names everything else would be memory that the garbage collector goes
// through, and that queries miss in the cache.
type bundle struct {
	// Fixed when the Corefile is parsed.
	config pool.Config
	checks []config.Check
	dryRun bool
	pools  []*served

	members []member // one for each backend

	// Written and read by the monitor's loop.
	joined  bool // its targets are probed
	hurried int  // the member that was looked at last, see Registry.hurry
}

// A member is a backend of the pools of a bundle.
type member struct {
	bundle *bundle
	index  int // of the backend
	subject
	expires []*expiry // of the certificates that the targets show, nil for those without TLS; written by join
}

// newBundle returns the bundle of a stanza and its pools.
func newBundle(s *config.Stanza, pools []*served) *bundle {
	b := &bundle{config: s.Pool, checks: s.Checks, dryRun: s.DryRun, pools: pools, members: make([]member, len(s.Pool.Backends))}
	for i := range b.members {
		b.members[i].bundle, b.members[i].index = b, i
	}
	return b
}

// patient reports whether the snapshots depend on time as well: each pool has a
// history then, and a snapshot of its own.
func (b *bundle) patient() bool { return b.config.Recovery != (pool.Recovery{}) }

// health appends the health of each backend to dst.
func (b *bundle) health(dst []pool.Health) []pool.Health {
	for i := range b.members {
		dst = append(dst, b.members[i].health())
	}
	return dst
}

// build makes the snapshot that follows from health. Under dry_run it takes
// every backend for up, and what would be answered is in Judged.
func (b *bundle) build(health []pool.Health) *pool.Snapshot {
	s := pool.Build(&b.config, health)
	if !b.dryRun {
		return s
	}
	served := pool.Build(&b.config, make([]pool.Health, len(health)))
	served.Judged = s
	return served
}

// update takes over the state of m's targets, counts a change, and reports
// whether it is news.
func (m *member) update() bool {
	_, changed, news := m.subject.update()
	if changed {
		for _, p := range m.bundle.pools {
			p.tally(m.index).changes[m.state].Add(1)
		}
	}
	return news
}

// transition returns the transition of m that c has brought about, in the first
// pool of its bundle.
func (m *member) transition(c monitor.Change) Transition {
	b := m.bundle
	return Transition{
		Name: b.pools[0].Name, Addr: b.config.Backends[m.index].Addr, More: -1,
		To: m.state, Err: c.Err, Streak: inARow(c), DryRun: b.dryRun,
	}
}
