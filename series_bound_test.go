package rrhealth

import (
	"fmt"
	"strings"
	"testing"

	"github.com/rrhealth/rrhealth/internal/harness"
	"github.com/rrhealth/rrhealth/plugin/live"
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
