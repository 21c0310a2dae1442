package monitor

import "github.com/rrhealth/rrhealth/plugin/verdict"

// FirstFailure reports whether c is the first failure of a target that was up
// without a doubt. What else depends on what failed may have failed with it.
func (c Change) FirstFailure() bool {
	return c.Err != nil && c.Before.State == verdict.Up && c.Before.Streak == 0 && c.After.State != verdict.Unknown
}

// Hurry brings the next probe of t forward, and reports whether it did. Only a
// target that is up without a doubt is hurried: any other is probed at its own
// pace of doubt. It is probed no sooner than fast after its last result, and
// those that are hurried share the pace of first probes with these, a thousand
// a second. Afterwards it is back in its slot, at the price of one shorter wait.
//
// Call it within Do or a Sink.
func (m *Monitor) Hurry(t *Target) bool {
	if t.index < 0 || t.held || t.v.State != verdict.Up || t.v.Streak > 0 {
		return false
	}
	start := max(m.now(), m.nextFirst)
	due := max(start, t.since+t.group.Fast)
	if due >= m.schedule[t.index].due {
		return false
	}
	m.nextFirst = start + firstGap
	m.schedule.remove(t)
	m.schedule.push(entry{due, t})
	return true
}
