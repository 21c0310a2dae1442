package monitor

import (
	"slices"
	"time"
)

// leastInFlight is how many probes of one check may always be in flight, if it
// has as many targets and there are descriptors: a first round of a thousand
// a second against hosts that do not answer takes more than the rounds to come.
const leastInFlight = 256

// A group is all the targets of one check.
type group struct {
	Check
	probe    Probe
	size     int // targets
	inFlight int
	held     schedule // targets that are due and wait for the group's budget
	relieved bool     // stands in the monitor's list of that name
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

// resize notes that g has n targets more.
func (m *Monitor) resize(g *group, n int) {
	m.need -= g.need()
	g.size += n
	m.need += g.need()
}

// budget is how many probes of g may be in flight: what it needs, or its share
// where the descriptors are not enough for all. So a check whose targets all
// hang delays its own schedule at worst.
func (m *Monitor) budget(g *group) int {
	need := g.need()
	if m.need <= m.most {
		return need
	}
	return max(int(float64(need)*float64(m.most)/float64(m.need)), 1)
}

// launch starts what is due, within the budgets. What does not fit is held back
// and starts late; it is never owed more than one probe. Where even the
// process's limit is reached, who has waited longer goes first.
func (m *Monitor) launch(now time.Duration) {
	for m.inFlight < m.most {
		g := m.relief()
		due := len(m.schedule) > 0 && m.schedule[0].due <= now
		switch {
		case g != nil && (!due || g.held[0].due <= m.schedule[0].due):
			m.start(g.held.pop(), now)
			m.relieved = append(slices.Delete(m.relieved, 0, 1), g) // the others are next
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

// relief returns the next group of which a target that was held back can start.
func (m *Monitor) relief() *group {
	for len(m.relieved) > 0 {
		g := m.relieved[0]
		if len(g.held) > 0 && g.room(m) {
			return g
		}
		g.relieved = false
		m.relieved = slices.Delete(m.relieved, 0, 1)
	}
	return nil
}

// landed gives back the place of a probe of g that has ended.
func (m *Monitor) landed(g *group) {
	m.inFlight--
	g.inFlight--
	if len(g.held) > 0 && !g.relieved {
		g.relieved = true
		m.relieved = append(m.relieved, g)
	}
}
