package monitor

import (
	"context"
	"math/rand/v2"
	"net/netip"
	"slices"
	"syscall"
	"testing"
	"time"
)

// gaps returns the waits from start to start.
func gaps(starts []time.Duration) []time.Duration {
	var all []time.Duration
	for i := range starts[1:] {
		all = append(all, starts[i+1]-starts[i])
	}
	return all
}

// about fails unless d is want ±10 %.
func about(t *testing.T, what string, d, want time.Duration) {
	t.Helper()
	if d < want*9/10 || d > want*11/10 {
		t.Errorf("%s: %v, want %v ±10 %%", what, d, want)
	}
}

func TestInterval(t *testing.T) {
	for name, probe := range map[string]Probe{"passes": pass, "fails": fail, "hangs": hang} {
		t.Run(name, func(t *testing.T) {
			within(t, func(w *watch) {
				w.acquire(1, 1, usual, probe)
				w.wait(time.Hour)
				waits := gaps(w.starts[ip(1)])
				if len(waits) < 300 {
					t.Fatalf("%d probes in an hour", len(waits)+1)
				}
				// A first timeout is repeated at once. The wait behind it ends
				// in the slot, or a timeout later; so the next may be shorter.
				for _, d := range waits[3:] {
					about(t, "wait", d, usual.Interval)
				}
				if first := max(waits[0], waits[1], waits[2]); first > usual.Interval*11/10 {
					t.Errorf("one of the first waits is %v", first)
				}
				slices.Sort(waits)
				if spread := waits[len(waits)-1] - waits[3]; spread < usual.Interval/10 {
					t.Errorf("waits differ by %v at most, want jitter", spread)
				}
			})
		})
	}
}

func TestFastAfterAContraryResult(t *testing.T) {
	tests := []struct {
		name, results string
		fast          []int // the probes that come fast: 1 is the second
	}{
		{"one failure", "PPFP", []int{3}},
		{"down", "PPFFFFF", []int{3, 4}},
		{"down and up", "PFFFFPPPP", []int{2, 3, 6}},
		{"first result decides", "HFFF", nil},
		{"a local error leaves the streak, and the pace", "PPFXP", []int{3, 4}},
		{"a local error alone speeds nothing up", "PPXXXXPP", nil},
		{"nor does one at the start", "XXXXXXPP", nil},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			within(t, func(w *watch) {
				check := usual
				check.Interval = time.Minute
				w.acquire(1, 1, check, script(tc.results))
				w.wait(20 * time.Minute)
				undisturbed := false
				for i, d := range gaps(w.starts[ip(1)]) {
					switch fast := slices.Contains(tc.fast, i+1); {
					case fast:
						about(t, "fast wait", d, check.Fast)
					case undisturbed:
						about(t, "wait", d, check.Interval)
					case d > check.Interval*11/10:
						t.Errorf("wait %d back into the slot: %v", i, d)
					}
					undisturbed = !slices.Contains(tc.fast, i+1)
				}
			})
		})
	}
}

// TestOneProbeAtATime: where fast is shorter than a timeout, the next probe
// follows at once, is not late by that, and never flies beside the last.
func TestOneProbeAtATime(t *testing.T) {
	within(t, func(w *watch) {
		check := usual
		check.Fast = 500 * time.Millisecond
		answers := 3 // before it hangs
		w.acquire(1, 1, check, func(ctx context.Context, addr netip.Addr) error {
			if answers--; answers < 0 {
				return hang(ctx, addr)
			}
			return nil
		})
		w.wait(10 * time.Minute)
		if w.stacked {
			t.Error("two probes of one target in flight")
		}
		for _, r := range w.results {
			if r.Late() {
				t.Errorf("a probe counts as late by %v", r.Delay)
			}
		}
	})
}

func TestFirstProbesComeAThousandASecond(t *testing.T) {
	within(t, func(w *watch) {
		for i := range 5 { // server blocks start one after another
			w.acquire(i*600, 600, usual, pass)
		}
		w.wait(4 * time.Second)
		firsts := starts(w, 0, 1)
		if len(firsts) != 3000 {
			t.Fatalf("%d first probes in 4 s, want 3,000", len(firsts))
		}
		if firsts[0] > time.Millisecond {
			t.Errorf("the first starts after %v, want at once", firsts[0])
		}
		if last := firsts[len(firsts)-1]; last < 2990*time.Millisecond || last > 3*time.Second {
			t.Errorf("the last starts after %v, want 3 s", last)
		}
		if most := densest(firsts, time.Second); most > 1001 {
			t.Errorf("%d first probes in a second, want 1,000", most)
		}
	})
}

func TestFirstProbesAreThroughWithinAnInterval(t *testing.T) {
	for name, others := range map[string]time.Duration{"alone": 0, "with a slow fleet": time.Hour, "with a quick fleet": 5 * time.Second} {
		t.Run(name, func(t *testing.T) {
			within(t, func(w *watch) {
				w.acquire(0, 15_000, usual, pass)
				if others > 0 {
					other := usual
					other.Interval = others
					w.acquire(0, 4000, other, pass)
				}
				w.acquire(1<<20, 10, usual, pass)
				w.wait(usual.Interval + 2*time.Millisecond)
				for i := range 15_000 {
					if len(w.starts[ip(i)]) == 0 {
						t.Fatalf("target %d has not been probed within an interval", i)
					}
				}
				for i := range 10 {
					if len(w.starts[ip(1<<20+i)]) == 0 {
						t.Fatalf("late comer %d has not been probed within an interval", i)
					}
				}
			})
		})
	}
}

// starts returns when the probes of the rounds from..to-1 of all targets
// started, sorted.
func starts(w *watch, from, to int) []time.Duration {
	var all []time.Duration
	for _, s := range w.starts {
		all = append(all, s[min(from, len(s)):min(to, len(s))]...)
	}
	slices.Sort(all)
	return all
}

// densest returns how many of the sorted times lie in the fullest window.
func densest(times []time.Duration, window time.Duration) int {
	most, first := 0, 0
	for i := range times {
		for times[i]-times[first] >= window {
			first++
		}
		most = max(most, i-first+1)
	}
	return most
}

// TestSpread: from the start on, no second carries more than 1.2 times the
// mean; where first probes come a thousand a second, that much on top of them.
func TestSpread(t *testing.T) {
	tests := []struct {
		targets int
		rounds  time.Duration // of all, until which is looked
	}{{100_000, 2}, {3000, 12}}
	for _, tc := range tests {
		if testing.Short() && tc.targets > 10_000 {
			continue // seconds
		}
		within(t, func(w *watch) {
			w.acquire(0, tc.targets, usual, pass)
			w.wait(tc.rounds * usual.Interval)
			mean := float64(tc.targets) / usual.Interval.Seconds()
			all := starts(w, 0, int(tc.rounds)+2)
			begin := 0 // behind the first probes
			if mean < 1000 {
				begin, _ = slices.BinarySearch(all, time.Duration(tc.targets)*firstGap)
				second := densest(starts(w, 1, 2), time.Second)
				if float64(second) > 1.2*mean {
					t.Errorf("%d targets: second round: %d in a second, want %.0f at most", tc.targets, second, 1.2*mean)
				}
			}
			if most := densest(all[begin:], time.Second); float64(most) > 1.2*mean {
				t.Errorf("%d targets: %d probes in a second, want %.0f at most", tc.targets, most, 1.2*mean)
			}
			if n := float64(len(all)); n < 0.9*mean*(tc.rounds*usual.Interval).Seconds() {
				t.Errorf("%d targets: %.0f probes in all", tc.targets, n)
			}
		})
	}
}

// TestSpreadReturns: after an outage that has all targets probed at the same
// time, the rounds that follow are as even as those before.
func TestSpreadReturns(t *testing.T) {
	within(t, func(w *watch) {
		const n = 3000 // fewer, and chance alone would pass the limit at times
		w.acquire(0, n, usual, pass)
		w.wait(time.Minute)
		w.Do(func() { time.Sleep(15 * time.Second) }) // the machine stands still
		w.wait(1500 * time.Millisecond)
		herd := w.now()
		w.wait(time.Minute)
		var after []time.Duration
		for _, s := range w.starts {
			for _, at := range s {
				if at > herd+usual.Interval*11/10 {
					after = append(after, at)
				}
			}
		}
		slices.Sort(after)
		if most := densest(after, time.Second); most > n/10*12/10 {
			t.Errorf("%d probes in a second, want %d at most", most, n/10*12/10)
		}
	})
}

// TestStandstill: thousands of targets that came due while the machine stood
// still are probed within one interval, at the pace of first probes beside that
// of all others, or at that alone where it is faster; a few are probed at once.
func TestStandstill(t *testing.T) {
	for _, tc := range []struct{ targets, most int }{{200, 240}, {3000, 1000 + 360}, {30_000, 3600}} {
		within(t, func(w *watch) {
			w.acquire(0, tc.targets, usual, pass)
			w.wait(time.Minute)
			w.Do(func() { time.Sleep(5 * usual.Interval) })
			woke := w.now()
			w.wait(usual.Interval * 11 / 10)
			var after []time.Duration
			probed := 0
			for _, s := range w.starts {
				n := len(after)
				for _, at := range s {
					if at >= woke {
						after = append(after, at)
					}
				}
				if len(after) > n {
					probed++
				}
			}
			slices.Sort(after)
			if probed != tc.targets {
				t.Errorf("%d of %d targets were probed in the interval after a standstill", probed, tc.targets)
			}
			if got := densest(after, time.Second); got > tc.most {
				t.Errorf("%d of %d targets in a second, want %d at most", got, tc.targets, tc.most)
			}
		})
	}
}

// TestOverdueSkips: a target that was delayed for five intervals gets one probe, and
// its delay is reported.
func TestOverdueSkips(t *testing.T) {
	within(t, func(w *watch) {
		w.acquire(1, 1, usual, pass)
		w.wait(time.Minute)
		before := len(w.starts[ip(1)])
		w.Do(func() { time.Sleep(4*usual.Interval + 5*time.Second) })
		w.wait(0)
		if n := len(w.starts[ip(1)]) - before; n != 1 {
			t.Errorf("%d probes at once, want one", n)
		}
		last := w.results[len(w.results)-1]
		if !last.Late() || last.Delay < 3*usual.Interval || last.Class != Pass {
			t.Errorf("result is %+v, want one that is late by 34 s or more, and counts", last)
		}
		w.wait(usual.Interval * 11 / 10)
		if n := len(w.starts[ip(1)]) - before; n > 3 {
			t.Errorf("%d probes an interval later", n)
		}
	})
}

func TestScheduleIsAHeap(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var s schedule
	var model []entry
	sorted := func() []entry {
		slices.SortFunc(model, func(a, b entry) int { return int(a.due - b.due) })
		return model
	}
	for step := range 20_000 {
		switch n := r.IntN(10); {
		case n < 5 || len(model) == 0:
			e := entry{time.Duration(r.IntN(1 << 40)), new(Target)}
			s.push(e)
			model = append(model, e)
		case n < 7:
			if got, want := s.pop(), sorted()[0]; got != want {
				t.Fatalf("step %d: popped %v, want %v", step, got.due, want.due)
			}
			model = model[1:]
		default:
			i := r.IntN(len(model))
			s.remove(model[i].target)
			model = slices.Delete(model, i, i+1)
		}
		for i, e := range s {
			if int(e.target.index) != i {
				t.Fatalf("step %d: the entry at %d says it is at %d", step, i, e.target.index)
			}
		}
	}
	for _, want := range sorted() {
		if got := s.pop(); got != want {
			t.Fatalf("popped %v, want %v", got.due, want.due)
		}
	}
}

// TestHeapKeepsNothing: what was taken out can be collected.
func TestHeapKeepsNothing(t *testing.T) {
	var s schedule
	for range 10 {
		s.push(entry{0, new(Target)})
	}
	for len(s) > 0 {
		s.pop()
	}
	for _, e := range s[:10] {
		if e.target != nil {
			t.Fatal("a target that has left is still held")
		}
	}
}

func TestLocalErrorNames(t *testing.T) {
	for errno, name := range localErrors {
		if got := LocalErrorOf(errno); got != name || got == "" {
			t.Errorf("%v: %q, want %q", errno, got, name)
		}
		if got := LocalErrorOf(remote{errno}); got != "" {
			t.Errorf("%v of another machine is taken for the local error %q", errno, got)
		}
	}
	for _, errno := range []syscall.Errno{syscall.ECONNREFUSED, syscall.EHOSTDOWN, syscall.ECONNRESET, syscall.ETIMEDOUT} {
		if got := LocalErrorOf(errno); got != "" {
			t.Errorf("%v is taken for a local error", errno)
		}
	}
}

func BenchmarkSchedule(b *testing.B) {
	const n = 100_000
	var s schedule
	for range n {
		s.push(entry{time.Duration(rand.Int64N(int64(10 * time.Second))), new(Target)})
	}
	b.ReportAllocs()
	for b.Loop() {
		e := s.pop()
		e.due += 10 * time.Second
		s.push(e)
	}
}
