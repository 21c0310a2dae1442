package history

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/rrhealth/rrhealth/plugin/verdict"
)

// noon is when most tests begin. It is the begin of a minute.
var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// A model keeps every event, and looks through all of them for each answer.
type model []Event

func (m *model) add(e Event) {
	if n := len(*m); n > 0 && e.At.Before((*m)[n-1].At) {
		e.At = (*m)[n-1].At
	}
	*m = append(*m, e)
}

// shares returns how long each state lasted between from and to.
func (m model) shares(from, to time.Time) Shares {
	var all [3]time.Duration
	for i, e := range m {
		if !e.At.Before(to) {
			break
		}
		start, end := e.At, to
		if i+1 < len(m) && m[i+1].At.Before(to) {
			end = m[i+1].At
		}
		if from.After(start) {
			start = from
		}
		if start.Before(end) {
			all[e.State] += end.Sub(start)
		}
	}
	return Shares{Up: all[verdict.Up], Down: all[verdict.Down], Unknown: all[verdict.Unknown]}
}

// stateAt returns the state at t, if an event of kept says it.
func (m model) stateAt(t time.Time, kept model) (state verdict.State, ok bool) {
	for _, e := range kept {
		if !e.At.After(t) {
			state, ok = e.State, true
		}
	}
	return state, ok
}

// since returns when the last state began.
func (m model) since() time.Time {
	i := len(m) - 1
	for i > 0 && m[i-1].State == m[i].State {
		i--
	}
	return m[i].At
}

// kept returns the last 50 events.
func (m model) kept() model { return m[max(0, len(m)-50):] }

// compare complains about all that l has otherwise than m at now.
func (m model) compare(t *testing.T, l *Log, now time.Time, r *rand.Rand) {
	t.Helper()
	kept := m.kept()
	if got := l.Events(); !slices.Equal(got, []Event(kept)) {
		t.Errorf("events\n%v\nwant\n%v", got, kept)
	}
	if got, ok := l.Since(); !ok || !got.Equal(m.since()) {
		t.Errorf("since %v, %t, want %v", got, ok, m.since())
	}
	for range 20 {
		at := now.Add(-time.Duration(r.Int64N(int64(26 * time.Hour))))
		got, ok := l.StateAt(at)
		if want, wantOK := m.stateAt(at, kept); got != want || ok != wantOK {
			t.Errorf("state at %v: %v, %t, want %v, %t", at, got, ok, want, wantOK)
		}
	}
	m.compareMinutes(t, l, now)
	m.compareShares(t, l, now, r)
}

// compareMinutes complains about minutes that are a second or more from those of m.
func (m model) compareMinutes(t *testing.T, l *Log, now time.Time) {
	t.Helper()
	first := now.Truncate(time.Minute).Add(-(DayMinutes - 1) * time.Minute)
	for i, got := range l.Minutes(now) {
		start := first.Add(time.Duration(i) * time.Minute)
		end := start.Add(time.Minute)
		if end.After(now) {
			end = now
		}
		for len(m) > 1 && !m[1].At.After(start) {
			m = m[1:]
		}
		want := m.shares(start, end)
		near(t, fmt.Sprint("minute ", start), got.shares(), want, time.Second)
		if want.sum() == time.Minute && got.shares().sum() != time.Minute {
			t.Errorf("minute %v: %+v, want 60 seconds in all", start, got)
		}
	}
}

// compareShares complains about shares that are not exact where the events go back
// far enough, or too far from those of m.
func (m model) compareShares(t *testing.T, l *Log, now time.Time, r *rand.Rand) {
	t.Helper()
	oldest := m.kept()[0].At
	for range 10 {
		from := now.Add(-time.Duration(r.Int64N(int64(23*time.Hour + 59*time.Minute))))
		if r.IntN(3) == 0 && oldest.Before(now) {
			from = oldest.Add(time.Duration(r.Int64N(int64(now.Sub(oldest)))))
		}
		to := from.Add(time.Duration(r.Int64N(int64(now.Sub(from)) + 1)))
		got, want := l.Shares(from, to), m.shares(from, to)
		most := time.Duration(0)
		if from.Before(oldest) { // a second for each minute that was rounded, and a minute at either end
			most = 2*time.Minute + time.Duration(m.mixed(from, oldest))*time.Second
		}
		what := fmt.Sprintf("shares from %v to %v", from, to)
		near(t, what, got, want, most)
		if d := got.sum() - want.sum(); d.Abs() > time.Second && m[0].At.Before(from) {
			t.Errorf("%s: %+v is %v in all, want %v", what, got, got.sum(), want.sum())
		}
	}
}

// mixed returns how many minutes between from and to have events in them.
func (m model) mixed(from, to time.Time) int {
	minutes := make(map[int64]bool)
	for _, e := range m {
		if e.At.After(from) && e.At.Before(to) {
			minutes[e.At.Unix()/60] = true
		}
	}
	return len(minutes)
}

func (m Minute) shares() Shares {
	return Shares{Up: time.Duration(m.Up) * time.Second, Down: time.Duration(m.Down) * time.Second, Unknown: time.Duration(m.Unknown) * time.Second}
}

func (s Shares) sum() time.Duration { return s.Up + s.Down + s.Unknown }

// near complains if got is further than most from want.
func near(t *testing.T, what string, got, want Shares, most time.Duration) {
	t.Helper()
	if max((got.Up-want.Up).Abs(), (got.Down-want.Down).Abs(), (got.Unknown-want.Unknown).Abs()) > most {
		t.Errorf("%s: %+v, want %+v, up to %v", what, got, want, most)
	}
}

// paces are how events follow one another, in turn.
var paces = []func(*rand.Rand) time.Duration{
	func(r *rand.Rand) time.Duration { return time.Duration(r.Int64N(int64(2 * time.Second))) },
	func(r *rand.Rand) time.Duration { return time.Duration(r.Int64N(int64(40 * time.Second))) },
	func(r *rand.Rand) time.Duration { return time.Duration(r.Int64N(int64(10 * time.Minute))) },
	func(r *rand.Rand) time.Duration { return time.Duration(r.Int64N(int64(3 * time.Hour))) },
	func(r *rand.Rand) time.Duration { return time.Duration(r.IntN(4)) * 30 * time.Second }, // ends of minutes
	func(r *rand.Rand) time.Duration { return time.Duration(r.IntN(2)) * 24 * time.Hour },
	func(r *rand.Rand) time.Duration { return -time.Duration(r.Int64N(int64(time.Minute))) }, // the clock steps back
}

// randomEvent returns an event at at, most of them changes of state.
func randomEvent(r *rand.Rand, at time.Time) Event {
	e := Event{At: at, State: verdict.State(r.IntN(3)), Kind: Kind(max(0, r.IntN(10)-5))}
	switch {
	case e.Kind >= Overridden:
		e.By, e.What, e.Reason = "ops", "weight 5", "maintenance"
	case e.State == verdict.Down:
		e.Reason = fmt.Sprintf("HTTP status %d", 500+r.IntN(4))
	}
	return e
}

// A Log has what a model has that keeps everything, after any sequence of events,
// also if it is written to a file and read in between.
func TestALogIsAsOneThatKeepsEverything(t *testing.T) {
	for seed := range uint64(20) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 1))
			var l *Log
			var m model
			now := noon.Add(time.Duration(r.Int64N(int64(time.Minute))))
			for range 8 {
				pace := paces[r.IntN(len(paces))]
				for range 1 + r.IntN(120) {
					now = now.Add(pace(r))
					e := randomEvent(r, now)
					l = l.Add(e)
					m.add(e)
				}
				if last := m[len(m)-1].At; now.Before(last) {
					now = last
				}
				m.compare(t, l, now.Add(paces[r.IntN(4)](r)), r)
				if r.IntN(2) == 0 {
					l = reread(t, l)
					m.compare(t, l, now, r)
				}
				if t.Failed() {
					return
				}
			}
		})
	}
}
