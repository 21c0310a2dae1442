package monitor

import (
	"context"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"github.com/rrhealth/rrhealth/plugin/verdict"
)

// A Check is what is asked of an address, how often, and how results are
// judged. It is a value: equal checks of one address share a target.
type Check struct {
	ID       string        // identifies the question, see probe.Check
	Interval time.Duration // from the start of one probe to the next
	Fast     time.Duration // the same after a result that contradicts the verdict
	Timeout  time.Duration // of one probe
	Rule     verdict.Rule
}

// A Probe asks an address once; see probe.Func.
type Probe func(context.Context, netip.Addr) error

// A Target is one address and one check. Its fields belong to the loop, except
// for the counters, which may be read at any time. A process may have 100,000
// targets: what they have in common is in their group.
type Target struct {
	Addr    netip.Addr
	group   *group
	counts  [3]atomic.Uint64
	since   time.Duration // when the last result began that counted
	v       verdict.Verdict
	slot    uint32 // it is probed at slot/2³² of each interval
	index   int32  // in its heap, or one of the constants below
	refs    int32
	delayed bool // its heap is group.delayed
	settled bool // it has a first verdict, or a local error keeps it from one
}

// Values of Target.index for a target that is in no heap.
const (
	unscheduled = -1 - iota // acquired, not scheduled yet
	inFlight                // its probe is in flight
	released                // released; a probe may still be in flight
)

// Verdict returns the verdict. Call it within Do or a Sink only.
func (t *Target) Verdict() verdict.Verdict { return t.v }

// Suspect reports whether the next result may change the state: the latest one
// contradicted it, or the target is not settled.
func (t *Target) Suspect() bool { return t.v.Streak > 0 || !t.settled }

// Settled reports whether t has a first verdict, or a local error keeps it from one.
// Call it within Do or a Sink only.
func (t *Target) Settled() bool { return t.settled }

// Times returns when the last probe of t whose result counted began, and when its
// next probe is due: the zero time if there was none, or if one is in flight. After a
// reload that changes the pace, the last is the moment of the reload. A probe that
// waits for the budget is due in the past. Call it within Do or a Sink only.
func (m *Monitor) Times(t *Target) (last, next time.Time) {
	at := time.Now() // not epoch: the wall clock may have been set since
	now := m.now()
	if t.v != (verdict.Verdict{}) {
		last = at.Add(t.since - now)
	}
	switch {
	case t.index < 0:
	case t.delayed:
		next = at.Add(t.group.delayed[t.index].due - now)
	default:
		next = at.Add(m.schedule[t.index].due - now)
	}
	return last, next
}

// Rule returns the rule by which t is judged.
func (t *Target) Rule() verdict.Rule { return t.group.Rule }

// Count returns how many results of class c t has had.
func (t *Target) Count(c Class) uint64 { return t.counts[c].Load() }

type key struct {
	addr  netip.Addr
	group *group
}

// Acquire returns the target for check and addr, and adds it if there is none.
// Each Acquire needs a Release. From then on all targets of check use the given
// probe: after a reload it is the one that has read its files again.
func (m *Monitor) Acquire(addr netip.Addr, check Check, probe Probe) *Target {
	g := m.groups[check]
	if g == nil {
		g = &group{Check: check}
		m.groups[check] = g
		m.paces[check.ID] = append(m.paces[check.ID], g)
	}
	g.probe = probe
	t := m.targets[key{addr, g}]
	if t == nil {
		t = m.add(addr, g)
	}
	t.refs++
	return t
}

// golden is 2³² divided by the golden ratio. Slots at multiples of it (Weyl's
// sequence) are spread evenly, however many there are and in any run of them.
const golden = 0x9E3779B9

// add makes a target, to be scheduled by plan.
func (m *Monitor) add(addr netip.Addr, g *group) *Target {
	t := &Target{Addr: addr, group: g, index: unscheduled, slot: m.nextSlot}
	m.nextSlot += golden
	m.inherit(t)
	m.targets[key{addr, g}] = t
	m.resize(g, 1)
	m.unscheduled = append(m.unscheduled, t)
	if !t.settled {
		m.awaited.Add(1)
	}
	return t
}

// inherit gives t the verdict and streak of a target with the same question at
// another pace: after a reload that changes an interval, a backend that was down
// is still down. The verdict counts as confirmed now, so that it is not stale
// before the first probe if the interval is shorter.
func (m *Monitor) inherit(t *Target) {
	var elder *Target // with the latest result
	for _, g := range m.paces[t.group.ID] {
		same := m.targets[key{t.Addr, g}]
		if same != nil && (same.settled || same.v.First()) && (elder == nil || same.since > elder.since) {
			elder = same
		}
	}
	if elder != nil {
		t.v, t.settled = elder.v, elder.settled
		m.confirm(t, m.now())
	}
}

// Release ends one Acquire. A target without users is removed.
func (m *Monitor) Release(t *Target) {
	if t.refs--; t.refs > 0 {
		return
	}
	g := t.group
	delete(m.targets, key{t.Addr, g})
	switch {
	case t.index < 0:
	case t.delayed:
		g.delayed.remove(t)
	default:
		m.schedule.remove(t)
	}
	t.index = released
	if !t.settled {
		m.awaited.Add(-1)
	}
	m.resize(g, -1)
	if g.size == 0 {
		m.forget(g)
	}
}

// forget removes a group without targets. Its probes may still be in flight.
func (m *Monitor) forget(g *group) {
	delete(m.groups, g.Check)
	left := slices.DeleteFunc(m.paces[g.ID], func(o *group) bool { return o == g })
	if len(left) == 0 {
		delete(m.paces, g.ID)
		return
	}
	m.paces[g.ID] = left
}
