package monitor

import (
	"context"
	"net/netip"
	"syscall"
	"testing"
	"time"
)

// times returns the Times of t, from the start of the bubble; -1 for the zero time.
func (w *watch) times(t *Target) (last, next time.Duration) {
	since := func(at time.Time) time.Duration {
		if at.IsZero() {
			return -1
		}
		return at.Sub(w.epoch)
	}
	w.Do(func() {
		l, n := w.Times(t)
		last, next = since(l), since(n)
	})
	return last, next
}

// The last probe is that whose result counted, the next that which then begins.
func TestTimesAreThoseOfTheProbes(t *testing.T) {
	within(t, func(w *watch) {
		w.Do(func() {
			if last, next := w.Times(w.Acquire(ip(1), usual, pass)); !last.IsZero() || !next.IsZero() {
				t.Errorf("as it is acquired: last %v, next %v; want neither", last, next)
			}
		})
		target := w.acquire(0, 1, usual, pass)[0]
		w.wait(time.Second)
		for range 10 {
			starts := w.starts[ip(0)]
			last, next := w.times(target)
			if want := starts[len(starts)-1]; last != want {
				t.Errorf("the last began at %v, want %v", last, want)
			}
			w.wait(next - w.now() - 1)
			if len(w.starts[ip(0)]) != len(starts) {
				t.Errorf("a probe began before %v", next)
			}
			w.wait(2)
			if now := w.starts[ip(0)]; len(now) != len(starts)+1 || now[len(starts)] != next {
				t.Errorf("probes began at %v, want another at %v", now, next)
			}
		}
	})
}

// While a probe is in flight there is no next one. The last stays the one before.
func TestTimesWhileAProbeIsInFlight(t *testing.T) {
	within(t, func(w *watch) {
		slow := func(context.Context, netip.Addr) error { time.Sleep(2 * time.Second); return nil }
		target := w.acquire(0, 1, usual, slow)[0]
		w.wait(time.Second)
		if last, next := w.times(target); last != -1 || next != -1 {
			t.Errorf("in the first probe: last %v, next %v, want neither", last, next)
		}
		w.wait(2 * time.Second)
		before, next := w.times(target)
		w.wait(next - w.now() + time.Second)
		if last, next := w.times(target); last != before || next != -1 {
			t.Errorf("in the second probe: last %v, next %v; want %v and none", last, next, before)
		}
	})
}

// A local error does not count as a probe.
func TestTimesAfterALocalError(t *testing.T) {
	within(t, func(w *watch) {
		target := w.acquire(0, 1, usual, func(context.Context, netip.Addr) error { return syscall.EMFILE })[0]
		w.wait(time.Second)
		if last, next := w.times(target); last != -1 || next <= w.now() {
			t.Errorf("last %v, next %v; want none, and one to come", last, next)
		}
	})
}

// A probe that waits for the budget was due in the past. A released target has no next.
func TestTimesOfDelayedAndReleasedTargets(t *testing.T) {
	within(t, func(w *watch) {
		w.limit(4) // of which one place is that of the other check
		other := usual
		other.ID = "other"
		w.acquire(100, 1, other, pass)
		targets := w.acquire(0, 30, usual, hang)
		w.wait(time.Second)
		delayed := 0
		for _, target := range targets {
			var waits bool
			w.Do(func() { waits = target.delayed })
			if _, next := w.times(target); waits {
				delayed++
				if next < 0 || next >= w.now() {
					t.Errorf("at %v a delayed probe is due at %v, want a time before", w.now(), next)
				}
			}
		}
		if delayed == 0 {
			t.Error("no probe is delayed")
		}
		w.release(targets...)
		for _, target := range targets {
			if _, next := w.times(target); next != -1 {
				t.Errorf("a released target is due at %v", next)
			}
		}
	})
}
