package rrhealth

import (
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
	unwatchedAddresses = promauto.NewCounter(prometheus.CounterOpts{
		Namespace: plugin.Namespace, Subsystem: pluginName, Name: "unwatched_addresses_total",
		Help: "Counter of sightings of addresses that are not watched because too many others are.",
	})
)

// Metrics of pools and backends. They are read from the live pools at each
// scrape, so that series go when their pool goes, whatever way it went.
var (
	backendUp        = desc("backend_up", "Whether the backend is up (1), or down or unknown (0).", "pool", "backend")
	backendState     = desc("backend_state", "1 for the state that the backend is in.", "pool", "backend", "state")
	poolBackends     = desc("pool_backends", "Number of backends of the pool in the state.", "pool", "state")
	poolAllDown      = desc("pool_all_down", "Whether every backend of the pool is down (1) or not (0).", "pool")
	probesTotal      = desc("probes_total", "Counter of probes by result: pass, fail, or error (a local error).", "pool", "backend", "check", "result")
	transitions      = desc("transitions_total", "Counter of changes of the backend's state.", "pool", "backend", "to")
	answersTotal     = desc("answers_total", "Counter of answers for the pool's addresses by outcome.", "pool", "outcome")
	firstAnswers     = desc("first_answers_total", "Counter of answers in which the backend came first.", "pool", "backend")
	filteredRecords  = desc("filtered_records_total", "Counter of addresses, those in hints included, that were left out of other plugins' answers because they are down, and of SRV, HTTPS and SVCB records whose target is.", "zone")
	signedRecords    = desc("signed_records_total", "Counter of addresses, and of SRV, HTTPS and SVCB records, that had to stay in answers because another key has signed them.", "zone")
	shadowRecords    = desc("shadow_records_total", "Counter of addresses that would have been left out of answers, were it not for dry_run.", "zone")
	watchedAddresses = desc("watched_addresses", "Number of addresses that are watched because other plugins answer them.")
	certExpiry       = desc("certificate_expiry_timestamp_seconds", "When the first certificate that the backend shows to a check expires, in Unix time.", "pool", "backend")
	insecureCheck    = desc("check_insecure", "1 for a check that does not verify the certificate.", "pool", "check")
	backendHeld      = desc("backend_held", "Whether the backend is up, but held back by hold_down or failback (1), or not (0).", "pool", "backend")
	aggregatedPools  = desc("aggregated_pools", "Number of pools whose answers are counted together with those of others, as there would be too many series.")
	placeless        = desc("placeless_answers_total", "Counter of answers under policy nearest to clients whose place is not known: they are rotated.", "pool")

	collected = []*prometheus.Desc{backendUp, backendState, poolBackends, poolAllDown, probesTotal, transitions, answersTotal, firstAnswers, certExpiry, insecureCheck, backendHeld, placeless, filteredRecords, signedRecords, shadowRecords, watchedAddresses, aggregatedPools}
)

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
	if r.Outcome == monitor.LocalError {
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
