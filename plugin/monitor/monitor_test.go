package monitor

import (
	"context"
	"encoding/binary"
	"errors"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rrhealth/rrhealth/plugin/verdict"
)

var (
	errDown = errors.New("down")
	errHard = hardError{errors.New("wrong answer")}
)

// A hardError is certainly the target's.
type hardError struct{ error }

func (hardError) Hard() bool { return true }

// usual is a check every ten seconds. The defaults of the Corefile are half of it.
var usual = Check{
	ID: "tcp", Interval: 10 * time.Second, Fast: 2 * time.Second, Timeout: 3 * time.Second,
	Rule: verdict.Rule{Rise: 2, Fall: 3},
}

// ip returns the i-th address.
func ip(i int) netip.Addr {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], 127<<24|uint32(i))
	return netip.AddrFrom4(b)
}

// A watch is a monitor that writes down what happens. Time is counted from its
// start. Use it in a bubble.
type watch struct {
	*Monitor
	t  *testing.T
	mu sync.Mutex
	// What follows is for reading while every goroutine of the bubble waits.
	starts  map[netip.Addr][]time.Duration
	flying  map[netip.Addr]int
	all     int // in flight
	most    int // and at most
	stacked bool
	results []Result
	changes []Change
	probed  func(Result) // called for each result
	changed func(Change) // of each change
}

func newWatch(t *testing.T) *watch {
	t.Helper()
	w := &watch{t: t, starts: make(map[netip.Addr][]time.Duration), flying: make(map[netip.Addr]int)}
	w.Monitor = New(w)
	w.limit(1 << 20)
	return w
}

// limit allows n probes in flight, independent of the limit of this process.
func (w *watch) limit(n int) { w.Do(func() { w.Monitor.most = n }) }

// within runs f in a bubble with a monitor, which it stops.
func within(t *testing.T, f func(w *watch)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWatch(t)
		defer w.Stop()
		defer w.sync()
		f(w)
	})
}

func (w *watch) Probed(r Result) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.results = append(w.results, r)
	if w.probed != nil {
		w.probed(r)
	}
}

func (w *watch) Changed(c []Change) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.changes = append(w.changes, c...)
	for i := range c {
		if w.changed != nil {
			w.changed(c[i])
		}
	}
}

// noting has probe's starts written down.
func (w *watch) noting(probe Probe) Probe {
	return func(ctx context.Context, addr netip.Addr) error {
		w.begin(addr)
		defer w.end(addr)
		return probe(ctx, addr)
	}
}

func (w *watch) begin(addr netip.Addr) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.starts[addr] = append(w.starts[addr], w.now())
	w.flying[addr]++
	w.stacked = w.stacked || w.flying[addr] > 1
	w.all++
	w.most = max(w.most, w.all)
}

func (w *watch) end(addr netip.Addr) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.flying[addr]--
	w.all--
}

// acquire has n addresses from ip(first) on watched.
func (w *watch) acquire(first, n int, c Check, probe Probe) []*Target {
	w.t.Helper()
	targets := make([]*Target, n)
	if !w.Do(func() {
		for i := range targets {
			targets[i] = w.Acquire(ip(first+i), c, w.noting(probe))
		}
	}) {
		w.t.Fatal("the monitor has stopped")
	}
	return targets
}

func (w *watch) release(targets ...*Target) {
	w.Do(func() {
		for _, t := range targets {
			w.Release(t)
		}
	})
}

// state returns the verdict on t.
func (w *watch) state(t *Target) (v verdict.Verdict) {
	w.Do(func() { v = t.Verdict() })
	return v
}

// wait lets d pass, and everything that happens then.
func (w *watch) wait(d time.Duration) {
	w.sync()
	time.Sleep(d)
	synctest.Wait()
	w.sync()
}

// sync tells the race detector that the test and the monitor take turns, which
// it does not see from the bubble's clock.
func (w *watch) sync() {
	w.mu.Lock()
	w.mu.Unlock() //nolint:staticcheck // nothing to guard
}

func pass(context.Context, netip.Addr) error { return nil }
func fail(context.Context, netip.Addr) error { return errDown }

// hang is a target that does not answer.
func hang(ctx context.Context, _ netip.Addr) error {
	<-ctx.Done()
	return ctx.Err()
}

// script gives the results of successive probes of one target, one letter
// each: P passes, F fails, H fails hard, X is a local error. The last goes on for ever.
func script(results string) Probe {
	return func(context.Context, netip.Addr) error {
		r := results[0]
		if len(results) > 1 {
			results = results[1:]
		}
		switch r {
		case 'P':
			return nil
		case 'H':
			return errHard
		case 'X':
			return syscall.EMFILE
		}
		return errDown
	}
}

func TestTargetsAreShared(t *testing.T) {
	within(t, func(w *watch) {
		a := w.acquire(1, 1, usual, pass)[0]
		b := w.acquire(1, 1, usual, pass)[0]
		if a != b {
			t.Fatal("an address is probed twice for the same check")
		}
		other := usual
		other.ID = "http"
		if c := w.acquire(1, 1, other, pass)[0]; c == a {
			t.Fatal("two questions share a target")
		}
		w.wait(time.Minute)
		w.release(a)
		before := len(w.results)
		w.wait(time.Minute)
		if len(w.results) == before {
			t.Error("no longer probed although it is still in use")
		}
		w.release(b)
		before = int(a.Count(Pass))
		w.wait(time.Minute)
		if n := int(a.Count(Pass)); n != before {
			t.Errorf("probed %d times after the last user has gone", n-before)
		}
	})
}

func TestEverythingIsForgottenOnRelease(t *testing.T) {
	within(t, func(w *watch) {
		slow := usual
		slow.Interval *= 2
		all := append(w.acquire(0, 300, usual, hang), w.acquire(0, 300, slow, pass)...)
		w.wait(time.Minute)
		w.release(all...)
		w.wait(time.Minute) // the last probes come home
		w.Do(func() {
			for what, n := range map[string]int{
				"targets": len(w.targets), "groups": len(w.groups), "paces": len(w.paces), "entries": len(w.schedule),
				"unscheduled": len(w.unscheduled), "need": w.need + w.floors, "in flight": w.inFlight, "ready": len(w.ready), "awaited": w.Awaited(),
			} {
				if n != 0 {
					t.Errorf("%d %s are left, want none", n, what)
				}
			}
		})
	})
}

func TestReleaseBeforeTheFirstProbe(t *testing.T) {
	within(t, func(w *watch) {
		w.Do(func() {
			gone := w.Acquire(ip(1), usual, w.noting(pass))
			w.Acquire(ip(2), usual, w.noting(pass))
			w.Release(gone)
		})
		w.wait(time.Minute)
		if n := len(w.starts[ip(1)]); n != 0 {
			t.Errorf("probed %d times", n)
		}
		if w.Awaited() != 0 || len(w.starts[ip(2)]) == 0 {
			t.Errorf("the other one: %d probes, %d awaited", len(w.starts[ip(2)]), w.Awaited())
		}
	})
}

func TestReleaseWhileInFlight(t *testing.T) {
	within(t, func(w *watch) {
		old := w.acquire(1, 1, usual, hang)[0]
		w.wait(time.Second)
		w.release(old)
		again := w.acquire(1, 1, usual, pass)[0]
		w.wait(time.Minute)
		if again == old {
			t.Error("a released target has come back")
		}
		if s := w.state(again).State; s != verdict.Up {
			t.Errorf("state is %v, want up: the old probe's failure is not the new target's", s)
		}
		for _, r := range w.results {
			if r.Target == old {
				t.Error("the sink received a result of a released target")
			}
		}
		if w.Awaited() != 0 {
			t.Errorf("%d targets awaited", w.Awaited())
		}
	})
}

func TestVerdictIsInheritedWhenOnlyThePaceChanges(t *testing.T) {
	quick, quicker, other := usual, usual, usual
	quick.Interval = time.Second
	quicker.Interval, quicker.Rule.Fall = 500*time.Millisecond, 5
	other.ID = "another question"
	within(t, func(w *watch) {
		old := w.acquire(1, 1, usual, fail)[0]
		w.wait(9 * time.Second)
		if s := w.state(old).State; s != verdict.Down {
			t.Fatalf("state is %v, want down", s)
		}
		w.Do(func() {
			heir := w.Acquire(ip(1), quick, pass)
			if s := heir.Verdict().State; s != verdict.Down {
				t.Errorf("state after the reload is %v, want down", s)
			}
			if n := w.Awaited(); n != 0 {
				t.Errorf("%d targets awaited: a reload must not make us unready", n)
			}
			if s := w.Acquire(ip(1), other, pass).Verdict().State; s != verdict.Unknown {
				t.Errorf("state of another question is %v, want unknown", s)
			}
			if s := w.Acquire(ip(2), usual, pass).Verdict().State; s != verdict.Unknown {
				t.Errorf("state of another address is %v, want unknown", s)
			}
			// A reload that fails lets go of what it has acquired; the next
			// one must still find the verdict.
			w.Release(heir)
			if s := w.Acquire(ip(1), quicker, fail).Verdict().State; s != verdict.Down {
				t.Errorf("state after a failed reload and another is %v, want down", s)
			}
		})
	})
}

func TestStreakIsInherited(t *testing.T) {
	quick := usual
	quick.Interval = 5 * time.Second
	within(t, func(w *watch) {
		old := w.acquire(1, 1, usual, script("PFF"))[0]
		for w.state(old).Streak < 2 {
			w.wait(100 * time.Millisecond)
		}
		w.Do(func() {
			if v := w.Acquire(ip(1), quick, fail).Verdict(); v != (verdict.Verdict{State: verdict.Up, Streak: 2}) {
				t.Errorf("verdict is %+v, want up with two failures", v)
			}
		})
	})
}

// TestFirstFailureIsInherited: a reload between a first timeout and the second
// neither starts anew nor takes the target for decided.
func TestFirstFailureIsInherited(t *testing.T) {
	quick := usual
	quick.Interval = 5 * time.Second
	within(t, func(w *watch) {
		w.acquire(1, 1, usual, hang)
		w.wait(usual.Timeout + time.Second)
		heir := w.acquire(1, 1, quick, hang)[0]
		if v := w.state(heir); !v.First() || w.Awaited() != 2 {
			t.Errorf("verdict is %+v and %d are awaited, want one failure and both", v, w.Awaited())
		}
		w.wait(usual.Timeout)
		if s := w.state(heir).State; s != verdict.Down || w.Awaited() != 0 {
			t.Errorf("state is %v and %d are awaited, want down and none", s, w.Awaited())
		}
	})
}

// TestLatestProbeIsUsed: a reload reads certificates anew, and equal checks are
// one target.
func TestLatestProbeIsUsed(t *testing.T) {
	within(t, func(w *watch) {
		old := w.acquire(1, 1, usual, fail)[0]
		w.wait(time.Second)
		w.acquire(1, 1, usual, pass)
		w.wait(time.Minute)
		if s := w.state(old).State; s != verdict.Up {
			t.Errorf("state is %v, want up: the probe of the first configuration is still in use", s)
		}
	})
}

func TestAwaited(t *testing.T) {
	within(t, func(w *watch) {
		other := usual
		other.ID = "another question"
		w.acquire(1, 1, usual, script("X"))
		w.acquire(2, 1, other, hang)
		w.wait(time.Second)
		if n := w.Awaited(); n != 1 {
			t.Errorf("%d awaited, want 1: behind a local error there is nothing to wait for", n)
		}
		w.wait(3 * time.Second)
		if n := w.Awaited(); n != 1 {
			t.Errorf("%d awaited, want 1: a first timeout does not decide", n)
		}
		w.wait(3 * time.Second)
		if n := w.Awaited(); n != 0 {
			t.Errorf("%d awaited, want none", n)
		}
	})
}

func TestDoAfterStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatch(t)
		w.Stop()
		if w.Do(func() { t.Error("run") }) {
			t.Error("Do says it has run")
		}
		w.Stop() // a second time does no harm
	})
}

// TestStopCancelsProbes: a bubble does not end while a goroutine lives, so this
// is a test for leaks as well.
func TestStopCancelsProbes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatch(t)
		w.acquire(0, 100, usual, hang)
		w.wait(time.Second)
		began := time.Now()
		w.Stop()
		if d := time.Since(began); d != 0 {
			t.Errorf("Stop took %v although every probe obeys its context", d)
		}
		if len(w.results) != 0 {
			t.Errorf("%d results received of canceled probes", len(w.results))
		}
	})
}

func TestStopIsBoundedWhenAProbeIgnoresItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatch(t)
		release := make(chan struct{})
		w.acquire(1, 1, usual, func(context.Context, netip.Addr) error { <-release; return nil })
		w.wait(time.Second)
		began := time.Now()
		w.Stop()
		if d := time.Since(began); d != stopWithin {
			t.Errorf("Stop took %v, want %v", d, stopWithin)
		}
		close(release)
	})
}

func TestPanicIsAFailure(t *testing.T) {
	within(t, func(w *watch) {
		target := w.acquire(1, 1, usual, func(context.Context, netip.Addr) error { panic("at the\ndisco" + strings.Repeat("!", 1000)) })[0]
		w.wait(time.Minute)
		if s := w.state(target).State; s != verdict.Down {
			t.Errorf("state is %v, want down", s)
		}
		why := w.changes[0].Err.Error()
		if want := "the probe of 127.0.0.1 panicked with a value of type string"; why != want {
			t.Errorf("reason is %s, want %s", why, want)
		}
	})
}

func TestIdleTargetsCostNoGoroutine(t *testing.T) {
	within(t, func(w *watch) {
		before := runtime.NumGoroutine()
		w.acquire(0, 3000, usual, pass)
		w.wait(time.Minute)
		// The runtime and other tests may start and end one or the other.
		if n := runtime.NumGoroutine() - before; n > 10 {
			t.Errorf("%d goroutines for 3,000 idle targets", n)
		}
	})
}

// TestMemoryOfIdleTargets pins what docs/performance.md promises.
func TestMemoryOfIdleTargets(t *testing.T) {
	const n, most = 100_000, 400
	m := New(new(blind))
	defer m.Stop()
	before := heap()
	m.Do(func() {
		for i := range n {
			m.Acquire(ip(i), usual, pass)
		}
	})
	m.Do(func() {}) // planned
	if per := (heap() - before) / n; per > most {
		t.Errorf("a target takes %d bytes, want %d at most", per, most)
	} else {
		t.Logf("a target takes %d bytes", per)
	}
	runtime.KeepAlive(m)
}

// heap returns how many bytes live.
func heap() int {
	var s runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&s)
	return int(s.HeapAlloc)
}

type blind struct{}

func (*blind) Probed(Result)    {}
func (*blind) Changed([]Change) {}
