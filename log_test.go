package rrhealth

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/rrhealth/rrhealth/internal/harness"
	"github.com/rrhealth/rrhealth/plugin/live"
	"github.com/rrhealth/rrhealth/plugin/verdict"
)

// The lines are for grep: the same words at the same places.
func TestTheLinesOfTransitions(t *testing.T) {
	const name = "www.example.org."
	addr := netip.MustParseAddr("192.0.2.1")
	for want, transition := range map[string]live.Transition{
		"backend 192.0.2.1 of www.example.org. is up (2 in a row)":                                   {To: verdict.Up, Streak: 2},
		"backend 192.0.2.1 of www.example.org. and 3 more is down: refused (1 in a row)":             {To: verdict.Down, Err: errors.New("refused"), Streak: 1, More: 3},
		"backend 192.0.2.1 of www.example.org. is unknown: stale, answered as before: dry_run":       {To: verdict.Unknown, Err: errors.New("stale"), DryRun: true},
		"backend 192.0.2.1 below www.example.org. is down: refused (3 in a row)":                     {To: verdict.Down, Err: errors.New("refused"), Streak: 3, Watched: true},
		"backend 192.0.2.1 of www.example.org. is held down for 20s: it failed 2 times within 10m0s": {Hold: live.HeldDown, For: 20 * time.Second, Falls: 2},
		"backend 192.0.2.1 of www.example.org. is held down until its tier takes over again":         {Hold: live.HeldDown},
		"backend 192.0.2.1 of www.example.org. is no longer held down":                               {Hold: live.Released},
	} {
		logged := harness.CaptureLog(t)
		transition.Name, transition.Addr = name, addr
		(&observer{changed: func() {}}).Changed([]live.Transition{transition})
		if got := logged(); !strings.HasSuffix(got, "plugin/rrhealth: "+want+"\n") {
			t.Errorf("logged %q, want %q", got, want)
		}
	}
}
