package monitor

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/rrhealth/rrhealth/plugin/verdict"
)

// TestVerdicts plays scripts and compares the verdict after each result.
func TestVerdicts(t *testing.T) {
	tests := []struct{ results, want string }{
		{"P", "U0"},
		{"F", "D0"},
		{"XXF", "u0 u0 D0"},
		{"PFFF", "U0 U1 U2 D0"},
		{"PFFPFFF", "U0 U1 U2 U0 U1 U2 D0"},
		{"PFXFXF", "U0 U1 U1 U2 U2 D0"},
		{"FPFPP", "D0 D1 D0 D1 U0"},
		{"PXXXX", "U0 U0 U0 U0 U0"}, // stale only after five intervals
	}
	for _, tc := range tests {
		t.Run(tc.results, func(t *testing.T) {
			within(t, func(w *watch) {
				var got []string
				w.probed = func(r Result) { got = append(got, short(r.Target.v)) }
				w.acquire(1, 1, usual, script(tc.results))
				for w.wait(time.Second); len(got) < len(tc.results); {
					w.wait(time.Second)
				}
				if g := strings.Join(got[:len(tc.results)], " "); g != tc.want {
					t.Errorf("got %s, want %s", g, tc.want)
				}
			})
		})
	}
}

func short(v verdict.Verdict) string {
	return fmt.Sprintf("%c%d", "uUD"[v.State], v.Streak)
}

func TestChangesAreTold(t *testing.T) {
	within(t, func(w *watch) {
		w.acquire(1, 1, usual, script("PPFPFFFXPP"))
		w.wait(3 * time.Minute)
		want := []string{
			"u0 U0 <nil>", "U0 U1 down", "U1 U0 <nil>", "U0 U1 down", "U2 D0 down", "D0 D1 <nil>", "D1 U0 <nil>",
		}
		var got []string
		for _, c := range w.changes {
			got = append(got, fmt.Sprintf("%s %s %v", short(c.Before), short(c.After), c.Err))
		}
		if g, w := strings.Join(got, ", "), strings.Join(want, ", "); g != w {
			t.Errorf("got  %s\nwant %s", g, w)
		}
	})
}

// TestLocalFaultsCountForNothing: whatever of ours fails, nobody goes down, and
// it is counted and named.
func TestLocalFaultsCountForNothing(t *testing.T) {
	wrapped := func(errno syscall.Errno) error {
		return fmt.Errorf("tcp: %w", &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", errno)})
	}
	tests := []struct {
		name, fault string
		probe       Probe
	}{
		{"no descriptor", "EMFILE", func(context.Context, netip.Addr) error { return wrapped(syscall.EMFILE) }},
		{"no route", "ENETUNREACH", func(context.Context, netip.Addr) error { return wrapped(syscall.ENETUNREACH) }},
		{"no port", "EADDRNOTAVAIL", func(context.Context, netip.Addr) error { return wrapped(syscall.EADDRNOTAVAIL) }},
		{"read late, passed", "late", func(context.Context, netip.Addr) error { time.Sleep(usual.Timeout + lateness + 1); return nil }},
		{"read late, failed", "late", func(context.Context, netip.Addr) error {
			time.Sleep(usual.Timeout + lateness + 1)
			return errDown
		}},
		{"read just in time", "", func(context.Context, netip.Addr) error { time.Sleep(usual.Timeout + lateness); return errDown }},
		{"refused", "", func(context.Context, netip.Addr) error { return wrapped(syscall.ECONNREFUSED) }},
		{"no such host", "", func(context.Context, netip.Addr) error { return wrapped(syscall.EHOSTUNREACH) }},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			within(t, func(w *watch) {
				var faulty atomic.Bool
				target := w.acquire(1, 1, usual, func(ctx context.Context, addr netip.Addr) error {
					if faulty.Load() {
						return tc.probe(ctx, addr)
					}
					return nil
				})[0]
				w.wait(12 * time.Second)
				faulty.Store(true)
				w.wait(34 * time.Second)
				last := w.results[len(w.results)-1]
				if last.Fault != tc.fault {
					t.Errorf("fault is %q, want %q", last.Fault, tc.fault)
				}
				want, counted := verdict.Up, Fault
				if tc.fault == "" {
					want, counted = verdict.Down, Fail
				}
				if got := w.state(target).State; got != want || target.Count(counted) < 3 {
					t.Errorf("state is %v after %d %v, want %v", got, target.Count(counted), counted, want)
				}
			})
		})
	}
}

// TestBeganLate: a goroutine that the machine had no time for is our fault.
func TestBeganLate(t *testing.T) {
	r := result{target: &Target{group: &group{Check: usual}}, released: 0, began: lateness, ended: lateness}
	if f := r.fault(); f != "" {
		t.Errorf("fault is %q after %v, want none", f, lateness)
	}
	if r.began++; r.fault() != "late" {
		t.Errorf("fault is %q, want late", r.fault())
	}
}

// TestStale: five intervals after the last result that counted, within a
// second, the verdict is unknown; the next result that counts decides.
func TestStale(t *testing.T) {
	for _, interval := range []time.Duration{100 * time.Millisecond, 10 * time.Second, time.Hour} {
		t.Run(interval.String(), func(t *testing.T) {
			within(t, func(w *watch) {
				check := usual
				check.Interval, check.Fast, check.Timeout = interval, interval/5, interval/4
				since := time.Duration(0)
				var faulty atomic.Bool
				target := w.acquire(1, 1, check, func(context.Context, netip.Addr) error {
					if faulty.Load() {
						return syscall.EMFILE
					}
					since = w.now()
					return errDown
				})[0]
				w.acquire(2, 1, usual, pass) // somebody else's results do not put it off
				w.wait(3 * interval)
				faulty.Store(true)
				w.wait(since + staleAfter*interval - w.now() - 1)
				if s := w.state(target).State; s != verdict.Down {
					t.Errorf("state is %v %v after the last result, want down", s, w.now()-since)
				}
				w.wait(sweepEvery + time.Millisecond)
				if s := w.state(target).State; s != verdict.Unknown {
					t.Errorf("state is %v %v after the last result, want unknown", s, w.now()-since)
				}
				last := w.changes[len(w.changes)-1]
				if last.Target != target || !errors.Is(last.Err, errStale) {
					t.Errorf("the last change is %+v, want stale", last)
				}
				faulty.Store(false)
				w.wait(2 * interval)
				if s := w.state(target).State; s != verdict.Down {
					t.Errorf("state is %v, want down by the first result", s)
				}
			})
		})
	}
}

// A model judges by the plain words of the manual: it keeps the letters of all
// results that counted and looks at the end of them.
type model struct {
	state   verdict.State
	history string
	last    time.Duration // when the last one of them began
}

func (m *model) hear(passed bool, r verdict.Rule, at time.Duration) {
	letter := "F"
	if passed {
		letter = "P"
	}
	first := m.history == ""
	m.history += letter
	m.last = at
	switch {
	case first && passed, strings.HasSuffix(m.history, strings.Repeat("P", r.Rise)):
		m.state = verdict.Up
	case first, strings.HasSuffix(m.history, strings.Repeat("F", r.Fall)):
		m.state = verdict.Down
	}
}

func (m *model) forget() { m.state, m.history = verdict.Unknown, "" }

// TestAnHourAgainstTheModel: a fleet of which some are well, some flap, some
// hang, and now and then nothing of ours works, for an hour. After each result
// the verdict is the model's, and stale verdicts go when the manual says.
func TestAnHourAgainstTheModel(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4)) // used under the lock of w
	within(t, func(w *watch) {
		models := make(map[*Target]*model)
		var steps, faults, stale, downs int
		outage := func() bool { return w.now()%(20*time.Minute) > 17*time.Minute }
		w.probed = func(res Result) {
			m := models[res.Target]
			if m == nil {
				m = new(model)
				models[res.Target] = m
			}
			steps++
			began := w.now() - res.Duration
			if m.state != verdict.Unknown && began-m.last > staleAfter*res.Target.group.Interval+2*sweepEvery+res.Duration {
				t.Errorf("%s: a verdict lived for %v", res.Target.Addr, began-m.last)
			}
			if res.Outcome == Fault {
				faults++
			} else {
				m.hear(res.Outcome == Pass, res.Target.Rule(), began)
			}
			if m.state == verdict.Down {
				downs++
			}
			if got := res.Target.v.State; got != m.state {
				t.Errorf("%v %s: state is %v after %s, want %v", w.now(), res.Target.Addr, got, m.history, m.state)
			}
		}
		w.changed = func(c Change) {
			if !errors.Is(c.Err, errStale) {
				return
			}
			stale++
			m := models[c.Target]
			if age := w.now() - m.last; age < staleAfter*c.Target.group.Interval {
				t.Errorf("%s went stale after %v", c.Target.Addr, age)
			}
			m.forget()
		}
		sick := func(ctx context.Context, addr netip.Addr) error {
			w.mu.Lock()
			dice, pause := r.Float64(), time.Duration(r.Int64N(int64(time.Second)))
			w.mu.Unlock()
			b := addr.As4()
			switch p := float64(b[3]) / 100; {
			case outage() && dice < 0.97:
				return syscall.ENETUNREACH
			case dice < p/2:
				time.Sleep(pause)
				return errDown
			case dice < p:
				return hang(ctx, addr)
			}
			return nil
		}
		brisk := usual
		brisk.Interval, brisk.Fast, brisk.Timeout, brisk.Rule = 3*time.Second, time.Second, 2*time.Second, verdict.Rule{Rise: 3, Fall: 1}
		w.acquire(0, 100, usual, sick)
		w.acquire(0, 100, brisk, sick)
		w.wait(time.Hour)
		if steps < 100_000 || faults == 0 || stale == 0 || downs == 0 {
			t.Errorf("%d steps, %d faults, %d stale, %d down: too few to prove anything", steps, faults, stale, downs)
		}
		t.Logf("%d results, %d of them faults, %d verdicts went stale", steps, faults, stale)
	})
}
