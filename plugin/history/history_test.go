package history

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/rrhealth/rrhealth/plugin/verdict"
)

// after returns the change to a state so many seconds after noon.
func after(seconds float64, s verdict.State) Event {
	return Event{At: noon.Add(time.Duration(seconds * float64(time.Second))), State: s}
}

// logged returns a Log with events.
func logged(events ...Event) (l *Log) {
	for _, e := range events {
		l = l.Add(e)
	}
	return l
}

func TestAnEmptyLog(t *testing.T) {
	for name, l := range map[string]*Log{"nil": nil, "zero": {}} {
		if n := len(l.Events()); n != 0 {
			t.Errorf("%s: %d events, want none", name, n)
		}
		if s, ok := l.StateAt(noon); ok || s != verdict.Unknown {
			t.Errorf("%s: state %v, %t, want none", name, s, ok)
		}
		if at, ok := l.Since(); ok {
			t.Errorf("%s: since %v, want none", name, at)
		}
		if s := l.Shares(noon.Add(-time.Hour), noon); s != (Shares{}) {
			t.Errorf("%s: shares %+v, want none", name, s)
		}
		if m := l.Minutes(noon); m != [DayMinutes]Minute{} {
			t.Errorf("%s: minutes %v, want none", name, m)
		}
		if got := l.Add(after(0, verdict.Up)).Events(); len(got) != 1 {
			t.Errorf("%s: %v after the first event, want that", name, got)
		}
	}
}

func TestEventsAreKeptAsTheyAre(t *testing.T) {
	want := []Event{
		{At: noon, State: verdict.Up},
		{At: noon.Add(time.Nanosecond), State: verdict.Down, Reason: "HTTP status 503"},
		{At: noon.Add(time.Hour), Kind: HeldDown, State: verdict.Up, Reason: "2 failures in 10m"},
		{At: noon.Add(2 * time.Hour), Kind: Overridden, State: verdict.Up, Reason: "new disk", By: "ops", What: "weight 5"},
		{At: noon.Add(2 * time.Hour), Kind: OverrideEnded, State: verdict.Up, By: "ops", What: "auto"},
		{At: noon.Add(50 * time.Hour), Kind: Released, State: verdict.Unknown},
	}
	if got := logged(want...).Events(); !slices.Equal(got, want) {
		t.Errorf("events\n%v\nwant\n%v", got, want)
	}
}

func TestTheLast50EventsAreKept(t *testing.T) {
	var l *Log
	for i := range 120 {
		l = l.Add(Event{At: noon.Add(time.Duration(i) * time.Second), Reason: fmt.Sprint(i)})
		want := max(0, i-49)
		if got := l.Events(); len(got) != min(i+1, 50) || got[0].Reason != fmt.Sprint(want) || got[len(got)-1].Reason != fmt.Sprint(i) {
			t.Fatalf("event %d: %d events from %s to %s, want those from %d", i, len(got), got[0].Reason, got[len(got)-1].Reason, want)
		}
	}
}

// A Log that a reader has does not change, and two may follow the same one.
func TestALogIsImmutable(t *testing.T) {
	var l *Log
	var all []*Log
	var want [][]Event
	var minutes [][DayMinutes]Minute
	keep := func(l *Log) {
		all, want, minutes = append(all, l), append(want, l.Events()), append(minutes, l.Minutes(noon.Add(3*time.Hour)))
	}
	for i := range 150 {
		e := after(float64(i)*25, verdict.State(i%3))
		other := e
		other.State, other.Reason = verdict.State((i+1)%3), "another"
		keep(l.Add(other))
		l = l.Add(e)
		keep(l.Add(after(float64(i)*25+90, verdict.Down)).Add(other))
		keep(l)
	}
	for i, l := range all {
		if got := l.Events(); !slices.Equal(got, want[i]) {
			t.Errorf("log %d: events\n%v\nwant\n%v", i, got, want[i])
		}
		if got := l.Minutes(noon.Add(3 * time.Hour)); got != minutes[i] {
			t.Errorf("log %d: other minutes than before", i)
		}
	}
}

func TestTextsAreCut(t *testing.T) {
	for _, tc := range []struct{ text, want string }{
		{strings.Repeat("x", 300), strings.Repeat("x", 300)},
		{strings.Repeat("x", 301), strings.Repeat("x", 300)},
		{strings.Repeat("x", 299) + "ü", strings.Repeat("x", 299)},
		{strings.Repeat("x", 298) + "ü", strings.Repeat("x", 298) + "ü"},
		{strings.Repeat("x", 297) + "\U0001F600", strings.Repeat("x", 297)},
		{strings.Repeat("x", 299) + strings.Repeat("\x80", 900), strings.Repeat("x", 297)},
		{"a\xffb", "a?b"},
		{strings.Repeat("\xff", 1000), "?"},
		{strings.Repeat("\x80", 1000), "?"},
		{"", ""},
	} {
		e := logged(Event{At: noon, Reason: tc.text, By: tc.text, What: tc.text}).Events()[0]
		if !strings.HasPrefix(e.Reason, tc.want) || len(e.Reason) > 300 || len(e.Reason) > len(tc.want)+1 {
			t.Errorf("%.20q of %d bytes: %q, want %q", tc.text, len(tc.text), e.Reason, tc.want)
		}
		for _, text := range []string{e.By, e.What} {
			if len(text) > 100 || !strings.HasPrefix(tc.want, text) && tc.want != "a?b" && len(text) > 1 || !utf8.ValidString(text) {
				t.Errorf("%.20q of %d bytes: by %q, want 100 bytes", tc.text, len(tc.text), text)
			}
		}
	}
}

func TestKindsHaveTheNamesOfTheAPI(t *testing.T) {
	for k, want := range map[Kind]string{
		StateChanged: "state", HeldDown: "held_down", Released: "released", Overridden: "overridden", OverrideEnded: "override_ended", 99: "unknown",
	} {
		if k.String() != want {
			t.Errorf("%d: %s, want %s", k, k, want)
		}
	}
}

func TestStateAt(t *testing.T) {
	l := logged(after(0, verdict.Up), after(10, verdict.Down), after(10, verdict.Unknown), after(20, verdict.Up))
	for _, tc := range []struct {
		at   float64
		want string
	}{
		{-0.000001, "unknown, false"}, {0, "up, true"}, {9.9, "up, true"}, {10, "unknown, true"}, {19.9, "unknown, true"}, {20, "up, true"}, {1e6, "up, true"},
	} {
		s, ok := l.StateAt(after(tc.at, 0).At)
		if got := fmt.Sprintf("%v, %t", s, ok); got != tc.want {
			t.Errorf("at %v s: %s, want %s", tc.at, got, tc.want)
		}
	}
	for i := range 60 {
		l = l.Add(after(100+float64(i), verdict.Up))
	}
	if _, ok := l.StateAt(after(109.9, 0).At); ok {
		t.Error("a state before the oldest event that is kept, want none")
	}
	if s, ok := l.StateAt(after(110, 0).At); !ok || s != verdict.Up {
		t.Errorf("state %v, %t at the oldest event that is kept, want up", s, ok)
	}
}

// Overrides and holds are events that leave the probed state as it is.
func TestSinceIsWhenTheProbedStateBegan(t *testing.T) {
	l := logged(after(0, verdict.Down), after(60, verdict.Up))
	for i := range 100 {
		e := after(100+float64(i), verdict.Up)
		e.Kind = Overridden
		l = l.Add(e)
	}
	if at, ok := l.Since(); !ok || !at.Equal(after(60, 0).At) {
		t.Errorf("since %v, %t, want the 60th second", at, ok)
	}
	l = l.Add(after(300, verdict.Down))
	if at, ok := l.Since(); !ok || !at.Equal(after(300, 0).At) {
		t.Errorf("since %v, %t, want the 300th second", at, ok)
	}
}

// Clocks that are set, and such as have never been.
func TestTheClockSteps(t *testing.T) {
	ahead := noon.Add(24 * time.Hour)
	l := logged(after(0, verdict.Up), Event{At: ahead, State: verdict.Down, Reason: "x"}, after(60, verdict.Up), after(120, verdict.Down))
	var at []time.Time
	for _, e := range l.Events() {
		at = append(at, e.At)
	}
	if want := []time.Time{noon, ahead, ahead, ahead}; !slices.Equal(at, want) {
		t.Errorf("events at %v, want %v", at, want)
	}
	// Until the clock is there again, the state is that before the step.
	if got, want := l.Shares(noon, noon.Add(time.Hour)), (Shares{Up: time.Hour}); got != want {
		t.Errorf("shares of the hour %+v, want %+v", got, want)
	}
	if m := l.Minutes(noon.Add(time.Minute)); m[DayMinutes-2] != (Minute{Up: 60}) {
		t.Errorf("minute %+v, want it up", m[DayMinutes-2])
	}
	if got, want := l.Shares(ahead, ahead.Add(time.Hour)), (Shares{Down: time.Hour}); got != want {
		t.Errorf("shares after the step %+v, want %+v", got, want)
	}
	for _, weird := range []time.Time{{}, time.Unix(-1, 0), time.Unix(1<<62, 0), time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), time.Unix(0, 0)} {
		l := logged(Event{At: weird, State: verdict.Up}, after(0, verdict.Down), Event{At: weird, State: verdict.Up})
		for range 200 {
			l = l.Add(Event{At: weird, State: verdict.Down}).Add(after(30, verdict.Up))
		}
		l.Minutes(weird)
		l.Minutes(noon)
		l.StateAt(weird)
		if s := l.Shares(weird, noon); s.Up < 0 || s.Down < 0 || s.Unknown < 0 {
			t.Errorf("%v: shares %+v", weird, s)
		}
		if s := l.Shares(noon, weird); s.Up < 0 || s.Down < 0 || s.Unknown < 0 {
			t.Errorf("%v: shares %+v", weird, s)
		}
		reread(t, l)
		checkBounds(t, l)
	}
}
