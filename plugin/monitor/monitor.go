// Package monitor keeps watch: it decides when each target is probed, has the
// probes run, and folds their results into verdicts.
//
// One goroutine, the loop, owns every target: the schedule (a heap of due
// times), the verdicts, and who uses which target. Probes run in goroutines of
// their own, as many as are in flight and no more, and send back one result
// each. An idle target is an entry in the heap and costs no goroutine.
//
// A target is an address and a check, and is probed once however many pools
// ask for it. Each has a slot in the interval, its own for life; the slots of a
// fleet are spread evenly, and a probe starts within 5 % of an interval of its
// target's slot. So the wait from start to start is the interval ±10 %. After a
// result that contradicts the verdict it is fast ±10 % instead, or as long as
// the probe took, since a target has one in flight at most. A first failure
// that does not decide is repeated at once. Whatever disturbs
// the rhythm (a round of first probes, an outage, a machine that stood still),
// one interval later the fleet is back in its slots, at the price of one
// shorter wait. A probe that is overdue starts late and is owed once; the slots
// it missed are skipped.
//
// First probes start at once, a thousand a second; where that would take
// longer than an interval they start in their slots. Hurry brings the probes of
// what may have failed together forward, at the same pace.
//
// Each check has a budget of probes in flight, see group.need. A check whose
// backends all hang can use up its own and makes no other wait.
//
// Not every failed probe speaks against its target. Where we had no file
// descriptor, no port or no route, or were so busy that the probe began or was
// read too late, the result counts for nothing. A verdict that has had no
// counting result for five intervals is stale and becomes unknown, even when
// its probe never returns; what it was decides how much it takes to leave it.
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

// A Sink is told what the monitor sees, always by the loop's goroutine.
type Sink interface {
	Probed(Result)
	Changed([]Change)
}

// A Monitor watches targets from New to Stop.
type Monitor struct {
	sink     Sink
	epoch    time.Time // all other times are counted from here
	most     int       // probes that may be in flight, whatever the budgets say
	ctx      context.Context
	cancel   context.CancelFunc
	calls    chan func()
	results  chan result
	loopDone chan struct{}
	probes   sync.WaitGroup
	awaited  atomic.Int64 // targets without a first verdict, see answered

	// What follows belongs to the loop.
	targets     map[key]*Target
	groups      map[Check]*group
	paces       map[string][]*group // the groups that ask the same question, by Check.ID
	need        int                 // what the groups need in flight, all together
	floors      int                 // and what they are granted in any case
	schedule    schedule
	unscheduled []*Target     // acquired in this turn, not scheduled yet
	nextFirst   time.Duration // when the next first probe may start
	nextSlot    uint32        // see Target.slot
	nextSweep   time.Duration // no verdict becomes stale before
	lastSweep   time.Duration
	inFlight    int
	ready       []*group // that hold targets back and have had a result since
	changes     []Change
}

// New starts a monitor without targets.
func New(sink Sink) *Monitor {
	m := &Monitor{
		sink:      sink,
		epoch:     time.Now(),
		most:      descriptorsForProbes(),
		calls:     make(chan func()),
		results:   make(chan result, 256),
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
// f, when the monitor has been stopped. It must not be called from within f or
// a Sink.
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

// Awaited returns how many targets have neither a first verdict nor a local
// error that keeps them from one.
func (m *Monitor) Awaited() int { return int(m.awaited.Load()) }

// now returns the time since the monitor began, which is how it tells time:
// eight bytes instead of twenty-four in every target, and never a wall clock.
func (m *Monitor) now() time.Duration { return time.Since(m.epoch) }

// loop is the one goroutine that owns the targets.
func (m *Monitor) loop() {
	defer close(m.loopDone)
	timer := time.NewTimer(0)
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
		if now := m.now(); now > wake+asleep {
			m.awaken(now)
		}
	}
}

// wake returns when the loop has something to do unless it is called before.
func (m *Monitor) wake() time.Duration {
	next := min(m.nextSweep, m.now()+time.Hour)
	if len(m.schedule) > 0 && m.inFlight < m.most {
		next = min(next, m.schedule[0].due)
	}
	return next
}

// report hands the changes over, once for all that one turn of the loop brought:
// when half a fleet goes at once, a pool is not rebuilt for each member.
func (m *Monitor) report() {
	if len(m.changes) > 0 {
		m.sink.Changed(m.changes)
		m.changes = nil
	}
}
