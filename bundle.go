package rrhealth

import (
	"github.com/rrhealth/rrhealth/plugin/monitor"
	"github.com/rrhealth/rrhealth/plugin/pool"
	"github.com/rrhealth/rrhealth/plugin/verdict"
)

// A bundle is what the pools of one stanza share. They have the same backends
// and checks, and so the same verdicts and, unless they have patience (and with
// it a past of their own), the same snapshot. What is left to each is its name
// and what is counted: with a hundred thousand names everything else would be
// memory that the garbage collector goes through, and that queries miss in the
// cache.
type bundle struct {
	config  pool.Config
	checks  []check
	dryRun  bool
	pools   []*served
	members []member // one for each backend
	joined  bool     // is watched; belongs to the monitor's loop
	hurried int      // the member that was looked at last, see registry.hurry; the loop's too
}

// A member is a backend of the pools of a bundle, with the targets that must
// all be up for it to be. What join does not set belongs to the monitor's loop.
type member struct {
	bundle  *bundle
	index   int
	targets []*monitor.Target // in the order of the checks; set by join
	expires []*expiry         // of their certificates, nil where there are none; set by join
	state   verdict.State
	known   bool // has had a state other than unknown
}

// newBundle returns the bundle of a stanza and its pools.
func newBundle(s stanza, pools []*served) *bundle {
	b := &bundle{config: s.pool, checks: s.checks, dryRun: s.dryRun, pools: pools, members: make([]member, len(s.pool.Backends))}
	for i := range b.members {
		b.members[i].bundle, b.members[i].index = b, i
	}
	return b
}

// patient reports whether time has its say in what the pools answer.
func (b *bundle) patient() bool { return b.config.Recovery != (pool.Recovery{}) }

// health appends to dst what the targets say of each backend.
func (b *bundle) health(dst []pool.Health) []pool.Health {
	for i := range b.members {
		dst = append(dst, b.members[i].health())
	}
	return dst
}

// health combines what the member's targets say.
func (m *member) health() pool.Health {
	state, changing := combine(m.targets)
	return pool.Health{State: state, Changing: changing}
}

// move takes over the state that m's targets now have, and reports whether
// that is news. That a backend is up at its first result is not.
func (m *member) move() bool {
	state := m.health().State
	if state == m.state {
		return false
	}
	news := m.known || state != verdict.Up
	m.state, m.known = state, true
	for _, p := range m.bundle.pools {
		p.tally(m.index).changes[state].Add(1)
	}
	return news
}

// build makes the snapshot that follows from health. Under dry_run it takes
// every backend for up, and what would be answered stands beside it.
func (b *bundle) build(health []pool.Health) *pool.Snapshot {
	s := pool.Build(&b.config, health)
	if !b.dryRun {
		return s
	}
	served := pool.Build(&b.config, make([]pool.Health, len(health)))
	served.Judged = s
	return served
}
