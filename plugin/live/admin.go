package live

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/rrhealth/rrhealth/plugin/history"
	"github.com/rrhealth/rrhealth/plugin/monitor"
	"github.com/rrhealth/rrhealth/plugin/override"
	"github.com/rrhealth/rrhealth/plugin/pool"
	"github.com/rrhealth/rrhealth/plugin/verdict"
)

// Override puts set in force in place of the one before. When it returns, queries
// get answers that follow from it, or from a later one. It waits for the monitor's
// loop. A block that starts meanwhile has it in force when Start returns.
func (r *Registry) Override(set *override.Set) {
	r.overrides.Store(set)
	r.administer(r.ledger.started())
}

// administer puts the latest overrides in force in blocks. It waits for the monitor's
// loop.
func (r *Registry) administer(blocks []*Block) {
	r.do(func() {
		set := r.overrides.Load() // not that of the caller: calls may overtake one another
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
			m.pastOf().note(administered(set.Of(s.config.Backends[i].Addr, s.named), m.state))
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
			a.list.registry.pastOf(a).note(administered(set.Of(a.addr, w.named), a.state))
		}
	}
}

func (w *Watchlist) adminOf(set *override.Set, addr netip.Addr) pool.Admin {
	return set.Admin(addr, w.named)
}

func (w *Watchlist) named(name string) bool { return name == w.Name }

// changing reports to filters whether the next result may change what h comes to.
func changing(h pool.Health) bool {
	return h.Changing && h.Admin.State == verdict.Unknown && !h.Admin.Drained
}

// A past is what is known of a backend beyond its state.
type past struct {
	log  *history.Log
	left time.Time // when the last cache forgets the answers that had it before it last left them
}

// note adds an event.
func (p *past) note(e history.Event) {
	e.At = time.Now()
	p.log = p.log.Add(e)
}

// administered returns the event that those in force have brought about, for a
// backend in the given state by its checks.
func administered(inForce []*override.Override, state verdict.State) history.Event {
	if len(inForce) == 0 {
		return history.Event{Kind: history.OverrideEnded, State: state, What: "auto"}
	}
	latest := inForce[0]
	what := make([]string, len(inForce)) // all of them: explain --at reads here what was in force
	for i, o := range inForce {
		what[i] = o.What()
		if o.ID > latest.ID {
			latest = o
		}
	}
	return history.Event{Kind: history.Overridden, State: state, What: strings.Join(what, ", "), By: latest.Author, Reason: latest.Reason}
}

// resume notes what inForce comes to, if the log, which is from before a restart, says
// otherwise: overrides may have ended meanwhile.
func (p *past) resume(inForce []*override.Override) {
	events := p.log.Events()
	var last history.Event
	for i := len(events) - 1; i >= 0 && last.What == ""; i-- {
		if k := events[i].Kind; k == history.Overridden || k == history.OverrideEnded {
			last = events[i]
		}
	}
	state, _ := p.log.StateAt(time.Now())
	next := administered(inForce, state)
	if none := last.What == "" && len(inForce) == 0; !none && (last.Kind != next.Kind || last.What != next.What) {
		p.note(next)
	}
}

// changed returns the event that c has brought about, for a backend that is in the
// given state now.
func changed(c monitor.Change, state verdict.State) history.Event {
	e := history.Event{Kind: history.StateChanged, State: state}
	if c.Err != nil {
		e.Reason = c.Err.Error()
	}
	return e
}

// pastOf returns the past of m, which it begins if there is none.
func (m *member) pastOf() *past {
	if m.past == nil {
		m.past = new(past)
	}
	return m.past
}

// pastOf returns the past of a watched address, which it begins if there is none. It
// runs on the monitor's loop.
func (r *Registry) pastOf(a *address) *past {
	p := r.pasts[a]
	if p == nil {
		p = new(past)
		r.pasts[a] = p
	}
	return p
}

// Configured returns what the Corefile says of the backends with each of addrs, by
// stanza, sorted. It waits for a reload. A stanza is identified by its first NAME
// and the view, so that its server block may get another address or port; if that
// leaves a choice, by the server block, too.
func (r *Registry) Configured(addrs ...netip.Addr) map[netip.Addr][]override.Configured {
	all := make(map[netip.Addr][]override.Configured, len(addrs))
	for _, addr := range addrs {
		all[addr] = nil
	}
	blocks := make(map[netip.Addr][]*Block, len(addrs))
	stanzas, _ := r.ledger.current()
	for _, s := range stanzas {
		name := strings.TrimSuffix(s.stanza.Pools[0].Name+"|"+s.block.View, "|")
		for _, b := range s.stanza.config.Backends {
			if found, ok := all[b.Addr]; ok {
				all[b.Addr] = append(found, override.Configured{Pool: name, Drain: b.Drain, Weight: b.Weight})
				blocks[b.Addr] = append(blocks[b.Addr], s.block)
			}
		}
	}
	for addr, of := range all {
		named := make(map[string]int)
		for _, c := range of {
			named[c.Pool]++
		}
		for i := range of {
			if c := &of[i]; named[c.Pool] > 1 {
				c.Pool += "|" + blocks[addr][i].Identity
			}
		}
		slices.SortFunc(of, func(a, b override.Configured) int { return cmp.Compare(a.Pool, b.Pool) })
	}
	return all
}
