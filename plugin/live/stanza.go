package live

import (
	"iter"
	"time"

	"github.com/rrhealth/rrhealth/plugin/config"
	"github.com/rrhealth/rrhealth/plugin/monitor"
	"github.com/rrhealth/rrhealth/plugin/pool"
)

// A Block is what one server block brings. All of it but the pools' snapshots and
// the watchlists' addresses is fixed before Start.
type Block struct {
	Identity     string // of the server block, the same after a reload; set before Start
	Server, View string // labels of metrics; set before Start

	Stanzas    []*Stanza    // those with backends
	Pools      []Pool       // of Stanzas, one for each NAME
	Watchlists []*Watchlist // one for each NAME of the other stanzas
}

// NewBlock returns the Block with the pools and watchlists of stanzas.
func NewBlock(stanzas []config.Stanza) *Block {
	n := 0
	for i := range stanzas {
		if s := &stanzas[i]; !s.IsFilter() {
			n += len(s.Names)
		}
	}
	b := &Block{Pools: newPools(n)}
	left := b.Pools
	for i := range stanzas {
		s := &stanzas[i]
		if s.IsFilter() {
			for _, name := range s.Names {
				b.Watchlists = append(b.Watchlists, newWatchlist(name, s))
			}
			continue
		}
		b.Stanzas = append(b.Stanzas, newStanza(s, left[:len(s.Names)]))
		left = left[len(s.Names):]
	}
	return b
}

// Checks yields the checks of all stanzas: those of pools, then those of filters.
func (b *Block) Checks() iter.Seq[config.Check] {
	return func(yield func(config.Check) bool) {
		for _, s := range b.Stanzas {
			for _, c := range s.Checks {
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

// A Stanza is what its pools share. They have the same backends and checks, and
// so the same verdicts and, unless they have histories of their own, the same
// snapshot. Each pool has a name and counters. With a hundred thousand names
// everything else would be memory that the garbage collector goes through, and
// that queries miss in the cache.
type Stanza struct {
	// Fixed when the Corefile is parsed.
	Pools  []*Pool // one for each NAME
	Checks []config.Check
	config pool.Config
	dryRun bool

	members []member // one for each backend

	// Those that it replaces in a reload, and those that replace it, until the former
	// have left. Written by Start before it joins, then by the monitor's loop.
	elders, heirs []*Stanza

	// Written and read by the monitor's loop.
	joined  bool      // its targets are probed
	hurried int       // the member that was looked at last, see Registry.hurry
	cached  time.Time // when the last answer from former snapshots has left all caches
}

// A member is a backend of the pools of a Stanza.
type member struct {
	stanza *Stanza
	index  int // of the backend
	subject
	past    *past     // nil while nothing has happened
	expires []*expiry // of the certificates that the targets show, nil for those without TLS; written by join
}

// newStanza makes pools those of conf, one for each NAME.
func newStanza(conf *config.Stanza, pools []Pool) *Stanza {
	s := &Stanza{Pools: make([]*Pool, len(pools)), config: conf.Pool, Checks: conf.Checks, dryRun: conf.DryRun, members: make([]member, len(conf.Pool.Backends))}
	for i := range s.members {
		s.members[i].stanza, s.members[i].index = s, i
	}
	first := s.Build(make([]pool.Health, len(s.members)))
	for i := range pools {
		p := &pools[i]
		p.stanza, p.Name = s, conf.Names[i]
		p.Init(&s.config, first)
		p.adopt(p.counters)
		s.Pools[i] = p
	}
	return s
}

// patient reports whether the snapshots depend on time as well: each pool has a
// history then, and a snapshot of its own.
func (s *Stanza) patient() bool { return s.config.Recovery != (pool.Recovery{}) }

// health appends the health of each backend to dst.
func (s *Stanza) health(dst []pool.Health) []pool.Health {
	for i := range s.members {
		dst = append(dst, s.members[i].health())
	}
	return dst
}

// Build makes the snapshot that follows from health. Under dry_run it takes
// every backend for up, and what would be answered is in Judged. What operators
// drain stays drained: that is no verdict.
func (s *Stanza) Build(health []pool.Health) *pool.Snapshot {
	next := pool.Build(&s.config, health)
	if !s.dryRun {
		return next
	}
	trusted := make([]pool.Health, len(health))
	for i, h := range health {
		trusted[i].Admin = pool.Admin{Drained: h.Admin.Drained, Weight: h.Admin.Weight}
	}
	served := pool.Build(&s.config, trusted)
	served.Judged = next
	return served
}

// update takes over the state of m's targets after c, counts and notes a change,
// and reports whether it is news.
func (m *member) update(c monitor.Change) bool {
	_, moved, news := m.subject.update()
	if moved {
		m.pastOf().note(changed(c, m.state))
		for _, p := range m.stanza.Pools {
			p.tally(m.index).changes[m.state].Add(1)
		}
	}
	return news
}

// transition returns the transition of m that c has brought about, in the first
// pool of its stanza.
func (m *member) transition(c monitor.Change) Transition {
	s := m.stanza
	return Transition{
		Name: s.Pools[0].Name, Addr: s.config.Backends[m.index].Addr, More: -1,
		To: m.state, Err: c.Err, Streak: inARow(c), DryRun: s.dryRun,
	}
}
