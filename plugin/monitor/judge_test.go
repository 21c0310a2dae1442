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
		{"H", "D0"},
		{"FF", "u1 D0"},
		{"FXF", "u1 u1 D0"},
		{"FPFFF", "u1 U0 U1 U2 D0"},
		{"XXH", "u0 u0 D0"},
		{"PFFF", "U0 U1 U2 D0"},
		{"PFFPFFF", "U0 U1 U2 U0 U1 U2 D0"},
		{"PFXFXF", "U0 U1 U1 U2 U2 D0"},
		{"HPFPP", "D0 D1 D0 D1 U0"},
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

func TestChangesAreReported(t *testing.T) {
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

// TestLocalErrorsCountForNothing: no local error takes a target down, and
// it is counted and named.
func TestLocalErrorsCountForNothing(t *testing.T) {
	wrapped := func(errno syscall.Errno) error {
		return fmt.Errorf("tcp: %w", &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", errno)})
	}
	tests := []struct {
		name, localError string
		probe            Probe
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
		{"timed out, noticed late", "late", func(context.Context, netip.Addr) error {
			time.Sleep(usual.Timeout + graceOf(usual.Timeout) + 1)
			return context.DeadlineExceeded
		}},
		{"timed out, noticed in time", "", func(context.Context, netip.Addr) error {
			time.Sleep(usual.Timeout + graceOf(usual.Timeout))
			return wrapped(syscall.ETIMEDOUT)
		}},
		{"refused", "", func(context.Context, netip.Addr) error { return wrapped(syscall.ECONNREFUSED) }},
		{"no such host", "EHOSTUNREACH", func(context.Context, netip.Addr) error { return wrapped(syscall.EHOSTUNREACH) }},
		{"a router has no route", "", func(context.Context, netip.Addr) error { return remote{wrapped(syscall.ENETUNREACH)} }},
		{"a router knows no such host", "", func(context.Context, netip.Addr) error { return remote{wrapped(syscall.EHOSTUNREACH)} }},
		{"a router prohibits", "", func(context.Context, netip.Addr) error { return remote{wrapped(syscall.EACCES)} }},
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
				if last.LocalError != tc.localError {
					t.Errorf("local error is %q, want %q", last.LocalError, tc.localError)
				}
				want, counted := verdict.Up, LocalError
				if tc.localError == "" {
					want, counted = verdict.Down, Fail
				}
				if got := w.state(target).State; got != want || target.Count(counted) < 3 {
					t.Errorf("state is %v after %d %v, want %v", got, target.Count(counted), counted, want)
				}
			})
		})
	}
}

// A remote error was reported by another machine.
type remote struct{ error }

func (remote) Local() bool     { return false }
func (r remote) Unwrap() error { return r.error }

// TestBeganLate: a goroutine that the machine had no time for is a local error.
func TestBeganLate(t *testing.T) {
	r := flight{target: &Target{group: &group{Check: usual}}, released: 0, began: lateness, ended: lateness}
	if f := r.localError(); f != "" {
		t.Errorf("local error is %q after %v, want none", f, lateness)
	}
	if r.began++; r.localError() != "late" {
		t.Errorf("local error is %q, want late", r.localError())
	}
}

// TestShortTimeoutsAreNoticedAtOnceOrNotAtAll: a timeout of 100 ms that is
// noticed after 120 ms is no proof that the reply has not come, while a refusal
// after 120 ms is a refusal.
func TestShortTimeoutsAreNoticedAtOnceOrNotAtAll(t *testing.T) {
	for timeout, want := range map[time.Duration]time.Duration{
		20 * time.Millisecond: 10 * time.Millisecond, 100 * time.Millisecond: 10 * time.Millisecond,
		time.Second: 100 * time.Millisecond, 3 * time.Second: lateness, time.Minute: lateness,
	} {
		if got := graceOf(timeout); got != want {
			t.Errorf("grace of a timeout of %v is %v, want %v", timeout, got, want)
		}
	}
	short := usual
	short.Timeout = 100 * time.Millisecond
	const ms = time.Millisecond
	for _, tc := range []struct {
		began, took time.Duration
		err         error
		late        bool
	}{
		{0, 110 * ms, context.DeadlineExceeded, false},
		{0, 111 * ms, context.DeadlineExceeded, true},
		{0, 111 * ms, &net.OpError{Op: "read", Err: os.ErrDeadlineExceeded}, true},
		{0, 111 * ms, errHard, false},
		{0, 111 * ms, nil, false},
		{0, 301 * ms, errHard, true},
		{0, 301 * ms, nil, true},
		{10 * ms, 100 * ms, context.DeadlineExceeded, false},
		{11 * ms, 100 * ms, context.DeadlineExceeded, true},
		{11 * ms, 10 * ms, errHard, false},
	} {
		r := flight{target: &Target{group: &group{Check: short}}, began: tc.began, ended: tc.began + tc.took, err: tc.err}
		if got := r.localError() == "late"; got != tc.late {
			t.Errorf("began after %v, ended %v later with %v: late %t, want %t", tc.began, tc.took, tc.err, got, tc.late)
		}
	}
}

// TestStale: five intervals after the last result that counted, within a
// second, the verdict is unknown. A former down is down again by one failure.
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
					return errHard
				})[0]
				w.acquire(2, 1, usual, pass) // results of other targets do not postpone it
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

// TestStaleKeepsItsPast: a machine that is too busy to probe for five intervals
// takes nothing out of the answers by the one timeout that comes next, but by
// the usual number of them, at the fast interval.
func TestStaleKeepsItsPast(t *testing.T) {
	within(t, func(w *watch) {
		var faulty, failing atomic.Bool
		target := w.acquire(1, 1, usual, func(context.Context, netip.Addr) error {
			switch {
			case failing.Load():
				return errDown
			case faulty.Load():
				return syscall.EMFILE
			}
			return nil
		})[0]
		w.wait(2 * usual.Interval)
		faulty.Store(true)
		w.wait(7 * usual.Interval)
		if v := w.state(target); v != (verdict.Verdict{Past: verdict.Up}) {
			t.Fatalf("verdict is %+v, want unknown, up in the past", v)
		}
		var got []string
		w.mu.Lock()
		w.probed = func(r Result) { got = append(got, short(r.Target.v)) }
		w.mu.Unlock()
		before := len(w.starts[ip(1)])
		failing.Store(true)
		w.wait(usual.Interval*11/10 + 3*usual.Fast)
		if g := strings.Join(got, " "); !strings.HasPrefix(g, "u1 u2 D0") {
			t.Fatalf("verdicts are %s, want unknown till the third failure", g)
		}
		starts := w.starts[ip(1)][before:]
		about(t, "from the first failure to the third", starts[2]-starts[0], 2*usual.Fast)
	})
}

// TestFirstFailureIsRepeatedAtOnce: a timeout as the first result is asked
// again without a wait, a hard failure or a local error is not.
func TestFirstFailureIsRepeatedAtOnce(t *testing.T) {
	for _, tc := range []struct {
		name, results string
		repeated      bool // at once
		states        string
	}{
		{"passes then", "FP", true, "u1 U0"},
		{"fails then", "FF", true, "u1 D0"},
		{"refuses then", "FH", true, "u1 D0"},
		{"a local error then: the third comes fast", "FXF", true, "u1 u1 D0"},
		{"a hard failure", "HH", false, "D0 D0"},
		{"a local error", "XX", false, "u0 u0"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			within(t, func(w *watch) {
				var got []string
				w.probed = func(r Result) { got = append(got, short(r.Target.v)) }
				w.acquire(1, 1, usual, script(tc.results))
				w.wait(time.Second)
				// One that is not repeated comes in its slot, which may be any time.
				starts := w.starts[ip(1)]
				if at := len(starts) > 1 && starts[1] == starts[0]; at != tc.repeated {
					t.Errorf("probes after %v, want a second at once: %t", gaps(starts), tc.repeated)
				}
				w.wait(2 * usual.Interval)
				if g := strings.Join(got[:len(tc.results)], " "); g != tc.states {
					t.Errorf("verdicts are %s, want %s", g, tc.states)
				}
				if len(tc.results) == 3 {
					about(t, "wait behind a local error", gaps(w.starts[ip(1)])[1], usual.Fast)
				}
			})
		})
	}
}

// A model judges by the plain words of the manual: it keeps the letters of all
// results that counted since the verdict was last stale, and looks at the end
// of them.
type model struct {
	state   verdict.State
	past    verdict.State // before it was stale
	history string
	last    time.Duration // when the last one of them began
}

func (m *model) result(passed bool, r verdict.Rule, at time.Duration) {
	letter := "F"
	if passed {
		letter = "P"
	}
	m.history += letter
	m.last = at
	if m.state == verdict.Unknown {
		m.state = m.decide(r)
		return
	}
	switch {
	case strings.HasSuffix(m.history, strings.Repeat("P", r.Rise)):
		m.state = verdict.Up
	case strings.HasSuffix(m.history, strings.Repeat("F", r.Fall)):
		m.state = verdict.Down
	}
}

// decide returns the state that follows unknown.
func (m *model) decide(r verdict.Rule) verdict.State {
	passes, failures := r.Rise, r.Fall
	switch m.past {
	case verdict.Up:
		passes = 1
	case verdict.Down:
		failures = 1
	default:
		passes, failures = 1, min(2, r.Fall)
	}
	switch {
	case strings.HasSuffix(m.history, strings.Repeat("P", passes)):
		return verdict.Up
	case strings.HasSuffix(m.history, strings.Repeat("F", failures)):
		return verdict.Down
	}
	return verdict.Unknown
}

func (m *model) forget() {
	if m.state != verdict.Unknown {
		m.past = m.state
	}
	m.state, m.history = verdict.Unknown, ""
}

// resultWhileUnknown is result for a verdict that is unknown already: no event shows when
// its streak went stale. Within the time that a sweep may take either is right.
func (m *model) resultWhileUnknown(res Result, began, now time.Duration) {
	limit := staleAfter * res.Target.group.Interval
	if now-m.last >= limit {
		forgetful := *m
		forgetful.forget()
		forgetful.result(res.Class == Pass, res.Target.Rule(), began)
		v := res.Target.v
		same := forgetful.state == v.State && (v.State != verdict.Unknown || int(v.Streak) == len(forgetful.history))
		if same || now-m.last > limit+2*sweepEvery {
			*m = forgetful
			return
		}
	}
	m.result(res.Class == Pass, res.Target.Rule(), began)
}

// TestAnHourAgainstTheModel: some targets are healthy, some flap, some
// hang, and now and then every probe is a local error, for an hour. After each result
// the verdict is the model's, and stale verdicts go when the manual says.
func TestAnHourAgainstTheModel(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4)) // used under the lock of w
	within(t, func(w *watch) {
		models := make(map[*Target]*model)
		var steps, localErrors, stale, downs int
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
				t.Errorf("%s: a verdict was kept for %v", res.Target.Addr, began-m.last)
			}
			switch {
			case res.Class == LocalError:
				localErrors++
			case m.state == verdict.Unknown:
				m.resultWhileUnknown(res, began, w.now())
			default:
				m.result(res.Class == Pass, res.Target.Rule(), began)
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
		if steps < 100_000 || localErrors == 0 || stale == 0 || downs == 0 {
			t.Errorf("%d steps, %d local errors, %d stale, %d down: too few to prove anything", steps, localErrors, stale, downs)
		}
		t.Logf("%d results, %d of them local errors, %d verdicts went stale", steps, localErrors, stale)
	})
}
