package rrhealth

import (
	"maps"
	"net/netip"
	"slices"

	"github.com/coredns/coredns/plugin"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/rrhealth/rrhealth/plugin/monitor"
	"github.com/rrhealth/rrhealth/plugin/pool"
	"github.com/rrhealth/rrhealth/plugin/verdict"
)

// Metrics of the process. They have no series that can outlive what they are
// about but probeDuration, whose are deleted when a check is gone.
var (
	probeDuration = promauto.NewHistogramVec(prometheus.HistogramOpts{
		Namespace: plugin.Namespace, Subsystem: pluginName, Name: "probe_duration_seconds",
		Buckets: plugin.TimeBuckets, NativeHistogramBucketFactor: plugin.NativeHistogramBucketFactor,
		Help: "Histogram of the time that probes took.",
	}, []string{"check"})
	localFaults = promauto.NewCounterVec(prometheus.CounterOpts{
		Namespace: plugin.Namespace, Subsystem: pluginName, Name: "probe_local_faults_total",
		Help: "Counter of probes that count for nothing because of a fault of our own.",
	}, []string{"reason"})
	probesLate = promauto.NewCounter(prometheus.CounterOpts{
		Namespace: plugin.Namespace, Subsystem: pluginName, Name: "probes_late_total",
		Help: "Counter of probes that started more than 200 ms after they were due.",
	})
	unwatchedAddresses = promauto.NewCounter(prometheus.CounterOpts{
		Namespace: plugin.Namespace, Subsystem: pluginName, Name: "unwatched_addresses_total",
		Help: "Counter of sightings of addresses that are not watched because too many others are.",
	})
)

// Metrics of pools and backends. They are read from the live pools at each
// scrape, so that series go when their pool goes, whatever way it went.
var (
	backendUp        = desc("backend_up", "Whether the backend is up (1), or down or unknown (0).", "pool", "backend")
	backendState     = desc("backend_state", "1 for the state that the backend is in, 0 for the others.", "pool", "backend", "state")
	poolBackends     = desc("pool_backends", "Number of backends of the pool in the state.", "pool", "state")
	poolAllDown      = desc("pool_all_down", "Whether every backend of the pool is down (1) or not (0).", "pool")
	probesTotal      = desc("probes_total", "Counter of probes by result: pass, fail, or fault (our own).", "pool", "backend", "check", "result")
	transitions      = desc("transitions_total", "Counter of changes of the backend's state.", "pool", "backend", "to")
	answersTotal     = desc("answers_total", "Counter of answers for the pool's addresses by outcome.", "pool", "outcome")
	firstAnswers     = desc("first_answers_total", "Counter of answers in which the backend came first.", "pool", "backend")
	filteredRecords  = desc("filtered_records_total", "Counter of addresses, those in hints included, that were left out of other plugins' answers because they are down, and of SRV, HTTPS and SVCB records whose target is.", "zone")
	signedRecords    = desc("signed_records_total", "Counter of addresses, and of SRV, HTTPS and SVCB records, that had to stay in answers because another key has signed them.", "zone")
	shadowRecords    = desc("shadow_records_total", "Counter of addresses that would have been left out of answers, were it not for shadow.", "zone")
	watchedAddresses = desc("watched_addresses", "Number of addresses that are watched because other plugins answer them.")
	certExpiry       = desc("certificate_expiry_timestamp_seconds", "When the first certificate that the backend shows to a check expires, in Unix time.", "pool", "backend")
	insecureCheck    = desc("check_insecure", "1 for a check that does not verify the certificate.", "pool", "check")
	backendHeld      = desc("backend_held", "Whether the backend is up, but held back by hold or failback (1), or not (0).", "pool", "backend")
	placeless        = desc("placeless_answers_total", "Counter of answers under policy nearest to clients whose place is not known: they are rotated.", "pool")

	collected = []*prometheus.Desc{backendUp, backendState, poolBackends, poolAllDown, probesTotal, transitions, answersTotal, firstAnswers, certExpiry, insecureCheck, backendHeld, placeless, filteredRecords, signedRecords, shadowRecords, watchedAddresses}
)

// maxBackendSeries is how many backends have series of their own. Beyond it
// there are those of the pools only: a hundred thousand full sets are a scrape
// of 128 MB.
const maxBackendSeries = 1000

func init() { prometheus.MustRegister(collector{live}) }

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(prometheus.BuildFQName(plugin.Namespace, pluginName, name), help, labels, nil)
}

// A collector shows the live pools to Prometheus.
type collector struct{ registry *registry }

// Describe implements prometheus.Collector.
func (c collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range collected {
		ch <- d
	}
}

// Collect implements prometheus.Collector. Pools of one name, in several
// server blocks or views, are shown as one.
func (c collector) Collect(ch chan<- prometheus.Metric) {
	c.registry.mu.Lock()
	defer c.registry.mu.Unlock()
	byName := make(map[string]*exhibit)
	shadow := make(map[string]uint64) // addresses that it left in answers, by zone
	signed := make(map[string]uint64) // and those that signatures left there
	for key, rec := range c.registry.records {
		e := byName[key.pool]
		if e == nil {
			e = &exhibit{name: key.pool, backends: make(map[netip.Addr]*backendExhibit)}
			byName[key.pool] = e
		}
		e.add(rec)
		if rec.latest.shadow {
			shadow[key.pool] += rec.shadow.Load()
		}
		if n := rec.latest.signed.Load(); n > 0 { // hardly ever
			signed[key.pool] += n
		}
	}
	c.registry.collectFilters(ch, shadow, signed)
	for name, n := range shadow {
		ch <- counter(shadowRecords, n, name)
	}
	for name, n := range signed {
		ch <- counter(signedRecords, n, name)
	}
	room := maxBackendSeries
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		e := byName[name]
		e.collectPool(ch)
		if room -= len(e.backends); room >= 0 {
			e.collectBackends(ch)
		}
	}
}

// An exhibit is what is shown of the pools of one name.
type exhibit struct {
	name      string
	allDown   bool
	nearest   bool // the policy
	placeless uint64
	answers   [pool.OutcomeCount]uint64
	insecure  map[string]bool // checks, by label
	backends  map[netip.Addr]*backendExhibit
}

type backendExhibit struct {
	state       verdict.State
	patient     bool // may be held at all
	held        bool
	first       uint64
	transitions [len(verdict.States)]uint64
	checks      map[string][]*monitor.Target // by label
	expires     int64                        // of its first certificate, 0 for none
}

// add adds the pool that rec is about.
func (e *exhibit) add(rec *record) {
	p := rec.latest
	s := p.state()
	e.allDown = e.allDown || s.AllDown
	e.nearest = e.nearest || p.Policy == pool.Nearest
	e.placeless += rec.placeless.Load()
	for o := range rec.answers {
		e.answers[o] += rec.answers[o].Load()
	}
	for _, c := range p.checks {
		if e.insecure == nil {
			e.insecure = make(map[string]bool)
		}
		e.insecure[c.probe.Label] = e.insecure[c.probe.Label] || c.probe.Insecure
	}
	for i, b := range p.Backends {
		shown := e.backends[b.Addr]
		if shown == nil {
			shown = &backendExhibit{state: s.Health[i].State, checks: make(map[string][]*monitor.Target)}
			e.backends[b.Addr] = shown
		}
		shown.state = verdict.All(shown.state, s.Health[i].State)
		shown.patient = shown.patient || p.Patience != (pool.Patience{})
		shown.held = shown.held || s.Health[i].Held
		counted := p.tally(i)
		shown.first += counted.first.Load()
		for to := range counted.changes {
			shown.transitions[to] += uint64(counted.changes[to].Load())
		}
		m := &p.members[i]
		for j, t := range m.targets {
			shown.expires = earlier(shown.expires, m.expires[j])
			label := p.checks[j].probe.Label
			if !slices.Contains(shown.checks[label], t) {
				shown.checks[label] = append(shown.checks[label], t)
			}
		}
	}
}

func (e *exhibit) collectPool(ch chan<- prometheus.Metric) {
	var states [len(verdict.States)]int
	for _, b := range e.backends {
		states[b.state]++
	}
	for _, s := range verdict.States {
		ch <- gauge(poolBackends, float64(states[s]), e.name, s.String())
	}
	ch <- gauge(poolAllDown, boolean(e.allDown), e.name)
	for o, n := range e.answers {
		ch <- counter(answersTotal, n, e.name, pool.Outcome(o).String())
	}
	if e.nearest {
		ch <- counter(placeless, e.placeless, e.name)
	}
	for label, insecure := range e.insecure {
		if insecure {
			ch <- gauge(insecureCheck, 1, e.name, label)
		}
	}
}

func (e *exhibit) collectBackends(ch chan<- prometheus.Metric) {
	for addr, b := range e.backends {
		backend := addr.String()
		ch <- gauge(backendUp, boolean(b.state == verdict.Up), e.name, backend)
		ch <- counter(firstAnswers, b.first, e.name, backend)
		if b.patient {
			ch <- gauge(backendHeld, boolean(b.held), e.name, backend)
		}
		if b.expires != 0 {
			ch <- gauge(certExpiry, float64(b.expires), e.name, backend)
		}
		for _, s := range verdict.States {
			ch <- gauge(backendState, boolean(b.state == s), e.name, backend, s.String())
			ch <- counter(transitions, b.transitions[s], e.name, backend, s.String())
		}
		for label, targets := range b.checks {
			for _, o := range monitor.Outcomes {
				var n uint64
				for _, t := range targets {
					n += t.Count(o)
				}
				ch <- counter(probesTotal, n, e.name, backend, label, o.String())
			}
		}
	}
}

func gauge(d *prometheus.Desc, v float64, labels ...string) prometheus.Metric {
	return prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}

func counter(d *prometheus.Desc, n uint64, labels ...string) prometheus.Metric {
	return prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
}

func boolean(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// countProbe counts a probe in the metrics of the process.
func countProbe(r monitor.Result, duration prometheus.Observer) {
	if r.Late() {
		probesLate.Inc()
	}
	if r.Outcome == monitor.Fault {
		localFaults.WithLabelValues(r.Fault).Inc()
	}
	duration.Observe(r.Duration.Seconds())
}

// forgetDurations deletes the series of checks that are gone.
func forgetDurations(gone []check, used map[string]bool) {
	for _, c := range gone {
		if !used[c.probe.Label] {
			probeDuration.DeleteLabelValues(c.probe.Label)
		}
	}
}
