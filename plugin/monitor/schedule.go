package monitor

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

const (
	// jitter is the most by which a wait is lengthened or shortened.
	jitter = 0.10
	// firstGap is the pace of first probes: a thousand a second.
	firstGap = time.Millisecond

	// asleep is how late the loop must be for the machine, or the process, to
	// have stood still: a virtual machine that was moved, a container frozen.
	asleep = time.Second
	// herd is how many targets that are due at once make one.
	herd = 256

	never = time.Duration(math.MaxInt64)
)

// plan schedules the targets that have just been acquired. In the order of
// their slots they start a thousand a second, behind those planned before. If
// that makes even one of them wait for longer than its interval, none starts
// later than in its next slot: slots are spread evenly, so a hundred thousand
// first probes, and the second ones that follow, come as evenly as all others.
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
	next := max(now, m.nextFirst)
	tooLong := false
	for i, e := range round {
		start := next + time.Duration(i)*firstGap
		tooLong = tooLong || start > now+e.target.group.Interval
	}
	for _, e := range round {
		if e.due > next || !tooLong {
			e.due = next
		}
		m.nextFirst = max(m.nextFirst, e.due+firstGap)
		next += firstGap
		m.schedule.push(e)
	}
}

// awaken plans anew what was to be probed while the machine stood still, as if
// it had just been acquired. Thousands of probes at once would be so late, and
// their targets so busy, that few of them count; they would be made again, and
// keep a machine busy that has queries to catch up with.
func (m *Monitor) awaken(now time.Duration) {
	if m.overdue(now) <= herd {
		return
	}
	for len(m.schedule) > 0 && m.schedule[0].due <= now {
		t := m.schedule.pop().target
		t.index = unscheduled
		m.unscheduled = append(m.unscheduled, t)
	}
}

// overdue returns how many targets should have been probed by now.
func (m *Monitor) overdue(now time.Duration) (n int) {
	for _, e := range m.schedule {
		if e.due <= now {
			n++
		}
	}
	return n
}

// reschedule sets when t is probed next. It is counted from the start of the
// last probe, not from its end, so that a slow target is not asked less often
// than a quick one; only, there is one probe of it in flight at most.
//
// A first failure that does not decide is repeated at once: until the second
// result the target is answered, whatever has become of it.
//
// A local error is followed by the ordinary wait: asking more often is no help
// to a machine that is out of descriptors.
func (m *Monitor) reschedule(t *Target, o Outcome, started, ended time.Duration) {
	due := t.rhythm(started)
	switch {
	case t.repeats(o):
		due = ended
	case t.v.Streak > 0:
		due = started + wobble(t.group.Fast, jitter)
	}
	m.schedule.push(entry{max(due, ended), t})
}

// rhythm returns when a probe follows that started at the given time: half the
// jitter around the next slot. The last probe was as near to its own, so the
// two halves add up.
func (t *Target) rhythm(started time.Duration) time.Duration {
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

// A schedule is a heap of targets by due time. The times stand in the heap
// itself: with a hundred thousand targets, looking each one up at each
// comparison is what would cost.
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

// cut removes the entry at i: the last one takes its place and sinks or rises.
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

// up puts e at i or, where parents are due later, above them.
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

// down puts e at i or, where children are due earlier, below them.
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
