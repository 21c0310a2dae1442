// Package monitor schedules probes, runs them, and folds their results into
// verdicts.
//
// One goroutine, the loop, owns every target: the schedule (a heap of due
// times), the verdicts, and the reference counts. Each probe in flight has a
// goroutine, which sends one result back. An idle target is an entry in the
// heap and has no goroutine.
//
// A target is an address and a check. It is probed once however many pools use
// it. Each target keeps a slot in the interval for its lifetime. The slots are
// spread evenly, and a probe starts within 5 % of an interval of its target's
// slot, so the time from one start to the next is the interval ±10 %. After a
// result that contradicts the verdict it is fast ±10 % instead, or longer if
// the probe took longer, since a target has at most one in flight. A first
// failure that does not decide is repeated at once. After a disturbance (a round
// of first probes, an outage, a suspended machine) the targets are back in
// their slots within one interval, by one shorter wait each. An overdue probe
// starts late and once; the slots that it missed are skipped.
//
// First probes start at once, a thousand a second. If that would take longer
// than an interval, they start in their slots. Hurry brings the probes of
// backends that may have failed together forward, at the same pace.
//
// Each check has a budget of probes in flight, see group.need. A check whose
// backends all hang uses up its own budget, and delays no other check.
//
// A local error does not count: the process had no file descriptor, port or
// route for the probe, or was so busy that the probe began or ended too late.
// After five intervals without a result that counts, a verdict becomes stale
// and its state unknown, even if the probe never returns. Package verdict says
// what it takes to leave that state.
package monitor

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// stopWithin bounds how long Stop waits for probes to return.
const stopWithin = 5 * time.Second

// A Sink receives results and changes, always on the loop's goroutine.
type Sink interface {
	Probed(Result)    // after each probe
	Changed([]Change) // after each turn of the loop that changed verdicts
}

// A Monitor watches targets from New to Stop.
type Monitor struct {
	sink     Sink
	epoch    time.Time // all other times are durations since then
	most     int       // probes that may be in flight, over all budgets
	ctx      context.Context
	cancel   context.CancelFunc
	calls    chan func()
	results  chan flight
	loopDone chan struct{}
	probes   sync.WaitGroup
	awaited  atomic.Int64 // targets that are not settled

	// What follows belongs to the loop.
	targets     map[key]*Target
	groups      map[Check]*group
	paces       map[string][]*group // the groups that differ only in pace and rule, by Check.ID
	need        int                 // the sum of the groups' needs
	floors      int                 // the sum of their floors
	schedule    schedule
	unscheduled []*Target     // acquired in this turn, not scheduled yet
	nextFirst   time.Duration // when the next first probe may start
	nextSlot    uint32        // see Target.slot
	nextSweep   time.Duration // no verdict becomes stale before that
	lastSweep   time.Duration
	inFlight    int
	ready       queue // groups with delayed targets that have had a result since
	changes     []Change
}

// New starts a monitor without targets.
func New(sink Sink) *Monitor {
	m := &Monitor{
		sink:      sink,
		epoch:     time.Now(),
		most:      descriptorsForProbes(),
		calls:     make(chan func()),
		results:   make(chan flight, 256),
		loopDone:  make(chan struct{}),
		targets:   make(map[key]*Target),
		groups:    make(map[Check]*group),
		paces:     make(map[string][]*group),
		nextSweep: never,
		nextSlot:  rand.Uint32(),
	}
	m.ctx, m.cancel = context.WithCancel(context.Background())
	go m.loop()
	return m
}

// Stop cancels the probes in flight and waits for them, stopWithin at most. The
// sink receives nothing more.
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

// Do runs f on the loop's goroutine and returns when f has returned. Acquire,
// Release, Hurry and Verdict may be called within f. Do returns false, without
// running f, if the monitor has been stopped. Do not call it within f or a Sink:
// the loop would wait for itself.
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

// Awaited returns how many targets are not settled: they have neither a first
// verdict nor a local error that keeps them from one.
func (m *Monitor) Awaited() int { return int(m.awaited.Load()) }

// now returns the time since epoch. Compared with time.Time, it takes eight bytes
// instead of twenty-four in every target, and no step of the wall clock.
func (m *Monitor) now() time.Duration { return time.Since(m.epoch) }

// loop is the one goroutine that owns the targets.
func (m *Monitor) loop() {
	defer close(m.loopDone)
	timer := time.NewTimer(never) // reset before each use
	defer timer.Stop()
	for {
		now := m.now()
		m.sweep(now)
		m.plan(now)
		m.launch(now)
		m.report()
		wake := m.wake()
		timer.Reset(wake - m.now())
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
		if now := m.now(); now > wake+suspended {
			m.resume(now)
		}
	}
}

// wake returns when the loop must run even if no call and no result comes.
func (m *Monitor) wake() time.Duration {
	next := min(m.nextSweep, m.now()+time.Hour)
	if len(m.schedule) > 0 && m.inFlight < m.most {
		next = min(next, m.schedule[0].due)
	}
	return next
}

// report passes on all changes of one turn of the loop at once: if half of the
// targets fail together, a pool is not rebuilt for each of its members.
func (m *Monitor) report() {
	if len(m.changes) > 0 {
		m.sink.Changed(m.changes)
		m.changes = nil
	}
}
