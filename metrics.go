package rrhealth

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coredns/coredns/plugin"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/rrhealth/rrhealth/plugin/config"

	"github.com/rrhealth/rrhealth/plugin/live"
)

// Metrics of the process that are counted where things happen. Only the series of
// probeDuration can outlive what they are about: durations deletes them.
var (
	probeDuration = promauto.NewHistogramVec(prometheus.HistogramOpts{
		Namespace: plugin.Namespace, Subsystem: pluginName, Name: "probe_duration_seconds",
		Buckets: plugin.TimeBuckets, NativeHistogramBucketFactor: plugin.NativeHistogramBucketFactor,
		Help: "Histogram of the time that probes took.",
	}, []string{"check"})
	localErrors = promauto.NewCounterVec(prometheus.CounterOpts{
		Namespace: plugin.Namespace, Subsystem: pluginName, Name: "probe_local_errors_total",
		Help: "Counter of probes that count for nothing because of a local error.",
	}, []string{"reason"})
	probesLate = promauto.NewCounter(prometheus.CounterOpts{
		Namespace: plugin.Namespace, Subsystem: pluginName, Name: "probes_late_total",
		Help: "Counter of probes that started more than 200 ms after they were due.",
	})
	fastPathAnswers = promauto.NewCounter(prometheus.CounterOpts{
		Namespace: plugin.Namespace, Subsystem: pluginName, Name: "fast_path_answers_total",
		Help: "Counter of answers of pools and filters that were written as bytes, without a message.",
	})
)

// Metrics of pools, filters and backends. They are read at each scrape, so series
// disappear with their pool, however it goes.
var (
	metrics = [live.MetricCount]*prometheus.Desc{
		live.BackendUp:              ofPool("backend_up", "Whether the backend is up (1), or down or unknown (0).", "backend"),
		live.BackendState:           ofPool("backend_state", "1 for the state that the backend is in.", "backend", "state"),
		live.BackendHeldDown:        ofPool("backend_held_down", "Whether the backend is up, but held down by hold_down or failback (1), or not (0).", "backend"),
		live.CertificateExpiry:      ofPool("certificate_expiry_timestamp_seconds", "When the first certificate that the backend shows to a check expires, in Unix time.", "backend"),
		live.BackendOverride:        ofPoolOrFilter("backend_override", "1 for what an operator has set for the backend: drain, down, up or weight.", "backend", "set"),
		live.OverrideEnds:           ofPoolOrFilter("override_ends_timestamp_seconds", "When what an operator has set for the backend ends, in Unix time.", "backend", "set"),
		live.FirstAnswersTotal:      ofPool("first_answers_total", "Counter of answers in which the backend came first.", "backend"),
		live.TransitionsTotal:       ofPool("transitions_total", "Counter of changes of the backend's state.", "backend", "to"),
		live.ProbesTotal:            ofPool("probes_total", "Counter of probes by result: pass, fail, or error (a local error).", "backend", "check", "result"),
		live.PoolBackends:           ofPool("pool_backends", "Number of backends of the pool in the state.", "state"),
		live.PoolAllDown:            ofPool("pool_all_down", "Whether every backend of the pool is down (1) or not (0)."),
		live.InsecureCheck:          ofPool("check_insecure", "1 for a check that does not verify the certificate.", "check"),
		live.AnswersTotal:           ofPool("answers_total", "Counter of answers for the pool's addresses by outcome.", "outcome"),
		live.NearestUnlocatedTotal:  ofPool("nearest_unlocated_answers_total", "Counter of answers under policy nearest to clients whose location is not known: they are rotated."),
		live.SignedAddressesTotal:   ofPoolOrFilter("signed_addresses_total", "Counter of addresses, those in hints included, that had to stay in answers because another key has signed them."),
		live.SignedTargetsTotal:     ofPoolOrFilter("signed_targets_total", "Counter of SRV, HTTPS and SVCB records that had to stay in answers because another key has signed them."),
		live.DryRunAddressesTotal:   ofPoolOrFilter("dry_run_addresses_total", "Counter of addresses that would have been left out of answers, were it not for dry_run."),
		live.DryRunTargetsTotal:     ofPoolOrFilter("dry_run_targets_total", "Counter of SRV, HTTPS and SVCB records that would have been left out of answers, were it not for dry_run."),
		live.FilteredAddressesTotal: ofFilter("filtered_addresses_total", "Counter of addresses, those in hints included, that a filter left out of other plugins' answers because they are down."),
		live.FilteredTargetsTotal:   ofFilter("filtered_targets_total", "Counter of SRV, HTTPS and SVCB records that a filter left out of other plugins' answers because their target is down."),
	}
	watchedAddresses = desc("watched_addresses", "Number of addresses that are watched because other plugins answer them.")
	watchRejected    = desc("watch_rejected_total", "Counter of addresses, each time that they are found, that are not watched because too many others are.")
	overridesInForce = desc("overrides", "Number of overrides that operators have set.")
	stateSaved       = desc("state_saved_timestamp_seconds", "When the state was saved last, in Unix time; 0 for never.")
	stateErrors      = desc("state_errors_total", "Counter of times that the state could not be saved, or its directory not be used.")
	aggregatedPools  = desc("aggregated_pools", "Number of pools whose answers are counted together with those of others, as there would be too many series.")
)

// The number of series is bounded: see live.MaxBackendSeries.
const (
	// maxSeries is how many series of rrhealth the process has at the most.
	maxSeries = 20_000
	// maxDurations is how many checks have a histogram of their own, which is
	// seriesOfDuration series.
	maxDurations     = 200
	seriesOfDuration = 22
	// maxOfProcess is how many series are about the process as a whole.
	maxOfProcess = 50
	// otherChecks is the label of the checks without a histogram of their own.
	otherChecks = "others"
)

func init() { prometheus.MustRegister(&collector{lifecycle: process, most: maxSeries}) }

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(prometheus.BuildFQName(plugin.Namespace, pluginName, name), help, labels, nil)
}

// ofPool describes a metric of pools. labels are those that only it has.
func ofPool(name, help string, labels ...string) *prometheus.Desc {
	return desc(name, help, slices.Concat([]string{"server", "pool"}, labels, []string{"view"})...)
}

// ofFilter describes a metric of filters.
func ofFilter(name, help string) *prometheus.Desc {
	return desc(name, help, "server", "filter", "view")
}

// ofPoolOrFilter describes a metric of both. labels are those that only it has.
func ofPoolOrFilter(name, help string, labels ...string) *prometheus.Desc {
	return desc(name, help, slices.Concat([]string{"server", "pool", "filter"}, labels, []string{"view"})...)
}

// A collector shows pools, filters and backends to Prometheus.
type collector struct {
	*lifecycle
	most   int         // series
	warned atomic.Bool // that pools are counted together
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range append(metrics[:], watchedAddresses, watchRejected, overridesInForce, stateSaved, stateErrors, aggregatedPools) {
		ch <- d
	}
}

// Collect implements prometheus.Collector. It waits for reloads; no query waits
// for it.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	s := c.live.Status(c.most - maxOfProcess - seriesOfDuration*(1+c.histograms()))
	for i := range s.Series {
		ch <- metric(&s.Series[i])
	}
	if s.Filters {
		ch <- prometheus.MustNewConstMetric(watchedAddresses, prometheus.GaugeValue, float64(s.Watched))
	}
	ch <- prometheus.MustNewConstMetric(watchRejected, prometheus.CounterValue, float64(s.Rejected))
	c.collectOperations(ch)
	ch <- prometheus.MustNewConstMetric(aggregatedPools, prometheus.GaugeValue, float64(s.Aggregated))
	if s.Aggregated > 0 && !c.warned.Swap(true) {
		log.Warningf("more than %d series of metrics: pools are counted by stanza, under its first NAME, or under %q (metric aggregated_pools)", c.most, "others")
	}
}

// collectOperations shows what operators have set and how it is kept.
func (c *collector) collectOperations(ch chan<- prometheus.Metric) {
	n := c.operations.Numbers()
	ch <- prometheus.MustNewConstMetric(overridesInForce, prometheus.GaugeValue, float64(n.Overrides))
	if !n.Kept {
		return
	}
	saved := 0.0
	if !n.Saved.IsZero() {
		saved = float64(n.Saved.UnixMilli()) / 1000
	}
	ch <- prometheus.MustNewConstMetric(stateSaved, prometheus.GaugeValue, saved)
	ch <- prometheus.MustNewConstMetric(stateErrors, prometheus.CounterValue, float64(n.SaveErrors))
}

// histograms returns how many checks have a histogram of their own.
func (c *collector) histograms() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return min(len(c.checkLabels()), maxDurations)
}

// metric returns s as Prometheus has it.
func metric(s *live.Series) prometheus.Metric {
	kind := prometheus.GaugeValue
	switch s.Metric {
	case live.BackendUp, live.BackendState, live.BackendHeldDown, live.CertificateExpiry, live.BackendOverride, live.OverrideEnds, live.PoolBackends, live.PoolAllDown, live.InsecureCheck:
	default:
		kind = prometheus.CounterValue
	}
	var labels []string
	switch s.Metric {
	case live.FilteredAddressesTotal, live.FilteredTargetsTotal:
		labels = []string{s.Server, s.Filter, s.View}
	case live.SignedAddressesTotal, live.SignedTargetsTotal, live.DryRunAddressesTotal, live.DryRunTargetsTotal:
		labels = []string{s.Server, s.Pool, s.Filter, s.View}
	case live.BackendOverride, live.OverrideEnds:
		labels = slices.Concat([]string{s.Server, s.Pool, s.Filter}, s.Values, []string{s.View})
	default:
		labels = slices.Concat([]string{s.Server, s.Pool}, s.Values, []string{s.View})
	}
	return prometheus.MustNewConstMetric(metrics[s.Metric], kind, s.Value, labels...)
}

// durations are the histograms of the durations of probes, by the label of the
// check. The lifecycle adds and removes them, the monitor's loop observes.
type durations struct {
	mu  sync.Mutex // guards the next line
	own map[string]prometheus.Observer
}

// add makes the histograms of checks, so that they begin with no probe.
func (d *durations) add(checks []config.Check) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range checks {
		d.of(c.Probe.Label)
	}
}

// observe adds a probe by the check with that label.
func (d *durations) observe(label string, took time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.of(label).Observe(took.Seconds())
}

// of returns the histogram of a check. Beyond maxDurations checks, all others
// share one: a histogram is some twenty series. d.mu is held.
func (d *durations) of(label string) prometheus.Observer {
	if o := d.own[label]; o != nil {
		return o
	}
	if len(d.own) >= maxDurations {
		return probeDuration.WithLabelValues(otherChecks)
	}
	if d.own == nil {
		d.own = make(map[string]prometheus.Observer)
	}
	d.own[label] = probeDuration.WithLabelValues(label)
	return d.own[label]
}

// keep deletes the histograms of checks that are not in use.
func (d *durations) keep(used map[string]bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for label := range d.own {
		if !used[label] {
			delete(d.own, label)
			probeDuration.DeleteLabelValues(label)
		}
	}
	if len(d.own) == 0 {
		probeDuration.DeleteLabelValues(otherChecks)
	}
}

// checkLabels returns the labels of all checks in use. l.mu is held.
func (l *lifecycle) checkLabels() map[string]bool {
	labels := make(map[string]bool)
	for h := range l.handlers {
		for c := range h.block.Checks() {
			labels[c.Probe.Label] = true
		}
	}
	return labels
}
