package live

import (
	"maps"
	"slices"
	"time"

	"github.com/rrhealth/rrhealth/plugin/config"
	"github.com/rrhealth/rrhealth/plugin/history"
	"github.com/rrhealth/rrhealth/plugin/monitor"
	"github.com/rrhealth/rrhealth/plugin/override"
	"github.com/rrhealth/rrhealth/plugin/pool"
	"github.com/rrhealth/rrhealth/plugin/verdict"
)

// A StanzaView is a copy of the state of a stanza: of a number of pools with the
// same backends, or of one filter.
type StanzaView struct {
	Block  *Block
	Stanza *Stanza        // nil for a filter
	Pools  []*Pool        // nil for a filter
	Filter *Watchlist     // nil for pools
	Config *pool.Config   // nil for a filter
	Now    *pool.Snapshot // what the first pool answers; nil for a filter
	Judged *pool.Snapshot // the same without dry_run; nil for a filter

	Backends []BackendView
}

// Name returns the first NAME of the stanza, or the filter's.
func (v *StanzaView) Name() string {
	if v.Filter != nil {
		return v.Filter.Name
	}
	return v.Pools[0].Name
}

// Named reports whether name, in lower case and with the final dot, is one of the
// NAMEs of the stanza, or the filter's.
func (v *StanzaView) Named(name string) bool {
	if v.Filter != nil {
		return v.Filter.Name == name
	}
	return slices.ContainsFunc(v.Pools, func(p *Pool) bool { return p.Name == name })
}

// Settings returns what the stanza sets for answers.
func (v *StanzaView) Settings() *pool.Settings {
	if v.Filter != nil {
		return &v.Filter.settings
	}
	return &v.Config.Settings
}

// DryRun reports whether the stanza changes no answers.
func (v *StanzaView) DryRun() bool {
	if v.Filter != nil {
		return v.Filter.dryRun
	}
	return v.Now.Judged != nil
}

// A BackendView is a copy of the state of a backend or a watched address.
type BackendView struct {
	pool.Backend // as the Corefile has it; of a watched address only Addr and CheckAddr
	Health       pool.Health
	Overrides    []*override.Override // in force
	Answered     bool                 // by one of the pools; for watched addresses, that it is not down
	Log          *history.Log
	CachedUntil  time.Time // when the last cache forgets it; the zero time if it was never answered
	First        uint64    // answers in which it came first
	Checks       []CheckView
}

// A CheckView is a copy of the state of one check of a backend.
type CheckView struct {
	Label    string
	Interval time.Duration
	Verdict  verdict.Verdict
	Suspect  bool
	Last     time.Time // when the last probe that counted began; the zero time for none
	Next     time.Time // when the next is due; the zero time while one is in flight
	Counts   [len(monitor.Classes)]uint64
}

// viewedAtOnce is how many backends View copies in one turn of the monitor's loop.
// A process may have 100,000; copied in one turn they would make probes late.
const viewedAtOnce = 1000

// View returns the state of all stanzas, pools first, in the order of the Corefile.
// It waits for the monitor's loop, in turns; no query waits for it. What changes
// meanwhile is in it or is not.
func (r *Registry) View() (all []StanzaView) {
	stanzas, watchlists := r.ledger.current()
	r.inTurns(stanzas, func(s shownStanza) { all = append(all, r.view(s)) })
	for _, w := range watchlists {
		all = append(all, r.viewWatchlist(w))
	}
	return all
}

// inTurns calls f on the monitor's loop for each of stanzas: for viewedAtOnce
// backends, or for one stanza with more, in each turn.
func (r *Registry) inTurns(stanzas []shownStanza, f func(shownStanza)) {
	for len(stanzas) > 0 {
		n, size := 0, 0
		for n < len(stanzas) && (n == 0 || size+stanzas[n].size() <= viewedAtOnce) {
			size += stanzas[n].size()
			n++
		}
		r.do(func() {
			for _, s := range stanzas[:n] {
				f(s)
			}
		})
		stanzas = stanzas[n:]
	}
}

// size is what a turn of the monitor's loop counts s as.
func (s shownStanza) size() int { return len(s.stanza.members) + len(s.stanza.Pools) }

// A shownStanza is a stanza and its block.
type shownStanza struct {
	block  *Block
	stanza *Stanza
	firsts []uint64 // answers in which each member came first
}

// A shownWatchlist is a watchlist and its block.
type shownWatchlist struct {
	block *Block
	list  *Watchlist
}

// current returns the stanzas and watchlists that no later block replaces.
func (l *ledger) current() (stanzas []shownStanza, watchlists []shownWatchlist) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, b := range l.blocks {
		for _, s := range b.Stanzas {
			if p := s.Pools[0]; p.counters.latest == p {
				stanzas = append(stanzas, shownStanza{b, s, s.firsts()})
			}
		}
		for _, w := range b.Watchlists {
			if w.Counts.latest == w {
				watchlists = append(watchlists, shownWatchlist{b, w})
			}
		}
	}
	return stanzas, watchlists
}

// firsts returns in how many answers of all pools each member came first.
func (s *Stanza) firsts() []uint64 {
	all := make([]uint64, len(s.members))
	for i := range all {
		for _, p := range s.Pools {
			all[i] += p.tally(i).first.Load()
		}
	}
	return all
}

// view copies the state of s. It runs on the monitor's loop.
func (r *Registry) view(s shownStanza) StanzaView {
	first := s.stanza.Pools[0]
	v := StanzaView{
		Block: s.block, Stanza: s.stanza, Pools: s.stanza.Pools, Config: &s.stanza.config,
		Now: first.Snapshot(), Judged: first.state(), Backends: make([]BackendView, len(s.stanza.members)),
	}
	for _, e := range s.stanza.elders {
		s.stanza.takeOver(e) // in a reload they still answer
	}
	cached := s.stanza.cachedNow()
	set := r.overrides.Load()
	for i := range v.Backends {
		m, b := &s.stanza.members[i], &v.Backends[i]
		b.Backend, b.Health = s.stanza.config.Backends[i], v.Judged.Health[i]
		b.Overrides = set.Of(b.Addr, s.stanza.named)
		b.First = s.firsts[i]
		b.Answered, b.CachedUntil = cached.answered[i], cached.until(i)
		if m.past != nil {
			b.Log = m.past.log
		}
		b.Checks = r.viewChecks(&m.subject, s.stanza.Checks)
	}
	return v
}

// viewWatchlist copies the state of a watchlist, viewedAtOnce addresses in each turn
// of the monitor's loop.
func (r *Registry) viewWatchlist(s shownWatchlist) StanzaView {
	v := StanzaView{Block: s.block, Filter: s.list}
	for all := range slices.Chunk(slices.Collect(maps.Keys(s.list.watched.listed())), viewedAtOnce) {
		r.do(func() {
			for _, a := range all {
				if s.list.watched.find(a.addr) == a { // not forgotten meanwhile
					v.Backends = append(v.Backends, r.viewAddress(a))
				}
			}
		})
	}
	slices.SortFunc(v.Backends, func(a, b BackendView) int { return a.Addr.Compare(b.Addr) })
	return v
}

// viewAddress copies the state of a watched address. It runs on the monitor's loop.
func (r *Registry) viewAddress(a *address) BackendView {
	b := BackendView{
		Backend: pool.Backend{Addr: a.addr, CheckAddr: a.addr, Weight: 1, Tier: 1}, Health: a.health(),
		Overrides: r.overrides.Load().Of(a.addr, a.list.named),
		Answered:  a.State() != verdict.Down, Checks: r.viewChecks(&a.subject, a.list.checks),
	}
	if p := r.pasts[a]; p != nil {
		b.Log = p.log
		if !b.Answered {
			b.CachedUntil = p.left
		}
	}
	return b
}

// viewChecks copies the state of the checks of s. It runs on the monitor's loop.
func (r *Registry) viewChecks(s *subject, checks []config.Check) []CheckView {
	m := r.monitor.Load()
	if m == nil {
		return nil // the last block is being stopped
	}
	all := make([]CheckView, len(s.targets))
	for i, t := range s.targets {
		c := &all[i]
		c.Label, c.Interval = checks[i].Probe.Label, checks[i].Pace.Interval
		c.Verdict, c.Suspect = t.Verdict(), t.Suspect()
		c.Last, c.Next = m.Times(t)
		for _, class := range monitor.Classes {
			c.Counts[class] = t.Count(class)
		}
	}
	return all
}
