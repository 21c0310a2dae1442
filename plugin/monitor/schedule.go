package monitor

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

const (
	// jitter is the largest part by which a wait is lengthened or shortened.
	jitter = 0.10
	// firstGap is the pace of first probes: a thousand a second.
	firstGap = time.Millisecond

	// suspended is how late the loop must be to conclude that the machine or
	// the process was suspended: a virtual machine migrated, a container frozen.
	suspended = time.Second
	// herd is the number of overdue targets above which they are spread anew.
	herd = 256

	never = time.Duration(math.MaxInt64)
)

// plan schedules the targets that have just been acquired. They start in the
// order of their slots, a thousand a second, after those planned before. If that
// makes a target wait for longer than its interval, all start in their next
// slots at the latest: slots are spread evenly, and so are 100,000 first
// probes and the second ones that follow.
func (m *Monitor) plan(now time.Duration) {
	if len(m.unscheduled) == 0 {
		return
	}
	var round []entry
	for _, t := range m.unscheduled {
		if t.index == unscheduled {
			round = append(round, entry{t.slotAfter(now), t})
		}
	}
	m.unscheduled = nil
	slices.SortFunc(round, func(a, b entry) int { return cmp.Compare(a.due, b.due) })
	first := max(now, m.nextFirst)
	ramp := func(i int) time.Duration { return first + time.Duration(i)*firstGap }
	crowded := false // the ramp is too long for a target's interval
	for i, e := range round {
		crowded = crowded || ramp(i) > now+e.target.group.Interval
	}
	for i, e := range round {
		if crowded {
			e.due = min(e.due, ramp(i))
		} else {
			e.due = ramp(i)
		}
		m.nextFirst = max(m.nextFirst, e.due+firstGap)
		m.schedule.push(e)
	}
}

// resume plans the targets that became due while the machine was suspended as if
// they had just been acquired. If thousands of probes started at once, most
// would be too late to count. They would be repeated, and keep a machine busy
// that has queries to answer.
func (m *Monitor) resume(now time.Duration) {
	if m.overdue(now) <= herd {
		return
	}
	for len(m.schedule) > 0 && m.schedule[0].due <= now {
		t := m.schedule.pop().target
		t.index = unscheduled
		m.unscheduled = append(m.unscheduled, t)
	}
}

// overdue returns how many targets are due.
func (m *Monitor) overdue(now time.Duration) (n int) {
	for _, e := range m.schedule {
		if e.due <= now {
			n++
		}
	}
	return n
}

// reschedule sets when t is probed next. The wait is counted from the start of
// the last probe, so that a slow target is probed as often as a quick one, but
// not before that probe has ended.
//
// A first failure that does not decide is repeated at once: until the second
// result the target is answered, up or down.
//
// After a local error the wait is the ordinary one: more probes do not help a
// machine without descriptors.
func (m *Monitor) reschedule(t *Target, c Class, started, ended time.Duration) {
	due := t.nextSlot(started)
	switch {
	case t.repeats(c):
		due = ended
	case t.v.Streak > 0:
		due = started + wobble(t.group.Fast, jitter)
	}
	m.schedule.push(entry{max(due, ended), t})
}

// nextSlot returns when the probe after one that started at the given time is
// due: at the next slot, plus or minus half the jitter. The last probe was as
// near to its slot, so the wait between them varies by the whole jitter.
func (t *Target) nextSlot(started time.Duration) time.Duration {
	off := time.Duration(float64(t.group.Interval) * jitter / 2)
	slot := t.slotAfter(started + off)
	return slot - off + wobble(off, 1)
}

// slotAfter returns the first of t's slots that is later than the given time.
func (t *Target) slotAfter(at time.Duration) time.Duration {
	interval := t.group.Interval
	slot := time.Duration(float64(t.slot) / (1 << 32) * float64(interval))
	if at < slot {
		return slot
	}
	return at - (at-slot)%interval + interval
}

// wobble returns d, lengthened or shortened by at most the given part of it.
func wobble(d time.Duration, part float64) time.Duration {
	return time.Duration(float64(d) * (1 - part + 2*part*rand.Float64()))
}

// A schedule is a heap of targets by due time. The entries hold the times: with
// 100,000 targets, following a pointer for each comparison would miss the cache.
type schedule []entry

type entry struct {
	due    time.Duration
	target *Target
}

func (s *schedule) push(e entry) {
	*s = append(*s, e)
	s.up(len(*s)-1, e)
}

// pop removes the entry that is due first.
func (s *schedule) pop() entry {
	first := (*s)[0]
	s.cut(0)
	return first
}

func (s *schedule) remove(t *Target) { s.cut(int(t.index)) }

// cut removes the entry at i. The last one replaces it and moves up or down.
func (s *schedule) cut(i int) {
	end := len(*s) - 1
	last := (*s)[end]
	(*s)[end] = entry{}
	*s = (*s)[:end]
	switch {
	case i == end:
	case i > 0 && last.due < (*s)[(i-1)/2].due:
		s.up(i, last)
	default:
		s.down(i, last)
	}
}

// up puts e at i, or above the parents that are due later.
func (s *schedule) up(i int, e entry) {
	for i > 0 {
		parent := (i - 1) / 2
		if (*s)[parent].due <= e.due {
			break
		}
		s.set(i, (*s)[parent])
		i = parent
	}
	s.set(i, e)
}

// down puts e at i, or below the children that are due earlier.
func (s *schedule) down(i int, e entry) {
	for {
		child := 2*i + 1
		if child >= len(*s) {
			break
		}
		if next := child + 1; next < len(*s) && (*s)[next].due < (*s)[child].due {
			child = next
		}
		if e.due <= (*s)[child].due {
			break
		}
		s.set(i, (*s)[child])
		i = child
	}
	s.set(i, e)
}

func (s *schedule) set(i int, e entry) {
	(*s)[i] = e
	e.target.index = int32(i) // #nosec G115 -- the heap would need 32 GB
}
