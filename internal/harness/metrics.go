package harness

import (
	"bytes"
	"io"
	stdlog "log"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// Series returns what Prometheus would scrape of rrhealth: "name{label=value,...}"
// to value, without the prefix coredns_rrhealth_ and the labels server and view.
func Series(t testing.TB) map[string]float64 {
	t.Helper()
	all := make(map[string]float64)
	for _, f := range families(t) {
		name, ours := strings.CutPrefix(f.GetName(), "coredns_rrhealth_")
		if !ours {
			continue
		}
		for _, m := range f.GetMetric() {
			if _, twice := all[name+Labels(m)]; twice {
				t.Errorf("several series %s%s: ask for server and view", name, Labels(m))
			}
			all[name+Labels(m)] = Value(m)
		}
	}
	return all
}

// Labels returns the labels of m as Series has them.
func Labels(m *dto.Metric) string {
	var words []string
	for _, l := range m.GetLabel() {
		if n := l.GetName(); n != "server" && n != "view" && l.GetValue() != "" {
			words = append(words, n+"="+l.GetValue())
		}
	}
	if words == nil {
		return ""
	}
	return "{" + strings.Join(words, ",") + "}"
}

// Value returns the value of m; of a histogram it is the number of samples.
func Value(m *dto.Metric) float64 {
	switch {
	case m.GetGauge() != nil:
		return m.GetGauge().GetValue()
	case m.GetHistogram() != nil:
		return float64(m.GetHistogram().GetSampleCount())
	default:
		return m.GetCounter().GetValue()
	}
}

// Metric returns the sum over all series of the metric with these labels, given
// as name and value in turn. The name is the whole one, of any plugin.
func Metric(t testing.TB, name string, labels ...string) float64 {
	t.Helper()
	sum := 0.0
	for _, v := range MetricValues(t, name, labels...) {
		sum += v
	}
	return sum
}

// MetricValues returns the value of each series that Metric adds up.
func MetricValues(t testing.TB, name string, labels ...string) []float64 {
	t.Helper()
	var values []float64
	for _, f := range families(t) {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			if hasLabels(m, labels) {
				values = append(values, m.GetCounter().GetValue()+m.GetGauge().GetValue())
			}
		}
	}
	return values
}

func hasLabels(m *dto.Metric, want []string) bool {
	has := make(map[string]string)
	for _, l := range m.GetLabel() {
		has[l.GetName()] = l.GetValue()
	}
	for i := 0; i < len(want); i += 2 {
		if has[want[i]] != want[i+1] {
			return false
		}
	}
	return true
}

func families(t testing.TB) []*dto.MetricFamily {
	t.Helper()
	all, err := prometheus.DefaultGatherer.Gather()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// CaptureLog collects what is logged from now on, until the test ends. The
// function that it returns returns all of it.
func CaptureLog(t testing.TB) func() string {
	t.Helper()
	var l lines
	stdlog.SetOutput(&l)
	t.Cleanup(func() { stdlog.SetOutput(io.Discard) })
	return l.text
}

// lines is what has been logged, by any goroutine.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}
