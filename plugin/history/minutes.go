package history

import (
	"time"

	"github.com/rrhealth/rrhealth/plugin/verdict"
)

const (
	// DayMinutes is how many minutes a day has.
	DayMinutes = 24 * 60

	minute = int64(time.Minute)
)

// A Minute is how many seconds of a minute a backend was in each state: 60 in all,
// or fewer if nothing is known of the rest.
type Minute struct{ Up, Down, Unknown uint8 }

// spent is how long each state lasted, in nanoseconds.
type spent [len(verdict.States)]int64

// whole returns the minute that is wholly in state s.
func whole(s verdict.State) Minute {
	var all spent
	all[s] = minute
	return all.rounded()
}

// rounded returns the seconds of s. Their sum is rounded, too: a minute has 60.
func (s spent) rounded() Minute {
	seconds := func(ns int64) uint8 { return uint8((ns + int64(time.Second)/2) / int64(time.Second)) } // #nosec G115 -- at most 60
	up := seconds(s[verdict.Up])
	down := seconds(s[verdict.Up] + s[verdict.Down])
	all := seconds(s[verdict.Up] + s[verdict.Down] + s[verdict.Unknown])
	return Minute{Up: up, Down: down - up, Unknown: all - down}
}

// weights returns the seconds of m as weights of the states.
func (m Minute) weights() spent {
	return spent{verdict.Up: int64(m.Up), verdict.Down: int64(m.Down), verdict.Unknown: int64(m.Unknown)}
}

// A tally adds up the time in one minute.
type tally struct {
	minute int64 // since 1970
	spent  spent
}

// A closer takes n minutes from first on, each m, which end in state end.
type closer func(first, n int64, m Minute, end verdict.State)

// add adds the time from a, in t's minute, to b, in state s. It passes the minutes
// that end by then to closed.
func (t *tally) add(a, b int64, s verdict.State, closed closer) {
	end := (t.minute + 1) * minute
	if b < end {
		t.spent[s] += b - a
		return
	}
	t.spent[s] += end - a
	closed(t.minute, 1, t.spent.rounded(), s)
	last := b / minute
	if n := last - t.minute - 1; n > 0 {
		closed(t.minute+1, n, whole(s), s)
	}
	*t = tally{minute: last}
	t.spent[s] = b - last*minute
}

// A fold is the time before the oldest event of a Log, of at most a day. It is
// immutable.
type fold struct {
	from   int64         // where it begins, in nanoseconds since 1970
	before verdict.State // of the minutes before the first of mixed
	mixed  []counter     // of minutes that are not wholly in the state before them
	open   tally         // of the minute of the oldest event, up to that
}

// A counter is a minute in 32 bits: the last 11 of its number, which are enough for
// a day; six each for the seconds up, down and unknown; and two for the state at
// its end.
type counter uint32

const (
	numberBits  = 11
	secondsBits = 6
	secondsMask = 1<<secondsBits - 1
)

// newCounter returns the counter of a minute.
func newCounter(number int64, m Minute, end verdict.State) counter {
	c := counter(number & (1<<numberBits - 1)) // #nosec G115 -- 11 bits
	for _, v := range [...]uint8{m.Up, m.Down, m.Unknown} {
		c = c<<secondsBits | counter(v)
	}
	return c<<2 | counter(end)
}

// end returns the state at the end of the minute.
func (c counter) end() verdict.State { return verdict.State(c & 3) }

// minute returns the seconds of the minute.
func (c counter) minute() Minute {
	seconds := func(shift int) uint8 { return uint8(c >> (2 + shift*secondsBits) & secondsMask) } // #nosec G115 -- 6 bits
	return Minute{Up: seconds(2), Down: seconds(1), Unknown: seconds(0)}
}

// number returns the number of the minute, which is at most a day before that of
// the minute now.
func (c counter) number(now int64) int64 {
	return now - (now-int64(c>>(2+3*secondsBits)))&(1<<numberBits-1)
}

// end returns the state at the end of the last closed minute.
func (f *fold) end() verdict.State {
	if n := len(f.mixed); n > 0 {
		return f.mixed[n-1].end()
	}
	return f.before
}

// plus returns f with the time from a, where f ends, to b, in state s, and without
// what is older than a day then. f may be nil.
func (f *fold) plus(a, b int64, s verdict.State) *fold {
	next := fold{from: a, before: s, open: tally{minute: a / minute}}
	if f != nil {
		next = *f
	}
	was := next.open.minute
	next.open.add(a, b, s, func(first, _ int64, m Minute, end verdict.State) {
		if end == next.end() && m == whole(end) {
			return
		}
		all := make([]counter, len(next.mixed)+1) // Logs share what they have in common
		all[copy(all, next.mixed)] = newCounter(first, m, end)
		next.mixed = all
	})
	oldest := next.open.minute - DayMinutes + 1
	for len(next.mixed) > 0 && next.mixed[0].number(was) < oldest {
		next.before, next.mixed = next.mixed[0].end(), next.mixed[1:]
	}
	if len(next.mixed) == 0 {
		next.mixed = nil
	}
	next.from = max(next.from, oldest*minute)
	return &next
}

// each passes the closed minutes to f, oldest first.
func (f *fold) each(closed closer) {
	at, state := f.from/minute, f.before
	for _, c := range f.mixed {
		number := c.number(f.open.minute)
		closed(at, number-at, whole(state), state)
		closed(number, 1, c.minute(), c.end())
		at, state = number+1, c.end()
	}
	closed(at, f.open.minute-at, whole(state), state)
}

// Minutes returns the minutes of the day up to now, oldest first. The last one is
// the current one, which ends now.
func (l *Log) Minutes(now time.Time) (day [DayMinutes]Minute) {
	if l.empty() {
		return day
	}
	until := nanos(now)
	oldest := until/minute - DayMinutes + 1
	put := func(first, n int64, m Minute, _ verdict.State) {
		for i := max(first, oldest); i < min(first+n, oldest+DayMinutes); i++ {
			day[i-oldest] = m
		}
	}
	t := tally{minute: l.at(0).at / minute}
	if l.past != nil && l.past.folded != nil {
		l.past.folded.each(put)
		t = l.past.folded.open
	}
	l.spans(until, func(a, b int64, s verdict.State) { t.add(a, b, s, put) })
	put(t.minute, 1, t.spent.rounded(), verdict.Unknown)
	return day
}

// spans passes what each event began to f, oldest first, up to until.
func (l *Log) spans(until int64, f func(a, b int64, s verdict.State)) {
	n := l.len()
	for i := range n {
		r, end := l.at(i), until
		if i+1 < n {
			end = min(end, l.at(i+1).at)
		}
		if r.at < end {
			f(r.at, end, r.state)
		}
	}
}
