package verdict

import (
	"strings"
	"testing"
)

// The table is the specification. Results are P (passed), F (failed, perhaps
// because of the network), H (a hard failure) and S (none counted until the
// verdict was stale). After each comes the state, u(nknown), U(p) or D(own),
// with the streak against it, or against what an unknown was.
func TestAfter(t *testing.T) {
	tests := []struct {
		name       string
		rise, fall int
		results    string
		want       string
	}{
		{"first pass decides", 2, 3, "P", "U0"},
		{"first hard failure decides", 2, 3, "H", "D0"},
		{"first timeout is repeated, a second decides", 2, 3, "FF", "u1 D0"},
		{"first timeout is repeated, a hard failure decides", 2, 3, "FH", "u1 D0"},
		{"first timeout is repeated, a pass decides", 2, 3, "FPFFF", "u1 U0 U1 U2 D0"},
		{"with fall 1 the first timeout decides", 2, 1, "F", "D0"},
		{"agreeing passes change nothing", 2, 3, "PPPP", "U0 U0 U0 U0"},
		{"agreeing failures change nothing", 2, 3, "HFHF", "D0 D0 D0 D0"},
		{"third failure in a row brings down", 2, 3, "PFFF", "U0 U1 U2 D0"},
		{"second pass in a row brings up", 2, 3, "HPP", "D0 D1 U0"},
		{"a pass between clears the failures", 2, 3, "PFFPFFPFFF", "U0 U1 U2 U0 U1 U2 U0 U1 U2 D0"},
		{"F P F P F never adds up", 2, 3, "PFPFPFPFPF", "U0 U1 U0 U1 U0 U1 U0 U1 U0 U1"},
		{"a failure between clears the passes", 3, 1, "HPPFPPFPPP", "D0 D1 D2 D0 D1 D2 D0 D1 D2 U0"},
		{"fall 1 believes every failure", 2, 1, "PFPPF", "U0 D0 D1 U0 D0"},
		{"rise 1 believes every pass", 1, 3, "HPFFFP", "D0 U0 U1 U2 D0 U0"},
		{"rise 1 fall 1 follows each result", 1, 1, "PFPFF", "U0 D0 U0 D0 D0"},
		{"there and back again", 2, 2, "PFFPPFF", "U0 U1 D0 D1 U0 U1 D0"},
		{"a new state starts with no streak", 2, 3, "PFFFP", "U0 U1 U2 D0 D1"},

		{"stale after up: a pass decides", 2, 3, "PSP", "U0 u0 U0"},
		{"stale after up: it takes fall failures", 2, 3, "PSFFF", "U0 u0 u1 u2 D0"},
		{"stale after up: a pass between clears them", 2, 3, "PSFFPFFF", "U0 u0 u1 u2 U0 U1 U2 D0"},
		{"stale again: failures from before it are too old", 2, 3, "PSFFSFFF", "U0 u0 u1 u2 u0 u1 u2 D0"},
		{"stale amid failures: they are too old, up is the past", 2, 3, "PFFSFFF", "U0 U1 U2 u0 u1 u2 D0"},
		{"stale after up, fall 1", 2, 1, "PSF", "U0 u0 D0"},
		{"stale after down: one failure is enough", 2, 3, "HSF", "D0 u0 D0"},
		{"stale after down: one hard failure is enough", 2, 3, "HSH", "D0 u0 D0"},
		{"stale after down: it takes rise passes", 2, 3, "HSPP", "D0 u0 u1 U0"},
		{"stale after down: a failure between is enough", 3, 3, "HSPPFPPP", "D0 u0 u1 u2 D0 D1 D2 U0"},
		{"stale after down, rise 1", 1, 3, "HSP", "D0 u0 U0"},
		{"stale twice: the past is what it was last decided to be", 2, 3, "PFFFSSF", "U0 U1 U2 D0 u0 u0 D0"},
		{"stale before anything was decided", 2, 3, "SFSFF", "u0 u1 u0 u1 D0"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			var v Verdict
			var got []string
			for _, r := range tc.results {
				v = next(v, r, Rule{Rise: tc.rise, Fall: tc.fall})
				got = append(got, short(v))
			}
			want := strings.Fields(tc.want)
			// A want of one word stands for the last verdict of the sequence.
			if len(want) == 1 {
				got = got[len(got)-1:]
			}
			if g, w := strings.Join(got, " "), strings.Join(want, " "); g != w {
				t.Errorf("results %s: got %s, want %s", tc.results, g, w)
			}
		})
	}
}

// next returns the verdict after the letter r.
func next(v Verdict, r rune, rule Rule) Verdict {
	if r == 'S' {
		return v.Stale()
	}
	return After(v, map[rune]Result{'P': Pass, 'F': Fail, 'H': Hard}[r], rule)
}

func TestHardFailuresHaveAShorterWayDown(t *testing.T) {
	tests := []struct {
		name           string
		fall, fallHard int
		results        string
		want           string
	}{
		{"off: they are failures like any other", 3, 0, "PHHH", "U0 U1 U2 D0"},
		{"one is enough", 3, 1, "PH", "U0 D0"},
		{"timeouts still take fall", 3, 1, "PFFF", "U0 U1 U2 D0"},
		{"one after a timeout is enough", 3, 1, "PFH", "U0 U1 D0"},
		{"two in a row", 4, 2, "PHH", "U0 U1 D0"},
		{"a timeout between does not clear them", 5, 2, "PHFH", "U0 U1 U2 D0"},
		{"timeouts and hard failures add up to fall", 3, 2, "PFHF", "U0 U1 U2 D0"},
		{"a pass clears them", 5, 2, "PHPHPHH", "U0 U1 U0 U1 U0 U1 D0"},
		{"the first result decides at once", 3, 2, "H", "D0"},
		{"they clear a streak of passes", 3, 1, "HPHPP", "D0 D1 D0 D1 U0"},
		{"passes have no shortcut", 3, 1, "HP", "D0 D1"},
		{"stale after up: one is enough", 3, 1, "PSH", "U0 u0 D0"},
		{"stale after up: two in a row", 4, 2, "PSHFH", "U0 u0 u1 u2 D0"},
		{"stale forgets them", 4, 2, "PHSHH", "U0 U1 u0 u1 D0"},
		{"stale after down: passes have no shortcut", 3, 1, "HSPP", "D0 u0 u1 U0"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			var v Verdict
			var got []string
			for _, r := range tc.results {
				v = next(v, r, Rule{Rise: 2, Fall: tc.fall, FallHard: tc.fallHard})
				got = append(got, short(v))
			}
			if g := strings.Join(got, " "); g != tc.want {
				t.Errorf("results %s: got %s, want %s", tc.results, g, tc.want)
			}
		})
	}
}

func TestANewStateHasForgottenTheFailuresThatLedToIt(t *testing.T) {
	v := Verdict{State: Up}
	for range 2 {
		v = After(v, Hard, Rule{Rise: 2, Fall: 3, FallHard: 2})
	}
	if want := (Verdict{State: Down}); v != want {
		t.Errorf("got %+v, want %+v", v, want)
	}
}

func short(v Verdict) string {
	return map[State]string{Unknown: "u", Up: "U", Down: "D"}[v.State] + string(rune('0'+v.Streak))
}

func TestFirst(t *testing.T) {
	for _, tc := range []struct {
		v    Verdict
		want bool
	}{
		{Verdict{}, false},
		{Verdict{Streak: 1}, true},
		{Verdict{Past: Up, Streak: 1}, false},
		{Verdict{State: Up, Streak: 1}, false},
	} {
		if got := tc.v.First(); got != tc.want {
			t.Errorf("%+v.First() = %t, want %t", tc.v, got, tc.want)
		}
	}
}

func TestAll(t *testing.T) {
	tests := []struct {
		states []State
		want   State
	}{
		{nil, Up},
		{[]State{Up}, Up},
		{[]State{Unknown}, Unknown},
		{[]State{Up, Unknown}, Unknown},
		{[]State{Unknown, Up}, Unknown},
		{[]State{Unknown, Down}, Down},
		{[]State{Down, Unknown, Up}, Down},
	}
	for _, tc := range tests {
		if got := All(tc.states...); got != tc.want {
			t.Errorf("All(%v) = %v, want %v", tc.states, got, tc.want)
		}
	}
}

func TestStatesHaveTheWordsOfTheDocumentation(t *testing.T) {
	for i, want := range []string{"unknown", "up", "down"} {
		if got := States[i].String(); got != want {
			t.Errorf("States[%d] = %q, want %q", i, got, want)
		}
	}
}
