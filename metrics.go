package rrhealth

import (
	"slices"

	"github.com/coredns/coredns/plugin"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/rrhealth/rrhealth/plugin/monitor"
)

// Metrics of the process. They have no series that can outlive what they are
// about but probeDuration, whose are deleted when a check is gone.
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
)

// Metrics of pools and backends. They are read from the live pools at each
// scrape, so that series go when their pool goes, whatever way it went.
var (
	backendUp         = ofPool("backend_up", "Whether the backend is up (1), or down or unknown (0).", "backend")
	backendState      = ofPool("backend_state", "1 for the state that the backend is in.", "backend", "state")
	poolBackends      = ofPool("pool_backends", "Number of backends of the pool in the state.", "state")
	poolAllDown       = ofPool("pool_all_down", "Whether every backend of the pool is down (1) or not (0).")
	probesTotal       = ofPool("probes_total", "Counter of probes by result: pass, fail, or error (a local error).", "backend", "check", "result")
	transitions       = ofPool("transitions_total", "Counter of changes of the backend's state.", "backend", "to")
	answersTotal      = ofPool("answers_total", "Counter of answers for the pool's addresses by outcome.", "outcome")
	firstAnswers      = ofPool("first_answers_total", "Counter of answers in which the backend came first.", "backend")
	certExpiry        = ofPool("certificate_expiry_timestamp_seconds", "When the first certificate that the backend shows to a check expires, in Unix time.", "backend")
	insecureCheck     = ofPool("check_insecure", "1 for a check that does not verify the certificate.", "check")
	backendHeldDown   = ofPool("backend_held_down", "Whether the backend is up, but held down by hold_down or failback (1), or not (0).", "backend")
	nearestUnlocated  = ofPool("nearest_unlocated_answers_total", "Counter of answers under policy nearest to clients whose location is not known: they are rotated.")
	filteredAddresses = desc("filtered_addresses_total", "Counter of addresses, those in hints included, that a filter left out of other plugins' answers because they are down.", "server", "filter", "view")
	filteredTargets   = desc("filtered_targets_total", "Counter of SRV, HTTPS and SVCB records that a filter left out of other plugins' answers because their target is down.", "server", "filter", "view")
	signedAddresses   = ofPoolOrFilter("signed_addresses_total", "Counter of addresses, those in hints included, that had to stay in answers because another key has signed them.")
	signedTargets     = ofPoolOrFilter("signed_targets_total", "Counter of SRV, HTTPS and SVCB records that had to stay in answers because another key has signed them.")
	dryRunAddresses   = ofPoolOrFilter("dry_run_addresses_total", "Counter of addresses that would have been left out of answers, were it not for dry_run.")
	dryRunTargets     = ofPoolOrFilter("dry_run_targets_total", "Counter of SRV, HTTPS and SVCB records that would have been left out of answers, were it not for dry_run.")
	watchedAddresses  = desc("watched_addresses", "Number of addresses that are watched because other plugins answer them.")
	watchRejected     = desc("watch_rejected_total", "Counter of addresses, each time that they are found, that are not watched because too many others are.")
	aggregatedPools   = desc("aggregated_pools", "Number of pools whose answers are counted together with those of others, as there would be too many series.")

	collected = []*prometheus.Desc{
		backendUp, backendState, poolBackends, poolAllDown, probesTotal, transitions, answersTotal, firstAnswers, certExpiry, insecureCheck, backendHeldDown, nearestUnlocated,
		filteredAddresses, filteredTargets, signedAddresses, signedTargets, dryRunAddresses, dryRunTargets, watchedAddresses, watchRejected, aggregatedPools,
	}
)

func init() { prometheus.MustRegister(collector{live}) }

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(prometheus.BuildFQName(plugin.Namespace, pluginName, name), help, labels, nil)
}

// ofPool describes a metric of pools, with the labels of all of them.
func ofPool(name, help string, labels ...string) *prometheus.Desc {
	return desc(name, help, slices.Concat([]string{"server", "pool"}, labels, []string{"view"})...)
}

// ofPoolOrFilter describes a metric that pools and filters have. One of the
// labels pool and filter is empty, which to Prometheus is the same as absent.
func ofPoolOrFilter(name, help string) *prometheus.Desc {
	return desc(name, help, "server", "pool", "filter", "view")
}

// A seriesKey says whose series a metric is: that of a pool or of a filter, by
// name, in the server blocks that listen on the same addresses with the same
// view.
type seriesKey struct{ server, view, pool, filter string }

// key returns the key of h's pool with the given name.
func (h *RRHealth) key(pool string) seriesKey {
	return seriesKey{server: h.server, view: h.view, pool: pool}
}

// gauge returns a metric of a pool.
func (k seriesKey) gauge(d *prometheus.Desc, v float64, labels ...string) prometheus.Metric {
	return gauge(d, v, slices.Concat([]string{k.server, k.pool}, labels, []string{k.view})...)
}

// counter returns a metric of a pool.
func (k seriesKey) counter(d *prometheus.Desc, n uint64, labels ...string) prometheus.Metric {
	return counter(d, n, slices.Concat([]string{k.server, k.pool}, labels, []string{k.view})...)
}

// A collector shows the live pools to Prometheus.
type collector struct{ registry *registry }

// Describe implements prometheus.Collector.
func (c collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range collected {
		ch <- d
	}
}

// Collect implements prometheus.Collector. It waits for reloads, and no query
// waits for it.
func (c collector) Collect(ch chan<- prometheus.Metric) {
	for _, m := range c.registry.exhibition() {
		ch <- m
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
	if r.Class == monitor.LocalError {
		localErrors.WithLabelValues(r.LocalError).Inc()
	}
	duration.Observe(r.Duration.Seconds())
}

// durations returns where the time is observed that probes of a check take.
// Beyond maxDurations checks it is one place for all others: a histogram is
// some twenty series. It runs on the monitor's loop.
func (r *registry) durations(label string) prometheus.Observer {
	if len(r.timed) >= maxDurations && !r.timed[label] {
		label = others
	} else {
		r.timed[label] = true
	}
	return probeDuration.WithLabelValues(label)
}

// forgetDurations deletes the series of checks that are gone. It runs on the
// monitor's loop.
func (r *registry) forgetDurations(used map[string]bool) {
	for label := range r.timed {
		if !used[label] {
			delete(r.timed, label)
			probeDuration.DeleteLabelValues(label)
		}
	}
	if len(r.timed) == 0 {
		probeDuration.DeleteLabelValues(others)
	}
}
