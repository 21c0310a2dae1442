package rrhealth

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coredns/caddy"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/rrhealth/rrhealth/internal/harness"
	"github.com/rrhealth/rrhealth/plugin/pool"
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

// A scrape that takes too long costs the server all metrics, those of others
// included. Small, the bound is as little as leaves names room beside backends
// and stanzas.
func TestMetricsOfManyNamesAreBounded(t *testing.T) {
	most, asked, blocks := maxSeries, 30_000, map[string]string{
		"one stanza":            manyNames(1, 100_000, 0, 3),
		"stanzas of a hundred":  manyNames(1000, 100, 0, 3),
		"stanzas of few":        manyNames(6000, 5, 0, 2),
		"a stanza each":         manyNames(30_000, 1, 0, 1),
		"some each, some large": manyNames(5000, 1, 0, 1) + manyNames(90, 1000, 5000, 3),
	}
	if raceEnabled || testing.Short() {
		most, asked, blocks = 11_000, 12_000, map[string]string{
			"one stanza":            manyNames(1, 12_000, 0, 3),
			"stanzas of thirty":     manyNames(400, 30, 0, 3),
			"stanzas of few":        manyNames(2400, 5, 0, 2),
			"a stanza each":         manyNames(12_000, 1, 0, 1),
			"some each, some large": manyNames(2000, 1, 0, 1) + manyNames(20, 500, 2000, 3),
		}
	}
	for what, block := range blocks {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				logged := harness.CaptureLog(t)
				g := newGallery(t)
				g.collector.most = most
				h := g.load(t, block)
				// The first result of each backend adds series: then no more are added
				// between two scrapes, and no more pools are counted together.
				time.Sleep(10 * time.Second)
				synctest.Wait()
				hit(t, h, 0, asked, 1)
				all, n := g.series(t)
				if n > most {
					t.Errorf("%d series, want at most %d", n, most)
				}
				if got := sumOf(all, "answers_total{"); got != float64(asked) {
					t.Errorf("%v answers are counted, want %d", got, asked)
				}
				if got := all["aggregated_pools"]; got == 0 || got > float64(len(h.pools)) {
					t.Errorf("%v pools are aggregated, of %d", got, len(h.pools))
				}
				hit(t, h, 0, 100, 3)
				before, grown := all, 0.0
				all, _ = g.series(t)
				for name, v := range all {
					if strings.HasPrefix(name, "answers_total{") {
						grown += v - before[name]
					}
				}
				if grown != 300 {
					t.Errorf("answers have grown by %v after 300 more", grown)
				}
				if got := strings.Count(logged(), "are counted by stanza"); got != 1 {
					t.Errorf("%d warnings, want 1:\n%s", got, logged())
				}
			})
		})
	}
}

func sumOf(all map[string]float64, prefix string) (sum float64) {
	for name, v := range all {
		if strings.HasPrefix(name, prefix) {
			sum += v
		}
	}
	return sum
}

// Prometheus takes a counter that goes back for one that began anew, and one
// that leaps for traffic.
func TestCountersNeitherGoBackNorLeapWhenPoolsAreAggregated(t *testing.T) {
	g := newGallery(t)
	// Five for each of 21 stanzas with one backend, and one for each that was asked
	// for, leave room for 25 names, and in the end for less.
	g.collector.most = maxOfProcess + seriesOfDuration + 21*5 + 1 + (pool.OutcomeCount + 7) + 25
	stanzas := func(names int) string {
		return strings.ReplaceAll(manyNames(1, names, 0, 1)+manyNames(20, 1, 30, 1), "check tcp://:1", "")
	}
	block := stanzas(30)
	h := g.load(t, block)
	before, _ := g.series(t)
	step := func(what string, change func(), traffic float64) {
		t.Helper()
		change()
		after, _ := g.series(t)
		grown := 0.0
		for name, v := range after {
			if !strings.Contains(name, "_total{") || strings.HasPrefix(name, "probes_total") {
				continue
			}
			if v < before[name] {
				t.Errorf("%s: %s went from %v to %v", what, name, before[name], v)
			}
			if was, ok := before[name]; ok && strings.HasPrefix(name, "answers_total") {
				grown += v - was
			} else if strings.HasPrefix(name, "answers_total") {
				grown += v
			}
		}
		if grown != traffic {
			t.Errorf("%s: answers have grown by %v, want %v", what, grown, traffic)
		}
		before = after
	}
	step("a few", func() { hit(t, h, 0, 5, 10) }, 50)
	if before["aggregated_pools"] != 0 || before["answers_total{outcome=served,pool=n3.example.org.}"] != 10 {
		t.Errorf("a few names have no series of their own: %v", before)
	}
	step("too many of a stanza", func() { hit(t, h, 0, 30, 2) }, 60)
	if got := before["answers_total{outcome=served,pool=n0.example.org.}"]; got != 10+60 || before["aggregated_pools"] != 30 {
		t.Errorf("%v for the first name and %v aggregated, want 70 and 30: its own ten, and what came since", got, before["aggregated_pools"])
	}
	step("more of them", func() { hit(t, h, 10, 30, 1) }, 20)
	step("nothing", func() {}, 0)
	step("too many stanzas", func() { hit(t, h, 30, 50, 1) }, 20)
	if before["answers_total{outcome=served,pool=others}"] == 0 {
		t.Errorf("nothing is counted under others: %v", before)
	}
	step("a reload", func() { h = g.load(t, block) }, 0)
	step("traffic after it", func() { hit(t, h, 0, 50, 1) }, 50)
	step("names that go", func() { h = g.load(t, stanzas(10)) }, 0)
	step("traffic without them", func() { hit(t, h, 0, 10, 1) }, 10)
}

// Names of one stanza have the same backends, and the same series of them.
func TestNamesOfAStanzaShareTheSeriesOfBackends(t *testing.T) {
	g := newGallery(t)
	h := g.load(t, strings.ReplaceAll(manyNames(1, 50, 0, 2), "check tcp://:1", ""))
	hit(t, h, 0, 3, 2)
	all, _ := g.series(t)
	for name, want := range map[string]float64{
		"pool_all_down{pool=n0.example.org.}":                               0,
		"pool_backends{pool=n0.example.org.,state=up}":                      2,
		"backend_up{backend=127.0.0.1,pool=n0.example.org.}":                1,
		"answers_total{outcome=served,pool=n2.example.org.}":                2,
		"transitions_total{backend=127.0.0.2,pool=n0.example.org.,to=down}": 0,
		"aggregated_pools": 0,
	} {
		if v, ok := all[name]; !ok || v != want {
			t.Errorf("%s = %v (there: %t), want %v", name, v, ok, want)
		}
	}
	if got := sumOf(all, "first_answers_total{"); got != 6 {
		t.Errorf("%v first answers, want those of all names: 6", got)
	}
	for name := range all {
		if strings.Contains(name, "pool=n1.") && !strings.HasPrefix(name, "answers_total") || strings.Contains(name, "pool=n3.") {
			t.Errorf("%s: a series that says nothing new", name)
		}
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
