package live

import (
	"net/netip"
	"slices"
	"time"

	"github.com/rrhealth/rrhealth/plugin/override"
	"github.com/rrhealth/rrhealth/plugin/pool"
)

// Override puts set in force in place of the one before. When it returns, queries
// get answers that follow from it. It waits for the monitor's loop.
func (r *Registry) Override(set *override.Set) {
	blocks := r.ledger.started()
	r.overrides.Store(set) // for blocks that start from now on
	r.do(func() {
		for _, b := range blocks {
			for _, s := range b.Stanzas {
				if s.joined && s.administer(set) {
					r.rebuild(s)
				}
			}
			for _, w := range b.Watchlists {
				w.administer(set)
			}
		}
	})
}

// started returns the blocks that are started, in the order in which they did.
func (l *ledger) started() []*Block {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.blocks)
}

// administer takes over what set says of the members of s, and reports whether
// that is something else than before.
func (s *Stanza) administer(set *override.Set) (changed bool) {
	for i := range s.members {
		m := &s.members[i]
		if a := s.adminOf(set, i); a != m.admin {
			m.admin, changed = a, true
		}
	}
	return changed
}

// adminOf returns what set comes to for the ith member of s.
func (s *Stanza) adminOf(set *override.Set, i int) pool.Admin {
	return set.Admin(s.config.Backends[i].Addr, s.named)
}

// named reports whether name is one of the NAMEs of s.
func (s *Stanza) named(name string) bool {
	return slices.ContainsFunc(s.Pools, func(p *Pool) bool { return p.Name == name })
}

// administer takes over what set says of the addresses of w.
func (w *Watchlist) administer(set *override.Set) {
	if w.watched.frozen {
		return
	}
	for a := range w.watched.all() {
		if next := w.adminOf(set, a.addr); next != a.admin {
			a.admin = next
			a.publish(a.health())
		}
	}
}

func (w *Watchlist) adminOf(set *override.Set, addr netip.Addr) pool.Admin {
	return set.Admin(addr, func(name string) bool { return name == w.Name })
}

// A past is what is known of a backend beyond its state.
type past struct {
	left time.Time // when the last cache has forgotten it; the zero time while it is answered
}

// pastOf returns the past of m, which it begins if there is none.
func (m *member) pastOf() *past {
	if m.past == nil {
		m.past = new(past)
	}
	return m.past
}

// replaced notes for how long caches have answers from before, a snapshot that has
// just been replaced by those that the pools of s have now. Resolvers count a TTL
// in whole seconds, some a second longer.
func (s *Stanza) replaced(before *pool.Snapshot) {
	now := time.Now()
	if until := now.Add(time.Duration(before.TTL+1) * time.Second); until.After(s.cached) {
		s.cached = until
	}
	answered := s.answered()
	for f := range before.Choices {
		for _, m := range before.Choices[f].Members {
			if m.Index >= 0 && !answered[m.Index] {
				s.members[m.Index].pastOf().left = s.cached
			}
		}
	}
	for i, is := range answered {
		if is && s.members[i].past != nil {
			s.members[i].past.left = time.Time{}
		}
	}
}

// answered returns, for each member of s, whether one of its pools answers it.
func (s *Stanza) answered() []bool {
	all := make([]bool, len(s.members))
	for _, p := range s.Pools {
		snapshot := p.Snapshot()
		for f := range snapshot.Choices {
			for _, m := range snapshot.Choices[f].Members {
				if m.Index >= 0 {
					all[m.Index] = true
				}
			}
		}
		if !s.patient() {
			break // they share it
		}
	}
	return all
}
