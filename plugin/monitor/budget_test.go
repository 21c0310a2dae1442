package monitor

import (
	"context"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rrhealth/rrhealth/plugin/verdict"
)

// TestNeed: the budget is what a fleet of which every probe hangs needs.
func TestNeed(t *testing.T) {
	tests := []struct {
		name                    string
		interval, fast, timeout time.Duration
		targets, want           int
	}{
		{"three targets", 10, 2, 3, 3, 3},
		{"fast shorter than the timeout: all at once", 10, 2, 3, 5000, 5000},
		{"fast longer than the timeout", 10, 5, 1, 9000, 2001},
		{"no fast", 10, 10, 1, 9000, 1001},
		{"never less than 256", 60, 60, 1, 9000, leastInFlight},
		{"none", 10, 2, 3, 0, 0},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			g := &group{Check: Check{Interval: tc.interval * time.Second, Fast: tc.fast * time.Second, Timeout: tc.timeout * time.Second}, size: tc.targets}
			if got := g.need(); got != tc.want {
				t.Errorf("need is %d, want %d", got, tc.want)
			}
		})
	}
}

// TestAFleetThatIsDownKeepsItsSchedule: all verdicts are on time although every probe
// of every target runs to its timeout.
func TestAFleetThatIsDownKeepsItsSchedule(t *testing.T) {
	within(t, func(w *watch) {
		const n = 2000
		check := usual
		check.Interval, check.Fast, check.Timeout = 20*time.Second, 5*time.Second, time.Second
		var failing atomic.Bool
		w.acquire(0, n, check, func(ctx context.Context, addr netip.Addr) error {
			if failing.Load() {
				return hang(ctx, addr)
			}
			return nil
		})
		w.wait(time.Minute)
		failing.Store(true)
		w.wait(5 * time.Minute)
		for _, r := range w.results {
			if r.Late() {
				t.Fatalf("%v after %v: a probe is late by %v", w.now(), r.Duration, r.Delay)
			}
		}
		need := 0
		w.Do(func() { need = w.need })
		if w.most < n/10 || w.most > need {
			t.Errorf("%d in flight at once, want %d at most", w.most, need)
		}
	})
}

// TestHangingCheckDelaysNoOther: with a fourth of the descriptors that two
// checks would need, the one whose targets all hang uses its share and no more.
func TestHangingCheckDelaysNoOther(t *testing.T) {
	within(t, func(w *watch) {
		w.limit(500)
		bad, good, small := usual, usual, usual
		bad.ID, bad.Timeout = "bad", 9*time.Second
		small.ID = "small"
		w.acquire(2000, 3, small, hang)
		hanging := w.acquire(0, 1000, bad, hang)
		healthy := w.acquire(1000, 1000, good, func(context.Context, netip.Addr) error { time.Sleep(50 * time.Millisecond); return nil })
		w.wait(5 * time.Minute)
		late, skipped := 0, 0
		for _, r := range w.results {
			switch {
			case r.Target.group.ID == "bad":
				if r.Late() {
					late++
				}
			case r.Late():
				skipped++
			}
		}
		if late == 0 {
			t.Error("nothing was delayed: the test tests nothing")
		}
		if skipped > 0 {
			t.Errorf("%d probes of the other checks were late", skipped)
		}
		if w.most > 500 {
			t.Errorf("%d in flight, want 500 at most", w.most)
		}
		if w.stacked {
			t.Error("two probes of one target in flight")
		}
		fewest := len(w.results)
		for _, target := range hanging {
			fewest = min(fewest, int(target.Count(Fail)))
		}
		if fewest < 3 {
			t.Errorf("a target that was delayed had %d probes: the others went before it again and again", fewest)
		}
		for _, target := range healthy {
			if w.state(target).State != verdict.Up {
				t.Fatalf("%s is not up", target.Addr)
			}
		}
	})
}

// TestLimitOfDescriptors: however many checks there are, each with a share of
// less than one, the process's limit holds, and every target gets a turn.
func TestLimitOfDescriptors(t *testing.T) {
	within(t, func(w *watch) {
		w.limit(16)
		var all []*Target
		for i := range 100 {
			c := usual
			c.ID = ip(i).String()
			all = append(all, w.acquire(3*i, 3, c, hang)...)
		}
		w.wait(5 * time.Minute)
		if w.most != 16 {
			t.Errorf("%d in flight at most, want 16", w.most)
		}
		// Sixteen at a time, three seconds each: five turns for all.
		for _, target := range all {
			if n := target.Count(Fail); n < 4 {
				t.Errorf("%s had %d turns, want 5 or so", target.Addr, n)
			}
		}
		w.Do(func() {
			if len(w.ready) > 100 {
				t.Errorf("%d groups in a list of those ready, of 100", len(w.ready))
			}
		})
	})
}

// TestReleaseOfTargetsHeldBack takes out of the group's heap, not the other.
func TestReleaseOfTargetsHeldBack(t *testing.T) {
	within(t, func(w *watch) {
		w.limit(4)
		all := w.acquire(0, 50, usual, hang)
		w.wait(time.Minute)
		w.release(all[:25]...)
		w.wait(5 * time.Minute)
		for _, target := range all[25:] {
			if target.Count(Fail) < 3 {
				t.Errorf("%s had %d probes", target.Addr, target.Count(Fail))
			}
		}
		w.release(all[25:]...)
		w.wait(time.Minute)
		w.Do(func() {
			if w.inFlight != 0 || len(w.schedule) != 0 || w.need != 0 {
				t.Errorf("%d in flight, %d scheduled, need %d", w.inFlight, len(w.schedule), w.need)
			}
		})
	})
}

// TestProbesThatNeverReturn: they cost a place each, once; their targets become
// unknown, the rest of the check goes on, and so do the others.
func TestProbesThatNeverReturn(t *testing.T) {
	within(t, func(w *watch) {
		release := make(chan struct{})
		defer close(release)
		var stuck atomic.Bool
		probe := func(_ context.Context, addr netip.Addr) error {
			if stuck.Load() && addr.Less(ip(10)) {
				<-release
			}
			return nil
		}
		all := w.acquire(0, 300, usual, probe)
		w.wait(time.Minute)
		stuck.Store(true)
		w.wait(staleAfter*usual.Interval + 2*usual.Interval + sweepEvery)
		for i, target := range all {
			want := verdict.Up
			if i < 10 {
				want = verdict.Unknown
			}
			if got := w.state(target).State; got != want {
				t.Errorf("%s is %v, want %v", target.Addr, got, want)
			}
		}
		w.wait(10 * time.Minute)
		w.Do(func() {
			if w.inFlight > 10 {
				t.Errorf("%d probes in flight, want the ten that hang", w.inFlight)
			}
		})
		for _, r := range w.results {
			if r.Late() {
				t.Fatalf("%s was late by %v", r.Target.Addr, r.Delay)
			}
		}
	})
}
