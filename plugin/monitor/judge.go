package monitor

import (
	"time"

	"github.com/rrhealth/rrhealth/plugin/verdict"
)

const (
	// lateness is how late a probe of ours may start or be read and still count.
	lateness = 200 * time.Millisecond
	// leastGrace is the same at the least for a timeout, see graceOf.
	leastGrace = 10 * time.Millisecond
	// staleAfter is how many intervals a verdict lives without a result.
	staleAfter = 5
	// sweepEvery is how often verdicts are looked over for staleness at most.
	sweepEvery = time.Second
)

// A Result is what became of one probe.
type Result struct {
	Target     *Target
	Outcome    Outcome
	LocalError string        // its name; "" unless Outcome is LocalError
	Err        error         // nil when the probe passed
	Delay      time.Duration // from when the probe was due to when it was let start
	Duration   time.Duration // of the probe
}

// An Outcome classes a result.
type Outcome uint8

// The outcomes of a probe.
const (
	Pass       Outcome = iota
	Fail               // the target's failure
	LocalError         // a local error; it counts for nothing
)

// Outcomes lists every outcome.
var Outcomes = [...]Outcome{Pass, Fail, LocalError}

// String returns the word used in metrics.
func (o Outcome) String() string { return [...]string{"pass", "fail", "error"}[o] }

// Late reports whether the probe started so late that its schedule was missed.
// Its result counts all the same: it says how the target is now.
func (r Result) Late() bool { return r.Delay > lateness }

// A Change is a verdict that has become another, as far as readers can tell:
// its state, or whether the target is suspect.
type Change struct {
	Target        *Target
	Before, After verdict.Verdict
	Err           error // why, when it speaks against the target; nil otherwise
}

// fold takes one result into its target's verdict and schedules the next probe.
func (m *Monitor) fold(r result) {
	t := r.target
	m.done(t.group)
	if t.index == released {
		return
	}
	localError := r.localError()
	outcome := Pass
	switch {
	case localError != "":
		outcome = LocalError
	case r.err != nil:
		outcome = Fail
	}
	t.counts[outcome].Add(1)
	if outcome != LocalError {
		m.judge(t, verdict.After(t.v, classify(r.err), t.group.Rule), r.err)
		m.confirm(t, r.began)
	}
	m.answered(t, outcome)
	m.reschedule(t, outcome, r.released, r.ended)
	m.sink.Probed(Result{
		Target: t, Outcome: outcome, LocalError: localError, Err: r.err,
		Delay: r.released - r.due, Duration: r.ended - r.began,
	})
}

// answered notes that t need not be awaited any more: it has its first verdict,
// or a local error says that waiting is no use.
func (m *Monitor) answered(t *Target, o Outcome) {
	if t.asked || t.repeats(o) {
		return
	}
	t.asked = true
	m.awaited.Add(-1)
	if o == LocalError { // no longer suspect
		m.changes = append(m.changes, Change{Target: t, Before: t.v, After: t.v})
	}
}

// repeats reports whether the result o of t was a first failure that does not
// decide.
func (t *Target) repeats(o Outcome) bool { return o == Fail && t.v.First() }

// localError names the local error that spoiled the probe, or returns "".
func (r result) localError() string {
	grace := lateness
	if timedOut(r.err) {
		grace = graceOf(r.target.group.Timeout)
	}
	if r.began-r.released > grace || r.ended-r.began > r.target.group.Timeout+grace {
		return "late"
	}
	return localErrorOf(r.err)
}

// graceOf is lateness for a probe that timed out. A goroutine that begins, or
// that notices its deadline, later than a tenth of the timeout after its time
// has had to wait for a processor, and so may have missed a reply that came in
// time. With 200 ms for all, each time that a busy machine stops us for so long
// would be an outage of whatever is probed with a timeout of 100 ms.
//
// A target that is silent goes down all the same: of its timeouts, those count
// that are noticed in time, and the others do not clear the streak.
func graceOf(timeout time.Duration) time.Duration {
	return min(max(timeout/10, leastGrace), lateness)
}

// judge gives t the verdict v. It is the only place where results become
// verdicts.
func (m *Monitor) judge(t *Target, v verdict.Verdict, err error) {
	before, suspect := t.v, t.Suspect()
	t.v = v
	if before.State != v.State || suspect != t.Suspect() {
		m.changes = append(m.changes, Change{t, before, v, err})
	}
}

// confirm notes that t's verdict was true at the given time.
func (m *Monitor) confirm(t *Target, at time.Duration) {
	t.since = at
	m.nextSweep = min(m.nextSweep, max(t.stale(), m.lastSweep+sweepEvery))
}

// stale returns when t's verdict is too old to be believed.
func (t *Target) stale() time.Duration { return t.since + staleAfter*t.group.Interval }

// sweep makes stale verdicts unknown, and forgets stale streaks. It looks at all of them, whatever became
// of their probes: a target whose results stopped counting, or stopped coming,
// is the one that no event will remind us of. There is no need to look before
// the oldest verdict can be stale, since verdicts are only confirmed later than
// before; with a fleet that is well that is every four intervals.
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
