package live

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"

	"github.com/rrhealth/rrhealth/plugin/monitor"
	"github.com/rrhealth/rrhealth/plugin/verdict"
)

// A Status is a copy of what metrics show.
type Status struct {
	Series     []Series
	Aggregated int    // pools whose answers are counted together with those of others
	Filters    bool   // there are filters
	Watched    int64  // addresses that are watched
	Rejected   uint64 // times that an address was not watched, as too many others are
}

// Status returns the status of the blocks that are started, with at most the given
// number of series. It waits for Start and Stop; the monitor's loop and queries
// do not wait for it.
func (r *Registry) Status(most int) Status {
	l := &r.ledger
	l.mu.Lock()
	defer l.mu.Unlock()
	stanzas := l.stanzas()
	s := Status{
		Series:  slices.Concat(ofBackends(stanzas), l.ofOverrides(r.overrides.Load()), ofStanzas(stanzas)),
		Filters: len(l.watchCounts) > 0, Watched: r.watching.Load(), Rejected: r.watchRejected.Load(),
	}
	room := most - len(s.Series)
	if s.Filters {
		room--
	}
	counted, aggregated := l.counted(stanzas, room)
	s.Series, s.Aggregated = append(s.Series, counted...), aggregated
	return s
}

// A stanzaStatus is the status of the stanzas with the same labels: usually one.
// Server blocks for a zone and its parent may have several.
type stanzaStatus struct {
	labels   Labels // with the first NAME
	pools    []*Pool
	allDown  bool
	insecure map[string]bool // checks, by label
	backends map[netip.Addr]*backendStatus
}

type backendStatus struct {
	state       verdict.State
	patient     bool // it may be held down at all
	heldDown    bool
	first       uint64
	transitions [len(verdict.States)]uint64
	checks      map[string][]*monitor.Target // by label
	expires     int64                        // of its first certificate, 0 for none
}

// stanzas returns the status of all stanzas, in the order of their names.
func (l *ledger) stanzas() []*stanzaStatus {
	byLabels := make(map[Labels]*stanzaStatus)
	for _, b := range l.blocks {
		for _, stanza := range b.Stanzas {
			first := stanza.Pools[0]
			if first.counters.latest != first {
				continue // a later block continues with its counters
			}
			labels := b.labels(first.Name)
			s := byLabels[labels]
			if s == nil {
				s = &stanzaStatus{labels: labels, backends: make(map[netip.Addr]*backendStatus, len(stanza.members))}
				byLabels[labels] = s
			}
			s.add(stanza, l.left[labels])
		}
	}
	all := make([]*stanzaStatus, 0, len(byLabels))
	for _, s := range byLabels {
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b *stanzaStatus) int {
		return cmp.Or(strings.Compare(a.labels.Pool, b.labels.Pool), strings.Compare(a.labels.Server, b.labels.Server), strings.Compare(a.labels.View, b.labels.View))
	})
	return all
}

// add adds stanza. The totals of its pools are added up later, but not their
// first answers. Those of pools that have left the stanza are among them.
func (s *stanzaStatus) add(stanza *Stanza, left *leavings) {
	from := len(s.pools)
	for _, p := range stanza.Pools {
		if p.counters.latest == p {
			s.pools = append(s.pools, p)
		}
	}
	for _, c := range stanza.Checks {
		if s.insecure == nil {
			s.insecure = make(map[string]bool)
		}
		s.insecure[c.Probe.Label] = s.insecure[c.Probe.Label] || c.Probe.Insecure
	}
	for i, backend := range stanza.config.Backends {
		s.backend(backend.Addr, left).add(stanza, i, s.pools[from:])
	}
	for _, p := range s.pools[from:] {
		if s.allDown = s.allDown || p.state().AllDown; !stanza.patient() {
			break // they share it
		}
	}
}

// backend returns the status of the backend addr.
func (s *stanzaStatus) backend(addr netip.Addr, left *leavings) *backendStatus {
	b := s.backends[addr]
	if b == nil {
		b = &backendStatus{state: verdict.Up}
		if left != nil {
			b.first = left.firsts[addr]
		}
		s.backends[addr] = b
	}
	return b
}

// add adds the ith backend of stanza, as pools have it.
func (b *backendStatus) add(stanza *Stanza, i int, pools []*Pool) {
	b.patient = b.patient || stanza.patient()
	for n, p := range pools {
		counted := p.tally(i)
		b.first += counted.first.Load()
		if n > 0 && !stanza.patient() {
			continue // they share the rest
		}
		health := p.state().Health[i]
		b.state = verdict.All(b.state, health.State)
		b.heldDown = b.heldDown || health.HeldDown
		if n > 0 {
			continue
		}
		for to := range counted.changes {
			b.transitions[to] += uint64(counted.changes[to].Load())
		}
	}
	m := &stanza.members[i]
	for j, t := range m.targets {
		b.expires = earlier(b.expires, m.expires[j])
		label := stanza.Checks[j].Probe.Label
		if b.checks == nil {
			b.checks = make(map[string][]*monitor.Target)
		}
		if !slices.Contains(b.checks[label], t) {
			b.checks[label] = append(b.checks[label], t)
		}
	}
}

// probes returns how many probes by the check with that label had results of
// class c.
func (b *backendStatus) probes(label string, c monitor.Class) (n uint64) {
	for _, t := range b.checks[label] {
		n += t.Count(c)
	}
	return n
}

// states returns how many backends are in each state.
func (s *stanzaStatus) states() (states [len(verdict.States)]int) {
	for _, b := range s.backends {
		states[b.state]++
	}
	return states
}
