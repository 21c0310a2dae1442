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
// the counters, which may be read at any time. There may be a hundred thousand:
// what they have in common is in their group.
type Target struct {
	Addr   netip.Addr
	group  *group
	counts [3]atomic.Uint64
	since  time.Duration // when the verdict was last confirmed
	v      verdict.Verdict
	slot   uint32 // where in the interval it is probed: slot/2³² of the way
	index  int32  // in its heap, or one of the places below
	refs   int32
	held   bool // the heap is that of its group
	asked  bool // is not awaited any more, see answered
}

// Where a target is while it is in no heap.
const (
	unscheduled = -1 - iota // acquired, not scheduled yet
	inFlight                // its probe is in flight
	released                // released; a probe may still be in flight
)

// Verdict returns the verdict. Call it within Do or a Sink only.
func (t *Target) Verdict() verdict.Verdict { return t.v }

// Suspect reports whether the next result may change the verdict: the latest
// one contradicted it, or none has come yet.
func (t *Target) Suspect() bool { return t.v.Streak > 0 || !t.asked }

// Rule returns the rule by which t is judged.
func (t *Target) Rule() verdict.Rule { return t.group.Rule }

// Count returns how many probes of t ended with the outcome o.
func (t *Target) Count(o Outcome) uint64 { return t.counts[o].Load() }

type key struct {
	addr  netip.Addr
	group *group
}

// Acquire returns the target that asks check of addr, and makes it if there is
// none. Each Acquire is owed a Release. Equal checks ask the same, so of their
// probes the latest is used: after a reload that is the one which has read its
// files anew.
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

// golden is 2³² divided by the golden ratio. Slots that are this far apart
// (Weyl's sequence) spread any number of targets evenly, and any run of them.
const golden = 0x9E3779B9

// add makes a target that is probed for the first time soon.
func (m *Monitor) add(addr netip.Addr, g *group) *Target {
	t := &Target{Addr: addr, group: g, index: unscheduled, slot: m.nextSlot}
	m.nextSlot += golden
	m.inherit(t)
	m.targets[key{addr, g}] = t
	m.resize(g, 1)
	m.unscheduled = append(m.unscheduled, t)
	if !t.asked {
		m.awaited.Add(1)
	}
	return t
}

// inherit gives t the verdict, streak and all, of a target that asks the same
// at another pace: a reload that only changes an interval forgets nobody who
// is down. The verdict counts as confirmed now, so that a shorter interval does
// not find it stale before the first probe.
func (m *Monitor) inherit(t *Target) {
	var elder *Target // the one with the latest news
	for _, g := range m.paces[t.group.ID] {
		same := m.targets[key{t.Addr, g}]
		if same != nil && (same.asked || same.v.First()) && (elder == nil || same.since > elder.since) {
			elder = same
		}
	}
	if elder != nil {
		t.v, t.asked = elder.v, elder.asked
		m.confirm(t, m.now())
	}
}

// Release gives back one Acquire. A target that nobody uses is forgotten.
func (m *Monitor) Release(t *Target) {
	if t.refs--; t.refs > 0 {
		return
	}
	g := t.group
	delete(m.targets, key{t.Addr, g})
	switch {
	case t.index < 0:
	case t.held:
		g.held.remove(t)
	default:
		m.schedule.remove(t)
	}
	t.index = released
	if !t.asked {
		m.awaited.Add(-1)
	}
	m.resize(g, -1)
	if g.size == 0 {
		m.forget(g)
	}
}

// forget drops a group without targets. Probes of it may still be in flight.
func (m *Monitor) forget(g *group) {
	delete(m.groups, g.Check)
	left := slices.DeleteFunc(m.paces[g.ID], func(o *group) bool { return o == g })
	if len(left) == 0 {
		delete(m.paces, g.ID)
		return
	}
	m.paces[g.ID] = left
}
