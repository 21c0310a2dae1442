package monitor

import (
	"slices"
	"time"
)

const (
	// leastInFlight is how many probes of one check may be in flight at least,
	// if it has that many targets and descriptors suffice. A first round of a
	// thousand probes a second, against hosts that do not answer, needs more
	// than later rounds.
	leastInFlight = 256
	// leastBudget is the same if the descriptors do not suffice for all checks.
	leastBudget = 16
)

// A group is all targets of one check.
type group struct {
	Check
	probe    Probe
	size     int // targets
	inFlight int
	delayed  schedule // targets that are due, and wait for the group's budget
	ready    bool     // it is in Monitor.ready
}

// need is how many probes g needs in flight to keep its schedule in the worst
// case: all backends hang, so that each probe lasts until its timeout, and all
// verdicts are about to change, so that probes come at the fast interval. A
// target has at most one probe in flight.
func (g *group) need() int {
	pace := float64(min(g.Fast, g.Interval)) * (1 - jitter)
	share := float64(g.Timeout) / max(pace, float64(g.Timeout))
	return min(max(int(share*float64(g.size))+1, leastInFlight), g.size)
}

// floor is the part of its need that g gets independent of the other groups.
// Without it, three backends beside 100,000 would have to take turns.
func (g *group) floor() int { return min(g.need(), leastBudget) }

// resize notes that g has n more targets.
func (m *Monitor) resize(g *group, n int) {
	m.need -= g.need()
	m.floors -= g.floor()
	g.size += n
	m.need += g.need()
	m.floors += g.floor()
}

// budget is how many probes of g may be in flight: its need or, if the
// descriptors do not suffice for all, its floor and its share of the rest. So a
// check whose targets all hang delays its own schedule only.
func (m *Monitor) budget(g *group) int {
	need, floor := g.need(), g.floor()
	if m.need <= m.most {
		return need
	}
	if m.floors >= m.most {
		return max(part(m.most, need, m.need), 1)
	}
	return floor + part(m.most-m.floors, need-floor, m.need-m.floors)
}

// part returns n × one / all.
func part(n, one, all int) int { return int(int64(n) * int64(one) / int64(all)) }

// launch starts the probes that are due, within the budgets. A probe that does
// not fit is delayed, and sent once however long it waits. If the process's
// limit is reached, the target that has waited longest is next.
func (m *Monitor) launch(now time.Duration) {
	for m.inFlight < m.most {
		g := m.nextReady()
		due := len(m.schedule) > 0 && m.schedule[0].due <= now
		switch {
		case g != nil && (!due || g.delayed[0].due <= m.schedule[0].due):
			m.start(g.delayed.pop(), now)
			m.ready.rotate()
		case !due:
			return
		case m.schedule[0].target.group.room(m):
			m.start(m.schedule.pop(), now)
		default:
			m.delay(m.schedule.pop())
		}
	}
}

func (g *group) room(m *Monitor) bool { return g.inFlight < m.budget(g) }

// delay keeps a target that is due until a probe of its group ends.
func (m *Monitor) delay(e entry) {
	e.target.delayed = true
	e.target.group.delayed.push(e)
}

// nextReady returns the first group of m.ready that has a delayed target and
// room for its probe, and drops the groups before it; nil if there is none.
func (m *Monitor) nextReady() *group {
	for len(m.ready) > 0 {
		g := m.ready[0]
		if len(g.delayed) > 0 && g.room(m) {
			return g
		}
		g.ready = false
		m.ready.pop()
	}
	return nil
}

// finish gives back the place of a probe of g that has ended.
func (m *Monitor) finish(g *group) {
	m.inFlight--
	g.inFlight--
	if len(g.delayed) > 0 && !g.ready {
		g.ready = true
		m.ready.push(g)
	}
}

// A queue is groups that take turns.
type queue []*group

func (q *queue) push(g *group) { *q = append(*q, g) }

func (q *queue) pop() { *q = slices.Delete(*q, 0, 1) }

// rotate moves the first group to the end.
func (q *queue) rotate() {
	first := (*q)[0]
	q.pop()
	q.push(first)
}
