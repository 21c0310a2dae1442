package rrhealth

import (
	"fmt"
	"strings"
	"testing"

	"github.com/coredns/caddy"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/rrhealth/rrhealth/internal/harness"
)

// A gallery is a registry of its own with its metrics.
type gallery struct {
	*lifecycle
	collector *collector
	gatherer  *prometheus.Registry
	handlers  []*RRHealth
}

func newGallery(tb testing.TB) *gallery {
	tb.Helper()
	g := &gallery{lifecycle: newLifecycle(), gatherer: prometheus.NewRegistry()}
	g.collector = &collector{lifecycle: g.lifecycle, most: maxSeries}
	g.gatherer.MustRegister(g.collector)
	tb.Cleanup(func() {
		for _, h := range g.handlers {
			g.stop(h)
		}
	})
	return g
}

// load loads a Corefile's block in the place of the one before.
func (g *gallery) load(tb testing.TB, block string) *RRHealth {
	tb.Helper()
	c := caddy.NewTestController("dns", block)
	c.ServerBlockKeys = []string{"example.org."}
	stanzas, err := parse(c, "")
	if err != nil {
		tb.Fatal(err)
	}
	for i := range stanzas {
		for j := range stanzas[i].Checks {
			stanzas[i].Checks[j].Probe.Probe = passes
		}
	}
	h := newHandler(c.ServerBlockKeys, stanzas)
	h.instance, h.block.Identity = new(instance), "block"
	g.start(h)
	for _, before := range g.handlers {
		g.stop(before)
	}
	g.handlers = []*RRHealth{h}
	return h
}

// series returns what is gathered, and how many series Prometheus stores of it.
func (g *gallery) series(tb testing.TB) (all map[string]float64, n int) {
	tb.Helper()
	families, err := g.gatherer.Gather()
	if err != nil {
		tb.Fatal(err)
	}
	all = make(map[string]float64)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			all[strings.TrimPrefix(f.GetName(), "coredns_rrhealth_")+harness.Labels(m)] = harness.Value(m)
			n += seriesOf(m)
		}
	}
	return all, n
}

func seriesOf(m *dto.Metric) int {
	if h := m.GetHistogram(); h != nil {
		return len(h.GetBucket()) + 3 // the last bucket, sum and count
	}
	return 1
}

// hit has h asked for the names from n to m, each as often as given.
func hit(tb testing.TB, h *RRHealth, n, m, times int) {
	tb.Helper()
	for i := n; i < m; i++ {
		for range times {
			if _, err := h.ServeDNS(tb.Context(), nullWriter{}, query(fmt.Sprintf("n%d.example.org.", i))); err != nil {
				tb.Fatal(err)
			}
		}
	}
}

// manyNames returns stanzas of so many names each, with the backends of each.
func manyNames(stanzas, names, from, backends int) string {
	var b strings.Builder
	for i := range stanzas {
		b.WriteString("rrhealth")
		for j := range names {
			fmt.Fprintf(&b, " n%d.example.org", from+i*names+j)
		}
		b.WriteString(" {\nbackend")
		for j := range backends {
			fmt.Fprintf(&b, " 127.%d.%d.%d", (from+i)/250%250, (from+i)%250, j+1)
		}
		b.WriteString("\ncheck tcp://:1\n}\n")
	}
	return b.String()
}

// Where there is no room for a series of each pool, one log line reports it.
func TestTheLogSaysOnceThatPoolsAreCountedTogether(t *testing.T) {
	logged := harness.CaptureLog(t)
	g := newGallery(t)
	g.collector.most = maxOfProcess + 2*seriesOfDuration + 60
	h := g.load(t, manyNames(1, 100, 0, 3))
	hit(t, h, 0, 100, 1)
	for range 2 {
		all, n := g.series(t)
		if n > g.collector.most || all["aggregated_pools"] != 100 || all["answers_total{outcome=served,pool=n0.example.org.}"] != 100 {
			t.Errorf("%d series: %v", n, all)
		}
	}
	if got := strings.Count(logged(), "are counted by stanza"); got != 1 {
		t.Errorf("%d warnings, want 1:\n%s", got, logged())
	}
}

// BenchmarkScrape is what a scrape costs with 100,000 names, of which 30,000 are
// asked for.
func BenchmarkScrape(b *testing.B) {
	for what, block := range map[string]string{
		"stanzas=1000": manyNames(1000, 100, 0, 3), "stanzas=100000": manyNames(100_000, 1, 0, 1),
	} {
		b.Run(what, func(b *testing.B) {
			g := newGallery(b)
			h := g.load(b, block)
			hit(b, h, 0, 30_000, 1)
			for b.Loop() {
				if _, err := g.gatherer.Gather(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
