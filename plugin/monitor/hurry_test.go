package monitor

import (
	"context"
	"math/rand/v2"
	"net/netip"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/rrhealth/rrhealth/plugin/verdict"
)

// defaults are those of the Corefile.
var defaults = Check{
	ID: "tcp", Interval: 5 * time.Second, Fast: time.Second, Timeout: 2 * time.Second,
	Rule: verdict.Rule{Rise: 2, Fall: 3},
}

// TestWhatFailsTogetherIsDownTogether: three targets fail at the same moment,
// at any time of their interval. A first failure hurries the two others, so the
// verdicts are about one wait apart: fast, or the timeout.
func TestWhatFailsTogetherIsDownTogether(t *testing.T) {
	for name, tc := range map[string]struct {
		failure Probe
		apart   time.Duration
	}{
		"refused": {fail, defaults.Fast + 4*defaults.Fast/10}, // and two waits on either side that wobble
		"silent":  {hang, defaults.Timeout + 3*firstGap},
	} {
		t.Run(name, func(t *testing.T) {
			for range 100 {
				within(t, func(w *watch) {
					failed := false // under w's lock
					var downs []time.Duration
					var targets []*Target
					w.changed = func(c Change) {
						if c.After.State == verdict.Down {
							downs = append(downs, w.now())
						}
						if c.FirstFailure() {
							for _, o := range targets {
								w.Hurry(o)
							}
						}
					}
					targets = w.acquire(0, 3, defaults, func(ctx context.Context, addr netip.Addr) error {
						w.mu.Lock()
						failed := failed
						w.mu.Unlock()
						if failed {
							return tc.failure(ctx, addr)
						}
						return nil
					})
					w.wait(time.Minute + rand.N(defaults.Interval))
					w.mu.Lock()
					failed = true
					w.mu.Unlock()
					w.wait(time.Minute)
					if len(downs) != 3 {
						t.Fatalf("%d of 3 are down", len(downs))
					}
					if apart := downs[2] - downs[0]; apart > tc.apart {
						t.Errorf("the verdicts are %v apart, want %v at most", apart, tc.apart)
					}
				})
			}
		})
	}
}

func TestWhoIsHurried(t *testing.T) {
	for _, tc := range []struct {
		name   string
		probe  Probe
		probes int           // that have begun when it is hurried
		wait   time.Duration // from the last of them until then
		want   time.Duration // from then until the next probe; 0 for its own time
	}{
		// The second probe is in the target's slot, which may come at any time after
		// the first. The third is an interval later, give or take the jitter.
		{"up, some time after its last probe", pass, 2, 30 * time.Second, time.Nanosecond},
		{"up, a moment after its last probe", pass, 2, 200 * time.Millisecond, usual.Fast - 200*time.Millisecond},
		{"down", fail, 1, 30 * time.Second, 0},
		{"up with failures against it", script("PFF"), 3, time.Second, 0}, // the first was repeated at once
		{"unknown for a local error", script("X"), 1, 30 * time.Second, 0},
		{"in flight", hang, 1, time.Second, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			within(t, func(w *watch) {
				check := usual
				check.Interval = time.Minute
				target := w.acquire(1, 1, check, tc.probe)[0]
				for w.wait(tc.wait / 4); len(w.starts[ip(1)]) < tc.probes; {
					w.wait(tc.wait / 4)
				}
				w.wait(w.starts[ip(1)][tc.probes-1] + tc.wait - w.now())
				at, n := w.now(), len(w.starts[ip(1)])
				var hurried bool
				w.Do(func() {
					if hurried = w.Hurry(target); hurried && w.Hurry(target) {
						t.Error("hurried twice")
					}
				})
				if hurried != (tc.want > 0) {
					t.Fatalf("hurried: %t", hurried)
				}
				if !hurried {
					return
				}
				w.wait(2 * usual.Fast)
				if got := w.starts[ip(1)][n] - at; got < tc.want-time.Microsecond || got > tc.want+time.Microsecond {
					t.Errorf("probed %v later, want %v", got, tc.want)
				}
				// Then it is back in its slot.
				w.wait(time.Hour)
				waits := gaps(w.starts[ip(1)][n:])
				if waits[0] > check.Interval*11/10 {
					t.Errorf("the wait behind a hurried probe is %v", waits[0])
				}
				for _, d := range waits[1:] {
					about(t, "wait", d, check.Interval)
				}
			})
		})
	}
}

// TestHurriedProbesArePaced: however many are hurried, they start a thousand a
// second, and none later than it would have.
func TestHurriedProbesArePaced(t *testing.T) {
	within(t, func(w *watch) {
		const n = 10_000
		targets := w.acquire(0, n, defaults, pass)
		w.wait(time.Minute)
		from := w.now()
		w.Do(func() {
			for _, target := range targets {
				w.Hurry(target)
			}
		})
		w.wait(2 * defaults.Interval)
		var after []time.Duration
		for addr, starts := range w.starts {
			last := from - defaults.Interval*11/10
			for _, at := range starts {
				if at > from {
					after = append(after, at)
				}
				if at > last && at-last > defaults.Interval*12/10 && last > from-defaults.Interval {
					t.Fatalf("%s waited %v", addr, at-last)
				}
				last = at
			}
		}
		slices.Sort(after)
		// Their own mean is 2,000 a second, in slots 1.2 times that.
		if most := densest(after, time.Second); most > 1000+n/5*12/10 {
			t.Errorf("%d probes in a second, want 1,000 more than the schedule's", most)
		}
	})
}

func TestWhatIsAFirstFailure(t *testing.T) {
	up := verdict.Verdict{State: verdict.Up}
	for _, tc := range []struct {
		name string
		Change
		want bool
	}{
		{"the first of three", Change{nil, up, verdict.Verdict{State: verdict.Up, Streak: 1}, errDown}, true},
		{"one is enough", Change{nil, up, verdict.Verdict{State: verdict.Down}, errDown}, true},
		{"the third", Change{nil, verdict.Verdict{State: verdict.Up, Streak: 2}, verdict.Verdict{State: verdict.Down}, errDown}, false},
		{"down from the start", Change{nil, verdict.Verdict{}, verdict.Verdict{State: verdict.Down}, errDown}, false},
		{"a pass after a failure", Change{nil, verdict.Verdict{State: verdict.Up, Streak: 1}, up, nil}, false},
		{"a first pass", Change{nil, verdict.Verdict{State: verdict.Down}, verdict.Verdict{State: verdict.Down, Streak: 1}, nil}, false},
		{"stale", Change{nil, up, up.Stale(), errStale}, false},
		{"a local error", Change{nil, verdict.Verdict{}, verdict.Verdict{}, syscall.EMFILE}, false},
	} {
		if got := tc.FirstFailure(); got != tc.want {
			t.Errorf("%s: %t, want %t", tc.name, got, tc.want)
		}
	}
}
