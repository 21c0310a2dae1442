package monitor

import (
	"slices"
	"time"
)

const (
	// leastInFlight is how many probes of one check may be in flight at least,
	// if it has as many targets and there are descriptors: a first round of a
	// thousand a second against hosts that do not answer takes more than the
	// rounds to come.
	leastInFlight = 256
	// leastBudget is the same where descriptors are not enough for all.
	leastBudget = 16
)

// A group is all the targets of one check.
type group struct {
	Check
	probe    Probe
	size     int // targets
	inFlight int
	held     schedule // targets that are due and wait for the group's budget
	ready    bool     // stands in the monitor's list of that name
}

// need is how many probes of g must be able to fly at once for g to keep its
// schedule, come what may: as many as there are when every target hangs, all
// probes run to their time-out, and the fast interval is the rule because all
// verdicts are about to change. A target has one probe in flight at most.
func (g *group) need() int {
	pace := float64(min(g.Fast, g.Interval)) * (1 - jitter)
	share := float64(g.Timeout) / max(pace, float64(g.Timeout))
	return min(max(int(share*float64(g.size))+1, leastInFlight), g.size)
}

// floor is what g is granted of its need whatever the others want. Without it
// three backends beside a hundred thousand would have to take turns.
func (g *group) floor() int { return min(g.need(), leastBudget) }

// resize notes that g has n targets more.
func (m *Monitor) resize(g *group, n int) {
	m.need -= g.need()
	m.floors -= g.floor()
	g.size += n
	m.need += g.need()
	m.floors += g.floor()
}

// budget is how many probes of g may be in flight: what it needs or, where the
// descriptors are not enough for all, its floor and its share of what is left.
// So a check whose targets all hang delays its own schedule at worst.
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

// part returns as much of n as one is of all.
func part(n, one, all int) int { return int(int64(n) * int64(one) / int64(all)) }

// launch starts what is due, within the budgets. What does not fit is delayed
// and starts late; it is never owed more than one probe. Where even the
// process's limit is reached, who has waited longer goes first.
func (m *Monitor) launch(now time.Duration) {
	for m.inFlight < m.most {
		g := m.relief()
		due := len(m.schedule) > 0 && m.schedule[0].due <= now
		switch {
		case g != nil && (!due || g.held[0].due <= m.schedule[0].due):
			m.start(g.held.pop(), now)
			m.ready = append(slices.Delete(m.ready, 0, 1), g) // the others are next
		case !due:
			return
		case m.schedule[0].target.group.room(m):
			m.start(m.schedule.pop(), now)
		default:
			m.hold(m.schedule.pop())
		}
	}
}

func (g *group) room(m *Monitor) bool { return g.inFlight < m.budget(g) }

// hold keeps back a target that is due, until a probe of its group lands.
func (m *Monitor) hold(e entry) {
	e.target.held = true
	e.target.group.held.push(e)
}

// relief returns the next group of which a target that was delayed can start.
func (m *Monitor) relief() *group {
	for len(m.ready) > 0 {
		g := m.ready[0]
		if len(g.held) > 0 && g.room(m) {
			return g
		}
		g.ready = false
		m.ready = slices.Delete(m.ready, 0, 1)
	}
	return nil
}

// done gives back the place of a probe of g that has ended.
func (m *Monitor) done(g *group) {
	m.inFlight--
	g.inFlight--
	if len(g.held) > 0 && !g.ready {
		g.ready = true
		m.ready = append(m.ready, g)
	}
}
