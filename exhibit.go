package rrhealth

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rrhealth/rrhealth/plugin/monitor"
	"github.com/rrhealth/rrhealth/plugin/pool"
	"github.com/rrhealth/rrhealth/plugin/verdict"
)

// How many series there are is bounded, since CoreDNS's metrics server gives up
// after five seconds, and then all metrics are lost, those of others included.
const (
	// maxSeries is how many series the process has of us at the most.
	maxSeries = 20_000
	// maxBackendSeries is how many backends have series of their own. Beyond
	// it, and beyond maxOfBackends series, there are those of the stanzas only.
	maxBackendSeries = 1000
	maxOfBackends    = 7000
	// maxOfStanzas is how many series say how stanzas are, but for the last.
	maxOfStanzas = 3000
	// maxDurations is how many checks have a histogram of their own, which is
	// seriesOfDuration series.
	maxDurations     = 200
	seriesOfDuration = 22
	// maxOfProcess is how many series are about the process as a whole.
	maxOfProcess = 50
	// others is the label of what has no series of its own.
	others = "others"
)

// An exhibit is what is shown of the stanzas with one key: usually one stanza.
// Server blocks for a zone and its parent may have several.
type exhibit struct {
	key      seriesKey // with the first NAME
	pools    []*served
	allDown  bool
	nearest  bool            // the policy
	insecure map[string]bool // checks, by label
	backends map[netip.Addr]*backendExhibit
}

type backendExhibit struct {
	state       verdict.State
	patient     bool // may be held down at all
	heldDown    bool
	first       uint64
	transitions [len(verdict.States)]uint64
	checks      map[string][]*monitor.Target // by label
	expires     int64                        // of its first certificate, 0 for none
}

// exhibition returns all metrics of pools and filters.
func (r *registry) exhibition() (all []prometheus.Metric) {
	r.mu.Lock()
	defer r.mu.Unlock()
	exhibits := r.exhibits()
	all = append(ofBackends(exhibits), ofStanzas(exhibits)...)
	if len(r.filters) > 0 {
		all = append(all, gauge(watchedAddresses, float64(r.watchedCount.Load())))
	}
	histograms := min(len(r.checkLabels()), maxDurations) + 1
	counted, aggregated := r.counted(exhibits, r.maxSeries-len(all)-maxOfProcess-histograms*seriesOfDuration)
	return append(append(all, counted...), gauge(aggregatedPools, float64(aggregated)), counter(watchRejected, r.watchRejected.Load()))
}

// exhibits returns what is shown, in the order of the names.
func (r *registry) exhibits() []*exhibit {
	byKey := make(map[seriesKey]*exhibit)
	for h := range r.handlers {
		for _, b := range h.bundles {
			first := b.pools[0]
			if first.record.latest != first {
				continue // a successor goes on with what is counted
			}
			key := h.key(first.Name)
			e := byKey[key]
			if e == nil {
				e = &exhibit{key: key, backends: make(map[netip.Addr]*backendExhibit, len(b.members))}
				byKey[key] = e
			}
			e.add(b, r.left[key])
		}
	}
	all := make([]*exhibit, 0, len(byKey))
	for _, e := range byKey {
		all = append(all, e)
	}
	slices.SortFunc(all, func(a, b *exhibit) int {
		return cmp.Or(strings.Compare(a.key.pool, b.key.pool), strings.Compare(a.key.server, b.key.server), strings.Compare(a.key.view, b.key.view))
	})
	return all
}

// add adds a stanza. What its pools count is added up later, except for first
// answers, to which belong those of pools that have left it.
func (e *exhibit) add(b *bundle, left *leavings) {
	from := len(e.pools)
	for _, p := range b.pools {
		if p.record.latest == p {
			e.pools = append(e.pools, p)
		}
	}
	e.nearest = e.nearest || b.config.Policy == pool.Nearest
	for _, c := range b.checks {
		if e.insecure == nil {
			e.insecure = make(map[string]bool)
		}
		e.insecure[c.probe.Label] = e.insecure[c.probe.Label] || c.probe.Insecure
	}
	for i, backend := range b.config.Backends {
		e.backend(backend.Addr, left).add(b, i, e.pools[from:])
	}
	for _, p := range e.pools[from:] {
		if e.allDown = e.allDown || p.state().AllDown; !b.patient() {
			break // they share it
		}
	}
}

// backend returns what is shown of a backend.
func (e *exhibit) backend(addr netip.Addr, left *leavings) *backendExhibit {
	shown := e.backends[addr]
	if shown == nil {
		shown = &backendExhibit{state: verdict.Up}
		if left != nil {
			shown.first = left.firsts[addr]
		}
		e.backends[addr] = shown
	}
	return shown
}

// add adds the ith backend of a stanza, of which pools are shown.
func (e *backendExhibit) add(b *bundle, i int, pools []*served) {
	e.patient = e.patient || b.patient()
	for n, p := range pools {
		counted := p.tally(i)
		e.first += counted.first.Load()
		if n > 0 && !b.patient() {
			continue // the rest they share
		}
		health := p.state().Health[i]
		e.state = verdict.All(e.state, health.State)
		e.heldDown = e.heldDown || health.HeldDown
		if n > 0 {
			continue
		}
		for to := range counted.changes {
			e.transitions[to] += uint64(counted.changes[to].Load())
		}
	}
	m := &b.members[i]
	for j, t := range m.targets {
		e.expires = earlier(e.expires, m.expires[j])
		label := b.checks[j].probe.Label
		if e.checks == nil {
			e.checks = make(map[string][]*monitor.Target)
		}
		if !slices.Contains(e.checks[label], t) {
			e.checks[label] = append(e.checks[label], t)
		}
	}
}

// ofBackends returns the metrics of as many backends as there is room for.
func ofBackends(exhibits []*exhibit) (all []prometheus.Metric) {
	room := maxBackendSeries
	for _, e := range exhibits {
		if len(e.backends) > room {
			continue // a smaller one may fit
		}
		room -= len(e.backends)
		if more := e.ofBackends(); len(all)+len(more) <= maxOfBackends {
			all = append(all, more...)
		}
	}
	return all
}

// ofBackends returns the metrics of e's backends. A counter at zero is left out,
// except for that of going down, which rate() is to see from zero on.
func (e *exhibit) ofBackends() (all []prometheus.Metric) {
	for addr, b := range e.backends {
		backend := addr.String()
		all = append(all, e.key.gauge(backendUp, boolean(b.state == verdict.Up), backend), e.key.gauge(backendState, 1, backend, b.state.String()))
		if b.first > 0 {
			all = append(all, e.key.counter(firstAnswers, b.first, backend))
		}
		if b.patient {
			all = append(all, e.key.gauge(backendHeldDown, boolean(b.heldDown), backend))
		}
		if b.expires != 0 {
			all = append(all, e.key.gauge(certExpiry, float64(b.expires), backend))
		}
		for _, s := range verdict.States {
			if n := b.transitions[s]; n > 0 || s == verdict.Down {
				all = append(all, e.key.counter(transitions, n, backend, s.String()))
			}
		}
		for label, targets := range b.checks {
			for _, o := range monitor.Classes {
				var n uint64
				for _, t := range targets {
					n += t.Count(o)
				}
				if n > 0 {
					all = append(all, e.key.counter(probesTotal, n, backend, label, o.String()))
				}
			}
		}
	}
	return all
}

// ofStanzas returns the metrics that say how stanzas are. Those for which there
// is no room are shown as one.
func ofStanzas(exhibits []*exhibit) (all []prometheus.Metric) {
	rest := &exhibit{key: seriesKey{pool: others}}
	var states [len(verdict.States)]int
	for _, e := range exhibits {
		if len(all) < maxOfStanzas {
			all = append(all, e.ofStanza(e.states())...)
			continue
		}
		rest.pools, rest.allDown = e.pools, rest.allDown || e.allDown
		for s, n := range e.states() {
			states[s] += n
		}
	}
	if rest.pools != nil {
		all = append(all, rest.ofStanza(states)...)
	}
	return all
}

// states returns how many backends are in each state.
func (e *exhibit) states() (states [len(verdict.States)]int) {
	for _, b := range e.backends {
		states[b.state]++
	}
	return states
}

// ofStanza returns the metrics of e itself. That none is up is said, not left
// out: alarms compare it.
func (e *exhibit) ofStanza(states [len(verdict.States)]int) (all []prometheus.Metric) {
	for _, s := range verdict.States {
		if states[s] > 0 || s == verdict.Up {
			all = append(all, e.key.gauge(poolBackends, float64(states[s]), s.String()))
		}
	}
	all = append(all, e.key.gauge(poolAllDown, boolean(e.allDown)))
	for label, insecure := range e.insecure {
		if insecure {
			all = append(all, e.key.gauge(insecureCheck, 1, label))
		}
	}
	return all
}
