package live

import (
	"github.com/rrhealth/rrhealth/plugin/monitor"
	"github.com/rrhealth/rrhealth/plugin/verdict"
)

// The number of series is bounded, since CoreDNS's metrics server gives up after
// five seconds: then all metrics are lost, those of other plugins included.
const (
	// MaxBackendSeries is how many backends have series of their own. Beyond it,
	// and beyond maxOfBackends series, there are only those of their stanzas.
	MaxBackendSeries = 1000
	maxOfBackends    = 7000
	// maxOfStanzas is how many series are about single stanzas. All others share
	// those labeled others.
	maxOfStanzas = 3000
	// others is the label of what has no series of its own.
	others = "others"
)

// A Metric is what a Series is about. All but those with a word in parentheses are
// of pools; the words are the Values of their series.
type Metric uint8

// The metrics. Counters end in Total.
const (
	BackendUp              Metric = iota // 1 if up, else 0 (backend)
	BackendState                         // 1 (backend, state)
	BackendHeldDown                      // 1 or 0, for pools in which backends can be (backend)
	CertificateExpiry                    // in Unix seconds (backend)
	BackendOverride                      // 1; of pools and filters (backend, set)
	OverrideEnds                         // in Unix seconds; of pools and filters (backend, set)
	FirstAnswersTotal                    // (backend)
	TransitionsTotal                     // (backend, state)
	ProbesTotal                          // (backend, check, class)
	PoolBackends                         // (state)
	PoolAllDown                          // 1 or 0
	InsecureCheck                        // 1 (check)
	AnswersTotal                         // (outcome)
	NearestUnlocatedTotal                //
	SignedAddressesTotal                 // of pools and filters
	SignedTargetsTotal                   // of pools and filters
	DryRunAddressesTotal                 // of pools and filters
	DryRunTargetsTotal                   // of pools and filters
	FilteredAddressesTotal               // of filters
	FilteredTargetsTotal                 // of filters
	MetricCount            = iota
)

// Labels are the labels that series of pools and filters have in common. The pool
// or filter "others" stands for those without series of their own.
type Labels struct {
	Server, View string // of the Block
	Pool, Filter string // one of them is empty
}

// A Series is a metric with labels, and its value.
type Series struct {
	Metric Metric
	Labels
	Values []string // of the labels that only Metric has
	Value  float64
}

func (l Labels) gauge(m Metric, v float64, values ...string) Series { return Series{m, l, values, v} }

func (l Labels) count(m Metric, n uint64, values ...string) Series {
	return Series{m, l, values, float64(n)}
}

func (l Labels) boolean(m Metric, b bool, values ...string) Series {
	if b {
		return Series{m, l, values, 1}
	}
	return Series{m, l, values, 0}
}

// ofBackends returns the series of as many backends as there is room for.
func ofBackends(stanzas []*stanzaStatus) (all []Series) {
	room := MaxBackendSeries
	for _, s := range stanzas {
		if len(s.backends) > room {
			continue // a smaller one may fit
		}
		room -= len(s.backends)
		if more := s.ofBackends(); len(all)+len(more) <= maxOfBackends {
			all = append(all, more...)
		}
	}
	return all
}

// ofBackends returns the series of s's backends.
func (s *stanzaStatus) ofBackends() (all []Series) {
	for addr, b := range s.backends {
		all = append(all, b.series(s.labels, addr.String())...)
	}
	return all
}

// series returns the series of b. A counter at zero is left out, except for that
// of going down, so that rate() has a zero to begin with.
func (b *backendStatus) series(l Labels, backend string) []Series {
	all := []Series{l.boolean(BackendUp, b.state == verdict.Up, backend), l.gauge(BackendState, 1, backend, b.state.String())}
	if b.first > 0 {
		all = append(all, l.count(FirstAnswersTotal, b.first, backend))
	}
	if b.patient {
		all = append(all, l.boolean(BackendHeldDown, b.heldDown, backend))
	}
	if b.expires != 0 {
		all = append(all, l.gauge(CertificateExpiry, float64(b.expires), backend))
	}
	for _, s := range verdict.States {
		if n := b.transitions[s]; n > 0 || s == verdict.Down {
			all = append(all, l.count(TransitionsTotal, n, backend, s.String()))
		}
	}
	for label := range b.checks {
		for _, c := range monitor.Classes {
			if n := b.probes(label, c); n > 0 {
				all = append(all, l.count(ProbesTotal, n, backend, label, c.String()))
			}
		}
	}
	return all
}

// ofStanzas returns the series about the states of stanzas. Those for which there
// is no room are counted as one.
func ofStanzas(stanzas []*stanzaStatus) (all []Series) {
	rest := &stanzaStatus{labels: toOthers}
	var states [len(verdict.States)]int
	for _, s := range stanzas {
		if len(all) < maxOfStanzas {
			all = append(all, s.ofStanza(s.states())...)
			continue
		}
		rest.pools, rest.allDown = s.pools, rest.allDown || s.allDown
		for state, n := range s.states() {
			states[state] += n
		}
	}
	if rest.pools != nil {
		all = append(all, rest.ofStanza(states)...)
	}
	return all
}

// ofStanza returns the series about s itself. If no backend is up, there is a
// series that says so: alerts compare it.
func (s *stanzaStatus) ofStanza(states [len(verdict.States)]int) (all []Series) {
	for _, state := range verdict.States {
		if states[state] > 0 || state == verdict.Up {
			all = append(all, s.labels.gauge(PoolBackends, float64(states[state]), state.String()))
		}
	}
	all = append(all, s.labels.boolean(PoolAllDown, s.allDown))
	for label, insecure := range s.insecure {
		if insecure {
			all = append(all, s.labels.gauge(InsecureCheck, 1, label))
		}
	}
	return all
}
