package monitor

import (
	"errors"
	"time"

	"github.com/rrhealth/rrhealth/plugin/verdict"
)

const (
	// lateness is how late a probe may begin or end and still count.
	lateness = 200 * time.Millisecond
	// leastGrace is the lower bound of the same for a timeout, see graceOf.
	leastGrace = 10 * time.Millisecond
	// staleAfter is after how many intervals without a result that counts a
	// verdict becomes stale.
	staleAfter = 5
	// sweepEvery is the least time between two sweeps for stale verdicts.
	sweepEvery = time.Second
)

// A Result is how one probe ended.
type Result struct {
	Target     *Target
	Class      Class
	LocalError string        // the name of the local error; "" unless Class is LocalError
	Err        error         // nil if the probe passed
	Delay      time.Duration // from when the probe was due to when the loop started it
	Duration   time.Duration // of the probe
}

// A Class says whether a result counts, and for what.
type Class uint8

// The classes.
const (
	Pass       Class = iota
	Fail             // the target's failure
	LocalError       // a local error, which does not count
)

// Classes lists every class.
var Classes = [...]Class{Pass, Fail, LocalError}

// String returns the class's name in metrics.
func (c Class) String() string { return [...]string{"pass", "fail", "error"}[c] }

// Late reports whether the loop started the probe more than lateness after it
// was due. The result counts all the same.
func (r Result) Late() bool { return r.Delay > lateness }

// A Change is a change of a target's state, or of whether it is suspect.
type Change struct {
	Target        *Target
	Before, After verdict.Verdict
	Err           error // the failure, or why the verdict is stale; nil after a pass
}

// fold adds one flight to its target's verdict and schedules the next probe.
func (m *Monitor) fold(f flight) {
	t := f.target
	m.finish(t.group)
	if t.index == released {
		return
	}
	localError := f.localError()
	class := Pass
	switch {
	case localError != "":
		class = LocalError
	case f.err != nil:
		class = Fail
	}
	t.counts[class].Add(1)
	if class != LocalError {
		m.judge(t, verdict.After(t.v, resultOf(f.err), t.group.Rule), f.err)
		m.confirm(t, f.began)
	}
	m.settle(t, class)
	m.reschedule(t, class, f.released, f.ended)
	m.sink.Probed(Result{
		Target: t, Class: class, LocalError: localError, Err: f.err,
		Delay: f.released - f.due, Duration: f.ended - f.began,
	})
}

// resultOf returns the result of a probe that ended in err. An error that knows
// whether the failure is hard has a method Hard, as network errors have Timeout.
func resultOf(err error) verdict.Result {
	if err == nil {
		return verdict.Pass
	}
	var known interface{ Hard() bool }
	if errors.As(err, &known) && known.Hard() {
		return verdict.Hard
	}
	return verdict.Fail
}

// timedOut reports whether err is a timeout.
func timedOut(err error) bool {
	var known interface{ Timeout() bool }
	return errors.As(err, &known) && known.Timeout()
}

// settle notes that readiness does not wait for t any more: t has its first
// verdict, or a local error keeps it from one.
func (m *Monitor) settle(t *Target, c Class) {
	if t.settled || t.repeats(c) {
		return
	}
	t.settled = true
	m.awaited.Add(-1)
	if c == LocalError { // no longer suspect
		m.changes = append(m.changes, Change{Target: t, Before: t.v, After: t.v})
	}
}

// repeats reports whether a result of class c was t's first failure, and does
// not decide.
func (t *Target) repeats(c Class) bool { return c == Fail && t.v.First() }

// localError returns the name of the local error that spoiled the probe, or "".
func (f flight) localError() string {
	grace := lateness
	if timedOut(f.err) {
		grace = graceOf(f.target.group.Timeout)
	}
	if f.began-f.released > grace || f.ended-f.began > f.target.group.Timeout+grace {
		return "late"
	}
	return LocalErrorOf(f.err)
}

// graceOf is lateness for a probe that timed out: a tenth of the timeout. A
// goroutine that begins, or notices its deadline, later than that has waited
// for a processor, and may have missed a reply that came in time. With 200 ms
// for all, a machine that is busy for so long would take down every backend
// with a timeout of 100 ms.
//
// A silent target goes down all the same: the timeouts that are noticed in time
// count, and the others do not clear the streak.
func graceOf(timeout time.Duration) time.Duration {
	return min(max(timeout/10, leastGrace), lateness)
}

// judge sets t's verdict to v, and notes the change. Nothing else sets verdicts,
// except inherit.
func (m *Monitor) judge(t *Target, v verdict.Verdict, err error) {
	before, suspect := t.v, t.Suspect()
	t.v = v
	if before.State != v.State || suspect != t.Suspect() {
		m.changes = append(m.changes, Change{t, before, v, err})
	}
}

// confirm notes that a result at the given time counted for t's verdict.
func (m *Monitor) confirm(t *Target, at time.Duration) {
	t.since = at
	m.nextSweep = min(m.nextSweep, max(t.stale(), m.lastSweep+sweepEvery))
}

// stale returns when t's verdict becomes stale.
func (t *Target) stale() time.Duration { return t.since + staleAfter*t.group.Interval }

// sweep makes stale verdicts unknown, and clears stale streaks. It looks at all
// targets: no event reports a target whose results stopped counting, or whose
// probe does not return. It need not run before the oldest verdict can be
// stale, since a later result only postpones that; while all targets are
// healthy, it runs about every four intervals.
func (m *Monitor) sweep(now time.Duration) {
	if now < m.nextSweep {
		return
	}
	next := never
	for _, t := range m.targets {
		switch stale := t.v.Stale(); {
		case t.v == stale:
		case t.stale() <= now:
			m.judge(t, stale, errStale)
		default:
			next = min(next, t.stale())
		}
	}
	m.lastSweep = now
	m.nextSweep = max(next, now+sweepEvery)
}
