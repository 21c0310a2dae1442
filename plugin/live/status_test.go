package live

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// metricNames are the words of the tests for metrics.
var metricNames = [MetricCount]string{
	BackendUp: "backend_up", BackendState: "backend_state", BackendHeldDown: "backend_held_down", CertificateExpiry: "expiry",
	BackendOverride: "backend_override", OverrideEnds: "override_ends",
	FirstAnswersTotal: "first_answers_total", TransitionsTotal: "transitions_total", ProbesTotal: "probes_total",
	PoolBackends: "pool_backends", PoolAllDown: "pool_all_down", InsecureCheck: "insecure", AnswersTotal: "answers_total",
	NearestUnlocatedTotal: "unlocated_total", SignedAddressesTotal: "signed_addresses_total", SignedTargetsTotal: "signed_targets_total",
	DryRunAddressesTotal: "dry_run_addresses_total", DryRunTargetsTotal: "dry_run_targets_total",
	FilteredAddressesTotal: "filtered_addresses_total", FilteredTargetsTotal: "filtered_targets_total",
}

// A gallery is a Registry whose status is asked for.
type gallery struct {
	*Registry
	most  int // series
	block *Block
}

func newGallery(tb testing.TB) *gallery {
	tb.Helper()
	g := &gallery{Registry: New(new(recorder)), most: 20_000}
	tb.Cleanup(func() {
		if g.block != nil {
			g.Stop(g.block)
		}
	})
	return g
}

// load starts the stanzas in text in place of those before.
func (g *gallery) load(tb testing.TB, text string) *Block {
	tb.Helper()
	before := g.block
	g.block = newBlock(tb, text, passes)
	g.Start(g.block)
	if before != nil {
		g.Stop(before)
	}
	return g.block
}

// series returns the series as "metric pool values", and how many there are.
func (g *gallery) series(tb testing.TB) (all map[string]float64, n int) {
	tb.Helper()
	s := g.Status(g.most)
	all = map[string]float64{"aggregated": float64(s.Aggregated)}
	for _, one := range s.Series {
		key := strings.Join(append([]string{metricNames[one.Metric], one.Pool + one.Filter}, one.Values...), " ")
		if _, twice := all[key]; twice {
			tb.Errorf("series %s is there twice", key)
		}
		all[key] = one.Value
	}
	return all, len(s.Series)
}

// hit counts answers of the names from n to m, each as often as given.
func hit(b *Block, n, m, times int) {
	byName := make(map[string]*Pool, len(b.Pools))
	for i := range b.Pools {
		byName[b.Pools[i].Name] = &b.Pools[i]
	}
	for i := n; i < m; i++ {
		answer(byName[fmt.Sprintf("n%d.example.org.", i)], times)
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
func TestSeriesOfManyNamesAreBounded(t *testing.T) {
	most, asked, blocks := 19_900, 30_000, map[string]string{
		"one stanza":            manyNames(1, 100_000, 0, 3),
		"stanzas of a hundred":  manyNames(1000, 100, 0, 3),
		"stanzas of few":        manyNames(6000, 5, 0, 2),
		"a stanza each":         manyNames(30_000, 1, 0, 1),
		"some each, some large": manyNames(5000, 1, 0, 1) + manyNames(90, 1000, 5000, 3),
	}
	if testing.Short() {
		most, asked, blocks = maxOfBackends+maxOfStanzas+1000, 12_000, map[string]string{
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
				g := newGallery(t)
				g.most = most
				h := g.load(t, block)
				// The first result of each backend adds series: then no more are added
				// between two scrapes, and no more pools are counted together.
				time.Sleep(10 * time.Second)
				synctest.Wait()
				hit(h, 0, asked, 1)
				all, n := g.series(t)
				if n > most {
					t.Errorf("%d series, want at most %d", n, most)
				}
				if got := sumOf(all, "answers_total "); got != float64(asked) {
					t.Errorf("%v answers are counted, want %d", got, asked)
				}
				if got := all["aggregated"]; got == 0 || got > float64(len(h.Pools)) {
					t.Errorf("%v pools are aggregated, of %d", got, len(h.Pools))
				}
				hit(h, 0, 100, 3)
				before, grown := all, 0.0
				all, _ = g.series(t)
				for name, v := range all {
					if strings.HasPrefix(name, "answers_total ") {
						grown += v - before[name]
					}
				}
				if grown != 300 {
					t.Errorf("answers have grown by %v after 300 more", grown)
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
	g.most = 21*5 + 1 + len(totals{}) + 25
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
			if !strings.Contains(name, "_total ") || strings.HasPrefix(name, "probes_total") {
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
	step("a few", func() { hit(h, 0, 5, 10) }, 50)
	if before["aggregated"] != 0 || before["answers_total n3.example.org. served"] != 10 {
		t.Errorf("a few names have no series of their own: %v", before)
	}
	step("too many of a stanza", func() { hit(h, 0, 30, 2) }, 60)
	if got := before["answers_total n0.example.org. served"]; got != 10+60 || before["aggregated"] != 30 {
		t.Errorf("%v for the first name and %v aggregated, want 70 and 30: its own ten, and what came since", got, before["aggregated"])
	}
	step("more of them", func() { hit(h, 10, 30, 1) }, 20)
	step("nothing", func() {}, 0)
	step("too many stanzas", func() { hit(h, 30, 50, 1) }, 20)
	if before["answers_total others served"] == 0 {
		t.Errorf("nothing is counted under others: %v", before)
	}
	step("a reload", func() { h = g.load(t, block) }, 0)
	step("traffic after it", func() { hit(h, 0, 50, 1) }, 50)
	step("names that go", func() { h = g.load(t, stanzas(10)) }, 0)
	step("traffic without them", func() { hit(h, 0, 10, 1) }, 10)
}

// Names of one stanza have the same backends, and the same series of them.
func TestNamesOfAStanzaShareTheSeriesOfBackends(t *testing.T) {
	g := newGallery(t)
	h := g.load(t, strings.ReplaceAll(manyNames(1, 50, 0, 2), "check tcp://:1", ""))
	hit(h, 0, 3, 2)
	all, _ := g.series(t)
	for name, want := range map[string]float64{
		"pool_all_down n0.example.org.":                    0,
		"pool_backends n0.example.org. up":                 2,
		"backend_up n0.example.org. 127.0.0.1":             1,
		"answers_total n2.example.org. served":             2,
		"transitions_total n0.example.org. 127.0.0.2 down": 0,
		"aggregated": 0,
	} {
		if v, ok := all[name]; !ok || v != want {
			t.Errorf("%s = %v (there: %t), want %v", name, v, ok, want)
		}
	}
	if got := sumOf(all, "first_answers_total "); got != 6 {
		t.Errorf("%v first answers, want those of all names: 6", got)
	}
	for name := range all {
		if strings.Contains(name, " n1.") && !strings.HasPrefix(name, "answers_total") || strings.Contains(name, " n3.") {
			t.Errorf("%s: a series that says nothing new", name)
		}
	}
}

// What stanzas have counted that were shown as others stays there when they leave:
// Prometheus would take all that is left for new traffic.
func TestOthersDoNotGoBackWhenStanzasLeave(t *testing.T) {
	g := newGallery(t)
	g.most = 20*5 + 1 + len(totals{}) + 5
	stanzas := func(n int) string { return strings.ReplaceAll(manyNames(n, 1, 0, 1), "check tcp://:1", "") }
	const others = "answers_total others served"
	h := g.load(t, stanzas(20))
	hit(h, 0, 20, 10)
	g.series(t)
	hit(h, 0, 20, 10)
	before, _ := g.series(t)
	if before[others] == 0 {
		t.Fatalf("nothing is counted under others: %v", before)
	}
	g.load(t, stanzas(2))
	if after, _ := g.series(t); after[others] != before[others] {
		t.Errorf("went from %v to %v", before[others], after[others])
	}
	h = g.load(t, stanzas(20))
	hit(h, 10, 20, 1)
	if after, _ := g.series(t); after[others] < before[others] || after[others] > before[others]+10 {
		t.Errorf("went from %v to %v", before[others], after[others])
	}
}

// BenchmarkStatus is what a scrape costs with 100,000 names, of which 30,000 are
// asked for.
func BenchmarkStatus(b *testing.B) {
	for what, text := range map[string]string{
		"stanzas=1000": manyNames(1000, 100, 0, 3), "stanzas=100000": manyNames(100_000, 1, 0, 1),
	} {
		b.Run(what, func(b *testing.B) {
			g := newGallery(b)
			hit(g.load(b, text), 0, 30_000, 1)
			for b.Loop() {
				g.Status(g.most)
			}
		})
	}
}
