package rrhealth

import (
	"strings"
	"testing"

	"github.com/rrhealth/rrhealth/internal/harness"
)

// No cache that is known stands above us in a build that starts, so one is made
// of a plugin that does.
func TestACacheAboveUsIsWarnedOf(t *testing.T) {
	known := caches
	defer func() { caches = known }()
	caches = []string{"cache", "loadbalance"}
	for policy, want := range map[string]int{"sticky": 1, "rotate": 0} {
		out := harness.CaptureLog(t)
		harness.Start(t, harness.Corefile("cache\nloadbalance\nrrhealth www.example.org {\nbackend 192.0.2.1 192.0.2.2\npolicy "+policy+"\n}"))
		if got := strings.Count(out(), "loadbalance stands above rrhealth and hands the answers that policy sticky of www.example.org. means for one client to all"); got != want {
			t.Errorf("%s: warned %d times, want %d: %s", policy, got, want, out())
		}
	}
}
