package history

import (
	"math"
	"time"

	"github.com/rrhealth/rrhealth/plugin/verdict"
)

// Shares are how long a backend was in each state.
type Shares struct{ Up, Down, Unknown time.Duration }

// Shares returns how long the backend was in each state between from and to. Time
// before the first event counts nowhere, nor does time that is no longer kept. It
// is exact as far back as the events go. Before them each minute of several states
// is rounded to seconds, and counts in proportion where from or to is inside it.
func (l *Log) Shares(from, to time.Time) Shares {
	var one [1]Shares
	a, b := nanos(from), nanos(to)
	if a < b {
		l.parts(one[:], a, b-a)
	}
	return one[0]
}

// Parts sets dst to the Shares of times that follow one another, each of that length;
// the last one ends at to. It goes through the events once.
func (l *Log) Parts(dst []Shares, to time.Time, length time.Duration) {
	l.parts(dst, nanos(to)-int64(length)*int64(len(dst)), int64(length))
}

// parts sets dst to the Shares of times that follow one another from begin on, each
// of size nanoseconds.
func (l *Log) parts(dst []Shares, begin, size int64) {
	clear(dst)
	if l.empty() {
		return
	}
	until := begin + size*int64(len(dst))
	add := func(start, stop int64, weights spent) {
		sum := weights[verdict.Up] + weights[verdict.Down] + weights[verdict.Unknown]
		for start, stop = max(start, begin), min(stop, until); start < stop && sum > 0; {
			i := (start - begin) / size
			end := min(begin+(i+1)*size, stop)
			dst[i].add(end-start, weights, sum)
			start = end
		}
	}
	l.spans(until, func(start, stop int64, s verdict.State) {
		var whole spent
		whole[s] = 1
		add(start, stop, whole)
	})
	if l.past != nil && l.past.folded != nil {
		l.past.folded.share(l.at(0).at, add)
	}
}

// add adds ns nanoseconds in proportion to weights, whose sum is sum.
func (s *Shares) add(ns int64, weights spent, sum int64) {
	part := func(of verdict.State) time.Duration {
		if weights[of] == sum {
			return time.Duration(ns)
		}
		return time.Duration(math.Round(float64(ns) * float64(weights[of]) / float64(sum)))
	}
	s.Up += part(verdict.Up)
	s.Down += part(verdict.Down)
	s.Unknown += part(verdict.Unknown)
}

// share passes the time of f, which ends at end, to add.
func (f *fold) share(end int64, add func(start, stop int64, weights spent)) {
	f.each(func(first, n int64, m Minute, _ verdict.State) {
		add(max(first*minute, f.from), (first+n)*minute, m.weights())
	})
	add(max(f.open.minute*minute, f.from), end, f.open.spent)
}
