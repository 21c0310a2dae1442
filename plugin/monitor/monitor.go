// Package monitor keeps watch: it decides when each target is probed, has the
// probes run, and folds their results into verdicts.
//
// One goroutine, the loop, owns every target: the schedule (a heap of due
// times), the verdicts, and who uses which target. Probes run in goroutines of
// their own, as many as are in flight and no more, and send back one result
// each. An idle target is an entry in the heap and costs no goroutine.
//
// A target is an address and a check, and is probed once however many pools
// ask for it. It waits interval (±10 %) from the start of one probe to the
// start of the next, or fast after a result that contradicts its verdict.
// First probes start at once, at most a thousand a second unless that would
// take longer than an interval; the wait after the first is a random part of
// the interval, so that a round that began in a burst is spread from then on.
//
// Not every failed probe speaks against its target. Where we had no file
// descriptor, no port or no route, or were so busy that the probe started or
// was read too late, the result counts for nothing. A verdict that has had no
// counting result for five intervals is stale and becomes unknown.
package monitor

import (
	"container/heap"
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rrhealth/rrhealth/plugin/verdict"
)

const (
	// jitter is the most by which a wait is lengthened or shortened.
	jitter = 0.10
	// lateness is how late a probe of ours may start or be read and still count.
	lateness = 200 * time.Millisecond
	// staleAfter is how many intervals a verdict lives without a result.
	staleAfter = 5
	// sweepEvery is how often verdicts are looked over for staleness.
	sweepEvery = time.Second
	// firstGap is the pace of first probes: a thousand a second.
	firstGap = time.Millisecond
	// leastInFlight is how many probes may always be in flight, descriptors
	// permitting.
	leastInFlight = 256
	// stopWithin bounds how long Stop waits for probes to return.
	stopWithin = 5 * time.Second
)

// A Check is what is asked of an address, how often, and how results are
// judged. It is a value: targets with equal checks and addresses are one.
type Check struct {
	ID       string        // tells questions apart, see probe.Check
	Interval time.Duration // from the start of one probe to the next
	Fast     time.Duration // the same after a contrary result
	Timeout  time.Duration // bounds one probe
	Rule     verdict.Rule
}

// A Probe asks an address once; see probe.Func.
type Probe func(context.Context, netip.Addr) error

// A Target is one address under watch. Its fields belong to the loop, but for
// the counters, which may be read at any time.
type Target struct {
	Addr   netip.Addr
	check  Check
	probe  Probe
	refs   int
	v      verdict.Verdict
	asked  bool      // has had a first result, counting or not
	since  time.Time // when the verdict was last confirmed, or the target was created
	due    time.Time
	index  int // in the heap, or one of the places below
	counts [3]atomic.Uint64
}

// Where a target is while it is not in the heap.
const (
	fresh  = -1 - iota // in the queue of first probes
	flying             // its probe is in flight
	gone               // released; a probe may still be in flight
)

// Verdict returns the verdict. Call it within Do or a Sink only.
func (t *Target) Verdict() verdict.Verdict { return t.v }

// Rule returns the rule by which t is judged.
func (t *Target) Rule() verdict.Rule { return t.check.Rule }

// Count returns how many probes of t ended with the outcome o.
func (t *Target) Count(o Outcome) uint64 { return t.counts[o].Load() }

// A Result is what became of one probe.
type Result struct {
	Target   *Target
	Outcome  Outcome
	Fault    string        // what of ours was at fault; "" unless Outcome is Fault
	Err      error         // nil when the probe passed
	Delay    time.Duration // from when the probe was due to when it started
	Duration time.Duration // of the probe
}

// An Outcome classes a result.
type Outcome uint8

// The outcomes of a probe.
const (
	Pass  Outcome = iota
	Fail          // the target's failure
	Fault         // our own; it counts for nothing
)

// Outcomes lists every outcome.
var Outcomes = [...]Outcome{Pass, Fail, Fault}

// String returns the word used in metrics.
func (o Outcome) String() string { return [...]string{"pass", "fail", "fault"}[o] }

// Late reports whether the probe started so late that its schedule was missed.
func (r Result) Late() bool { return r.Delay > lateness }

// A Change is a verdict that has become another, as far as readers can tell:
// its state, or whether it is changing.
type Change struct {
	Target        *Target
	Before, After verdict.Verdict
	Err           error // why, when it speaks against the target; nil otherwise
}

// A Sink is told what the monitor sees, always by the loop's goroutine.
type Sink interface {
	Probed(Result)
	Changed([]Change)
}

// A Monitor watches targets from New to Stop.
type Monitor struct {
	sink     Sink
	fdLimit  int
	ctx      context.Context
	cancel   context.CancelFunc
	calls    chan func()
	results  chan result
	loopDone chan struct{}
	probes   sync.WaitGroup
	awaited  atomic.Int64 // targets without a first result

	// What follows belongs to the loop.
	targets   map[key]*Target
	questions map[question]*Target // a target that asks this, at whatever pace
	schedule  schedule
	queue     []*Target // fresh targets, in order of arrival
	nextFresh time.Time // when the head of queue may start
	nextSweep time.Time
	inFlight  int
	load      float64 // probes in flight if every target ran to its time-out
	changes   []Change
}

type key struct {
	addr  netip.Addr
	check Check
}

type question struct {
	addr netip.Addr
	id   string
}

// New starts a monitor without targets.
func New(sink Sink) *Monitor {
	m := &Monitor{
		sink:      sink,
		fdLimit:   descriptorsForProbes(),
		calls:     make(chan func()),
		results:   make(chan result, 64),
		loopDone:  make(chan struct{}),
		targets:   make(map[key]*Target),
		questions: make(map[question]*Target),
		nextSweep: time.Now().Add(sweepEvery),
	}
	m.ctx, m.cancel = context.WithCancel(context.Background())
	go m.loop()
	return m
}

// Stop ends the watch: probes in flight are cancelled and waited for, and
// nothing is told to the sink any more. It returns within a few seconds even
// if a probe does not.
func (m *Monitor) Stop() {
	m.cancel()
	<-m.loopDone
	done := make(chan struct{})
	go func() { m.probes.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(stopWithin):
	}
}

// Do runs f on the loop's goroutine and returns when it is through. Acquire,
// Release and Verdict are for use within f. Do returns false, without running
// f, when the monitor has been stopped.
func (m *Monitor) Do(f func()) bool {
	done := make(chan struct{})
	select {
	case m.calls <- func() { defer close(done); f() }:
		<-done
		return true
	case <-m.loopDone:
		return false
	}
}

// Awaited returns how many targets have not had their first result yet.
func (m *Monitor) Awaited() int { return int(m.awaited.Load()) }

// Acquire returns the target that asks check of addr, and makes it if there is
// none. Each Acquire is owed a Release. A new target whose question is already
// asked at another pace starts with that one's state: a reload that only
// changes an interval forgets nobody who is down.
func (m *Monitor) Acquire(addr netip.Addr, check Check, probe Probe) *Target {
	k, q := key{addr, check}, question{addr, check.ID}
	t := m.targets[k]
	if t == nil {
		t = &Target{Addr: addr, check: check, probe: probe, index: fresh, since: time.Now()}
		if same := m.questions[q]; same != nil {
			t.v.State = same.v.State
		}
		m.targets[k] = t
		m.questions[q] = t
		m.queue = append(m.queue, t)
		m.load += t.check.load()
		m.awaited.Add(1)
	}
	t.refs++
	return t
}

// Release gives back one Acquire. A target that nobody uses is forgotten.
func (m *Monitor) Release(t *Target) {
	if t.refs--; t.refs > 0 {
		return
	}
	delete(m.targets, key{t.Addr, t.check})
	if q := (question{t.Addr, t.check.ID}); m.questions[q] == t {
		delete(m.questions, q)
	}
	if t.index >= 0 {
		heap.Remove(&m.schedule, t.index)
	}
	t.index = gone
	m.load -= t.check.load()
	if !t.asked {
		m.awaited.Add(-1)
	}
}

// load is the part of a probe that is in flight at any moment when the check
// always runs to its time-out.
func (c Check) load() float64 { return float64(c.Timeout) / float64(c.Interval) }

// limit is how many probes may be in flight: as many as a fleet that is wholly
// dead, each probe running to its time-out, needs to keep its schedule.
func (m *Monitor) limit() int {
	return min(max(int(m.load)+1, leastInFlight), m.fdLimit)
}

// loop is the one goroutine that owns the targets.
func (m *Monitor) loop() {
	defer close(m.loopDone)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		now := time.Now()
		m.sweep(now)
		m.launch(now)
		m.tell()
		timer.Reset(m.wait(now))
		select {
		case <-m.ctx.Done():
			return
		case f := <-m.calls:
			f()
		case r := <-m.results:
			m.fold(r)
			for range len(m.results) {
				m.fold(<-m.results)
			}
		case <-timer.C:
		}
	}
}

// wait returns how long the loop may sleep when it is not woken.
func (m *Monitor) wait(now time.Time) time.Duration {
	next := m.nextSweep
	if m.inFlight < m.limit() {
		if len(m.queue) > 0 && m.nextFresh.Before(next) {
			next = m.nextFresh
		}
		if len(m.schedule) > 0 && m.schedule[0].due.Before(next) {
			next = m.schedule[0].due
		}
	}
	return next.Sub(now)
}

// tell hands the changes over, once for all that one turn of the loop brought.
func (m *Monitor) tell() {
	if len(m.changes) > 0 {
		m.sink.Changed(m.changes)
		m.changes = nil
	}
}

// launch starts what is due, within the limit. What does not fit waits in the
// heap and starts late; it is never owed more than one probe.
func (m *Monitor) launch(now time.Time) {
	limit := m.limit()
	for m.inFlight < limit && len(m.schedule) > 0 && !m.schedule[0].due.After(now) {
		m.start(heap.Pop(&m.schedule).(*Target), now)
	}
	for m.inFlight < limit && len(m.queue) > 0 && !m.nextFresh.After(now) {
		t := m.queue[0]
		m.queue = m.queue[1:]
		if t.index == gone {
			continue
		}
		t.due = now
		m.start(t, now)
		m.pace(now)
	}
}

// pace sets when the next first probe may start: after firstGap, or earlier
// where the queue would otherwise take longer than an interval.
func (m *Monitor) pace(now time.Time) {
	gap := firstGap
	if n := len(m.queue); n > 0 {
		last := m.queue[n-1]
		left := last.since.Add(last.check.Interval).Sub(now)
		gap = min(gap, max(left/time.Duration(n), 0))
	}
	// Counted from when it could have started, so that a loop which was busy
	// catches up; but never from the distant past.
	if m.nextFresh.Before(now.Add(-lateness)) {
		m.nextFresh = now
	}
	m.nextFresh = m.nextFresh.Add(gap)
}

// start has t probed in a goroutine of its own.
func (m *Monitor) start(t *Target, now time.Time) {
	t.index = flying
	m.inFlight++
	m.probes.Add(1)
	r := result{target: t, released: now, delay: now.Sub(t.due)}
	go m.run(r)
}

// result is a probe's run, as its goroutine saw it.
type result struct {
	target   *Target
	released time.Time     // when the loop let it start
	delay    time.Duration // from its due time until then
	began    time.Time
	ended    time.Time
	err      error
}

func (m *Monitor) run(r result) {
	defer m.probes.Done()
	r.began = time.Now()
	ctx, cancel := context.WithTimeout(m.ctx, r.target.check.Timeout)
	defer cancel()
	r.err = ask(ctx, r.target)
	r.ended = time.Now()
	select {
	case m.results <- r:
	case <-m.ctx.Done():
	}
}

// ask runs the probe. A panic in it is its failure, not the server's: nothing
// else would stand between it and the end of the process.
func ask(ctx context.Context, t *Target) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the probe of %s panicked: %v", t.Addr, p)
		}
	}()
	return t.probe(ctx, t.Addr)
}

// fold takes one result into its target's verdict and schedules the next probe.
func (m *Monitor) fold(r result) {
	m.inFlight--
	t := r.target
	if t.index == gone {
		return
	}
	first := !t.asked
	if first {
		t.asked = true
		m.awaited.Add(-1)
	}
	fault := r.fault()
	outcome := Pass
	switch {
	case fault != "":
		outcome = Fault
	case r.err != nil:
		outcome = Fail
	}
	t.counts[outcome].Add(1)
	if outcome != Fault {
		t.since = r.began
		m.judge(t, verdict.After(t.v, r.err == nil, t.check.Rule), r.err)
	}
	m.reschedule(t, r.released, first)
	m.sink.Probed(Result{
		Target: t, Outcome: outcome, Fault: fault, Err: r.err,
		Delay: r.delay, Duration: r.ended.Sub(r.began),
	})
}

// fault names what of ours spoiled the probe, or returns "".
func (r result) fault() string {
	if r.began.Sub(r.released) > lateness || r.ended.Sub(r.began) > r.target.check.Timeout+lateness {
		return "late"
	}
	return faultOf(r.err)
}

// judge gives t the verdict v. It is the only place where a verdict is written.
func (m *Monitor) judge(t *Target, v verdict.Verdict, err error) {
	before := t.v
	t.v = v
	if before.State != v.State || before.Changing() != v.Changing() {
		m.changes = append(m.changes, Change{t, before, v, err})
	}
}

// reschedule sets when t is probed next, counted from the start of the last
// probe, so that a slow target is not asked less often than a quick one.
func (m *Monitor) reschedule(t *Target, started time.Time, first bool) {
	wait := wobble(t.check.Interval)
	switch {
	case t.v.Changing():
		wait = wobble(t.check.Fast)
	case first:
		wait = rand.N(t.check.Interval)
	}
	t.due = started.Add(wait)
	heap.Push(&m.schedule, t)
}

// wobble returns d, lengthened or shortened by at most jitter.
func wobble(d time.Duration) time.Duration {
	return time.Duration(float64(d) * (1 - jitter + 2*jitter*rand.Float64()))
}

// sweep makes stale verdicts unknown. It looks at all of them, whatever their
// state: a target whose results stopped counting, or stopped coming, is the
// one that no event will remind us of.
func (m *Monitor) sweep(now time.Time) {
	if now.Before(m.nextSweep) {
		return
	}
	m.nextSweep = now.Add(sweepEvery)
	for _, t := range m.targets {
		if t.v.State == verdict.Unknown {
			continue
		}
		if age := now.Sub(t.since); age > staleAfter*t.check.Interval {
			m.judge(t, verdict.Verdict{}, errStale)
		}
	}
}
