package verdict

import (
	"strings"
	"testing"
)

// The table is the specification. Results are P (passed), F (failed) and H
// (failed definitely); after each comes the state: u(nknown), U(p) or D(own), with the streak against it.
func TestAfter(t *testing.T) {
	tests := []struct {
		name       string
		rise, fall int
		results    string
		want       string
	}{
		{"first pass decides", 2, 3, "P", "U0"},
		{"first failure decides", 2, 3, "F", "D0"},
		{"agreeing passes change nothing", 2, 3, "PPPP", "U0 U0 U0 U0"},
		{"agreeing failures change nothing", 2, 3, "FFF", "D0 D0 D0"},
		{"third failure in a row brings down", 2, 3, "PFFF", "U0 U1 U2 D0"},
		{"second pass in a row brings up", 2, 3, "FPP", "D0 D1 U0"},
		{"a pass between clears the failures", 2, 3, "PFFPFFPFFF", "U0 U1 U2 U0 U1 U2 U0 U1 U2 D0"},
		{"F P F P F never adds up", 2, 3, "PFPFPFPFPF", "U0 U1 U0 U1 U0 U1 U0 U1 U0 U1"},
		{"a failure between clears the passes", 3, 1, "FPPFPPFPPP", "D0 D1 D2 D0 D1 D2 D0 D1 D2 U0"},
		{"fall 1 believes every failure", 2, 1, "PFPPF", "U0 D0 D1 U0 D0"},
		{"rise 1 believes every pass", 1, 3, "FPFFFP", "D0 U0 U1 U2 D0 U0"},
		{"rise 1 fall 1 follows each result", 1, 1, "PFPFF", "U0 D0 U0 D0 D0"},
		{"there and back again", 2, 2, "PFFPPFF", "U0 U1 D0 D1 U0 U1 D0"},
		{"a new state starts with no streak", 2, 3, "PFFFP", "U0 U1 U2 D0 D1"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			var v Verdict
			var got []string
			for _, r := range tc.results {
				v = After(v, results[r], Rule{Rise: tc.rise, Fall: tc.fall})
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

var results = map[rune]Result{'P': Pass, 'F': Fail, 'H': Hard}

func TestDefiniteFailuresHaveAShorterWayDown(t *testing.T) {
	tests := []struct {
		name           string
		fall, fallHard int
		results        string
		want           string
	}{
		{"off: they are failures like any other", 3, 0, "PHHH", "U0 U1 U2 D0"},
		{"one is enough", 3, 1, "PH", "U0 D0"},
		{"time-outs still take fall", 3, 1, "PFFF", "U0 U1 U2 D0"},
		{"one after a time-out is enough", 3, 1, "PFH", "U0 U1 D0"},
		{"two in a row", 4, 2, "PHH", "U0 U1 D0"},
		{"a time-out between does not clear them", 5, 2, "PHFH", "U0 U1 U2 D0"},
		{"time-outs and definite failures add up to fall", 3, 2, "PFHF", "U0 U1 U2 D0"},
		{"a pass clears them", 5, 2, "PHPHPHH", "U0 U1 U0 U1 U0 U1 D0"},
		{"the first result decides at once", 3, 2, "H", "D0"},
		{"they clear a streak of passes", 3, 1, "FPHPP", "D0 D1 D0 D1 U0"},
		{"passes have no shortcut", 3, 1, "FP", "D0 D1"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			var v Verdict
			var got []string
			for _, r := range tc.results {
				v = After(v, results[r], Rule{Rise: 2, Fall: tc.fall, FallHard: tc.fallHard})
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

func TestChanging(t *testing.T) {
	tests := []struct {
		v    Verdict
		want bool
	}{
		{Verdict{}, true},
		{Verdict{State: Up}, false},
		{Verdict{State: Down}, false},
		{Verdict{State: Up, Streak: 1}, true},
		{Verdict{State: Down, Streak: 1}, true},
	}
	for _, tc := range tests {
		if got := tc.v.Changing(); got != tc.want {
			t.Errorf("%v.Changing() = %t, want %t", tc.v, got, tc.want)
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
