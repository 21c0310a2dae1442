package rrhealth

import (
	"fmt"
	"strings"
	"testing"

	"github.com/rrhealth/rrhealth/internal/harness"
	"github.com/rrhealth/rrhealth/plugin/live"
	"github.com/rrhealth/rrhealth/plugin/pool"
)

// A pool that is too large to be shown backend by backend takes nothing from the
// others, and names of one stanza, which share their backends, are no more of them.
func TestALargePoolLeavesTheSeriesOfOthers(t *testing.T) {
	var b strings.Builder
	b.WriteString("rrhealth big.example.org {\nbackend")
	for i := range live.MaxBackendSeries + 1 {
		fmt.Fprintf(&b, " 10.0.%d.%d", i/250, i%250)
	}
	b.WriteString("\n}\nrrhealth")
	for i := range live.MaxBackendSeries {
		fmt.Fprintf(&b, " n%d.example.org", i)
	}
	b.WriteString(" {\nbackend 192.0.2.1 192.0.2.2\n}\n")
	logged := harness.CaptureLog(t)
	harness.Start(t, harness.Corefile(b.String()))
	shown := 0
	for name := range harness.Series(t) {
		if strings.HasPrefix(name, "backend_up{") {
			shown++
		}
	}
	if shown != 2 {
		t.Errorf("%d backends shown, want the two of the small pool", shown)
	}
	if want := fmt.Sprintf("has %d backends", live.MaxBackendSeries+3); !strings.Contains(logged(), want) {
		t.Errorf("log %q, want %q in it", logged(), want)
	}
}

// What stanzas have counted that were shown as others stays there when they leave:
// Prometheus would take all that is left for new traffic.
func TestOthersDoNotGoBackWhenStanzasLeave(t *testing.T) {
	g := newGallery(t)
	g.collector.most = maxOfProcess + seriesOfDuration + 20*5 + 1 + (pool.OutcomeCount + 7) + 5
	stanzas := func(n int) string { return strings.ReplaceAll(manyNames(n, 1, 0, 1), "check tcp://:1", "") }
	const others = "answers_total{outcome=served,pool=others}"
	h := g.load(t, stanzas(20))
	hit(t, h, 0, 20, 10)
	g.series(t)
	hit(t, h, 0, 20, 10)
	before, _ := g.series(t)
	if before[others] == 0 {
		t.Fatalf("nothing is counted under others: %v", before)
	}
	g.load(t, stanzas(2))
	if after, _ := g.series(t); after[others] != before[others] {
		t.Errorf("went from %v to %v", before[others], after[others])
	}
	h = g.load(t, stanzas(20))
	hit(t, h, 10, 20, 1)
	if after, _ := g.series(t); after[others] < before[others] || after[others] > before[others]+10 {
		t.Errorf("went from %v to %v", before[others], after[others])
	}
}
