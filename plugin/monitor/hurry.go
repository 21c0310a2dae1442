package monitor

import "github.com/rrhealth/rrhealth/plugin/verdict"

// FirstFailure reports whether c is the first failure of a target that was up
// without a streak against it. Other backends may have failed with it.
func (c Change) FirstFailure() bool {
	return c.Err != nil && c.Before.State == verdict.Up && c.Before.Streak == 0 && c.After.State != verdict.Unknown
}

// Hurry brings the next probe of t forward, and reports whether it did. It does
// so only for a target that is up without a streak against it: any other is
// probed at the fast interval, or comes up at its own pace. The probe starts no
// sooner than fast after the last result, and hurried probes and first probes
// together start at a thousand a second at most. The probe after it is in the
// target's slot again.
//
// Call it within Do or a Sink.
func (m *Monitor) Hurry(t *Target) bool {
	if t.index < 0 || t.delayed || t.v.State != verdict.Up || t.v.Streak > 0 {
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
