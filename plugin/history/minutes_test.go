package history

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rrhealth/rrhealth/plugin/verdict"
)

// padded returns l with so many events more that those of l are folded. They have
// the state of the last one and come after gap.
func padded(l *Log, gap time.Duration) *Log {
	last := l.newest.state
	at := clock(l.newest.at).Add(gap)
	for range MaxEvents {
		l = l.Add(Event{At: at, Kind: Overridden, State: last})
	}
	return l
}

// shown returns the minutes from noon on as text: seconds up/down/unknown of each
// that has any. Runs of equal minutes are one word.
func shown(l *Log, now time.Time) string {
	var words []string
	day := l.Minutes(now)
	first := DayMinutes - 1 - int(now.Sub(noon)/time.Minute)
	for i := first; i < len(day); {
		n := 1
		for i+n < len(day) && day[i+n] == day[i] {
			n++
		}
		word := fmt.Sprintf("%d/%d/%d", day[i].Up, day[i].Down, day[i].Unknown)
		if n > 1 {
			word += fmt.Sprintf("x%d", n)
		}
		words = append(words, word)
		i += n
	}
	return strings.Join(words, " ")
}

// The table is the same for events that are kept, and for those that are folded.
func TestMinutes(t *testing.T) {
	const up, down, unknown = verdict.Up, verdict.Down, verdict.Unknown
	for _, tc := range []struct {
		name   string
		events []Event
		now    float64
		want   string
	}{
		{"one state", []Event{after(0, up)}, 180, "60/0/0x3 0/0/0"},
		{"from the middle of a minute", []Event{after(45, up)}, 150, "15/0/0 60/0/0 30/0/0"},
		{"down for a while", []Event{after(0, up), after(70, down), after(200, up)}, 300, "60/0/0 10/50/0 0/60/0 40/20/0 60/0/0 0/0/0"},
		{"all three in a minute", []Event{after(0, unknown), after(10, up), after(30, down)}, 90, "20/30/10 0/30/0"},
		{"at the ends of minutes", []Event{after(0, up), after(60, down), after(120, up)}, 180, "60/0/0 0/60/0 60/0/0 0/0/0"},
		{"flapping", []Event{after(0, up), after(50, down), after(55, up), after(110, down), after(115, up)}, 180, "55/5/0x2 60/0/0 0/0/0"},
		{"rounded, 60 in all", []Event{after(0, up), after(20.4, down), after(40.8, unknown)}, 60, "20/21/19 0/0/0"},
		{"too short to show", []Event{after(0, up), after(20, down), after(20.3, up)}, 60, "60/0/0 0/0/0"},
		{"too short to show, and then for long", []Event{after(0, up), after(59.7, down)}, 180, "60/0/0 0/60/0x2 0/0/0"},
		{"two at one time", []Event{after(0, up), after(30, down), after(30, unknown)}, 60, "30/0/30 0/0/0"},
		{"now in the past", []Event{after(0, up), after(90, down)}, 80, "60/0/0 20/0/0"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			now := after(tc.now, 0).At
			l := logged(tc.events...)
			if got := shown(l, now); got != tc.want {
				t.Errorf("kept: %s, want %s", got, tc.want)
			}
			if now.Before(clock(l.newest.at)) {
				return // what is folded ends later
			}
			if got := shown(padded(l, 0), now); got != tc.want {
				t.Errorf("folded up to the last event: %s, want %s", got, tc.want)
			}
			if got := shown(padded(l, now.Sub(clock(l.newest.at))), now); got != tc.want {
				t.Errorf("folded: %s, want %s", got, tc.want)
			}
		})
	}
}

// The day has 1440 minutes, the current one among them.
func TestMinutesAreThoseOfADay(t *testing.T) {
	l := logged(after(0, verdict.Down), after(30, verdict.Up))
	for _, l := range []*Log{l, padded(l, time.Second), padded(l, time.Hour)} {
		now := noon.Add(24*time.Hour - time.Second)
		if m := l.Minutes(now); m[0] != (Minute{Up: 30, Down: 30}) || m[1] != (Minute{Up: 60}) || m[DayMinutes-1] != (Minute{Up: 59}) {
			t.Errorf("first minutes %+v, last %+v, want those of noon and of now", m[:2], m[DayMinutes-1])
		}
		if m := l.Minutes(now.Add(time.Second)); m[0] != (Minute{Up: 60}) || m[DayMinutes-1] != (Minute{}) {
			t.Errorf("a second later the first minute is %+v, the last %+v, want the next ones", m[0], m[DayMinutes-1])
		}
	}
}

// What is folded is dropped when it is a day old, and the state goes on.
func TestTheDayBeforeIsForgotten(t *testing.T) {
	l := padded(logged(after(0, verdict.Up), after(30, verdict.Down), after(90, verdict.Up)), time.Minute)
	l = padded(l, 24*time.Hour)
	f := l.past.folded
	if len(f.mixed) != 0 || f.before != verdict.Up {
		t.Errorf("%d minutes, %v before, want none, and up", len(f.mixed), f.before)
	}
	now := clock(l.newest.at)
	if got := l.Shares(noon.Add(-time.Hour), now); got.Down != 0 || got.Up < 1439*time.Minute || got.Up > 1440*time.Minute {
		t.Errorf("shares %+v, want a day up", got)
	}
	l = padded(l.Add(Event{At: now, State: verdict.Down}), 30*24*time.Hour)
	if got := l.Shares(noon, now.Add(60*24*time.Hour)); got.Up != 0 || got.Down < 30*24*time.Hour {
		t.Errorf("shares %+v, want 30 days down, which the events tell, and a day more", got)
	}
}

func TestShares(t *testing.T) {
	l := logged(after(0, verdict.Up), after(90, verdict.Down), after(100.5, verdict.Unknown), after(130, verdict.Up))
	for _, tc := range []struct{ from, to, up, down, unknown float64 }{
		{0, 200, 160, 10.5, 29.5},
		{-3600, 200, 160, 10.5, 29.5},
		{95, 105, 0, 5.5, 4.5},
		{95, 95, 0, 0, 0},
		{95, 90, 0, 0, 0},
		{-100, 0, 0, 0, 0},
		{200, 3800, 3600, 0, 0},
	} {
		want := Shares{time.Duration(tc.up * 1e9), time.Duration(tc.down * 1e9), time.Duration(tc.unknown * 1e9)}
		if got := l.Shares(after(tc.from, 0).At, after(tc.to, 0).At); got != want {
			t.Errorf("from %v to %v: %+v, want %+v", tc.from, tc.to, got, want)
		}
	}
	// Folded, the minute of 10.5 seconds down has eleven.
	folded := padded(l, time.Hour)
	if got, want := folded.Shares(noon, noon.Add(2*time.Minute)), (Shares{90 * time.Second, 11 * time.Second, 19 * time.Second}); got != want {
		t.Errorf("folded: %+v, want %+v", got, want)
	}
	// Half of that minute has half of each.
	if got, want := folded.Shares(noon.Add(time.Minute), noon.Add(90*time.Second)), (Shares{15 * time.Second, 5500 * time.Millisecond, 9500 * time.Millisecond}); got != want {
		t.Errorf("half of a minute: %+v, want %+v", got, want)
	}
}

func TestACounterIsItsMinute(t *testing.T) {
	for _, m := range []Minute{{}, {Up: 60}, {Down: 60}, {Unknown: 60}, {1, 2, 57}, {20, 20, 20}, {59, 0, 1}} {
		for _, now := range []int64{0, 1439, 2047, 2048, 29925360, latest / minute} {
			for _, age := range []int64{0, 1, 60, 1439} {
				for _, s := range verdict.States {
					c := newCounter(now-age, m, s)
					if c.minute() != m || c.end() != s || c.number(now) != now-age {
						t.Errorf("%+v %v, %d minutes before %d: read as %+v %v, number %d", m, s, age, now, c.minute(), c.end(), c.number(now))
					}
				}
			}
		}
	}
}
