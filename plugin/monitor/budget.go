package monitor

import "time"

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
// and starts late; it is never owed more than one probe.
func (m *Monitor) launch(now time.Duration) {
	for m.inFlight < m.most && len(m.relieved) > 0 {
		last := len(m.relieved) - 1
		g := m.relieved[last]
		if len(g.held) == 0 || g.inFlight >= m.budget(g) {
			m.relieved[last] = nil
			m.relieved = m.relieved[:last]
			continue
		}
		e := g.held.pop()
		e.target.held = false
		m.start(e, now)
	}
	for m.inFlight < m.most && len(m.schedule) > 0 && m.schedule[0].due <= now {
		e := m.schedule.pop()
		g := e.target.group
		if g.inFlight >= m.budget(g) {
			e.target.held = true
			g.held.push(e)
			continue
		}
		m.start(e, now)
	}
}

// landed gives back the place of a probe of g that has ended.
func (m *Monitor) landed(g *group) {
	m.inFlight--
	g.inFlight--
	if len(g.held) > 0 {
		m.relieved = append(m.relieved, g)
	}
}
