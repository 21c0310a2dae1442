package monitor

import (
	"context"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/rrhealth/rrhealth/plugin/verdict"
)

// bound is the longest time from a target's failure to the verdict down, for a
// target whose failures take d: up to an interval until it is probed, fall-1
// waits that are fast or, when that is longer, the failed probe itself (there
// is one in flight at most), and the last failure.
func bound(c Check, d time.Duration) time.Duration {
	return c.Interval*11/10 + time.Duration(c.Rule.Fall-1)*max(c.Fast*11/10, d) + d
}

// TestDetectionTime failures 200 targets, at any time of their interval, with the
// defaults shortened to a tenth.
func TestDetectionTime(t *testing.T) {
	check := usual
	check.Interval, check.Fast, check.Timeout = 500*time.Millisecond, 100*time.Millisecond, 200*time.Millisecond
	tests := []struct {
		name   string
		failed Probe
		bound  time.Duration
	}{
		{"refuses", fail, bound(check, 0)},
		{"does not answer", hang, bound(check, check.Timeout)},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			within(t, func(w *watch) {
				const failures = 200
				since := make(map[netip.Addr]time.Duration) // under w's lock, as is all that follows
				var took []time.Duration
				w.changed = func(c Change) {
					if c.After.State == verdict.Down {
						took = append(took, w.now()-since[c.Target.Addr])
					}
				}
				w.acquire(0, failures, check, func(ctx context.Context, addr netip.Addr) error {
					w.mu.Lock()
					_, failed := since[addr]
					w.mu.Unlock()
					if failed {
						return tc.failed(ctx, addr)
					}
					return nil
				})
				w.wait(5 * time.Second)
				for i := range failures {
					w.wait(rand.N(50 * time.Millisecond))
					w.mu.Lock()
					since[ip(i)] = w.now()
					w.mu.Unlock()
				}
				w.wait(5 * time.Second)
				if len(took) != failures {
					t.Fatalf("%d of %d failures were detected", len(took), failures)
				}
				slices.Sort(took)
				if last := took[failures-1]; last > tc.bound {
					t.Errorf("one took %v, want %v at most", last, tc.bound)
				}
				t.Logf("min %v, median %v, p99 %v, max %v; bound %v",
					took[0], took[failures/2], took[failures*99/100], took[failures-1], tc.bound)
			})
		})
	}
}
