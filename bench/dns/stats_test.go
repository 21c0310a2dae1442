package main

import (
	"math"
	"slices"
	"testing"
	"time"
)

func TestASpreadIsTheMedianAndTheExtremes(t *testing.T) {
	for _, tc := range []struct {
		name string
		xs   []float64
		want spread
	}{
		{"one", []float64{3}, spread{3, 3, 3}},
		{"odd, in disorder", []float64{9, 1, 2}, spread{2, 1, 9}},
		{"even: between the two in the middle", []float64{4, 1, 100, 2}, spread{3, 1, 100}},
		{"an outlier moves the extreme only", []float64{1, 1, 1, 1, 1000}, spread{1, 1, 1000}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			before := slices.Clone(tc.xs)
			if got := spreadOf(tc.xs); got != tc.want {
				t.Errorf("got %v, want %v", got, tc.want)
			}
			if !slices.Equal(tc.xs, before) {
				t.Errorf("spreadOf changed the values to %v, want %v", tc.xs, before)
			}
		})
	}
}

func TestTheSpreadOfNothingIsShownAsADash(t *testing.T) {
	s := spreadOf(nil)
	if !math.IsNaN(s.median) || s.String() != "–" {
		t.Errorf("got %v, shown as %q, want no number and a dash", s.median, s)
	}
	if got, want := (spread{1.234, 0.5, 2}).String(), "1.23 (0.50–2.00)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// A slow round slows down both servers: only the ratio within it counts.
func TestRatiosAreTakenRoundByRound(t *testing.T) {
	floor := byRound{1: {100, 90, 110}, 2: {10, 9, 11}, 3: {50}, 5: {0}}
	a := byRound{1: {120}, 2: {12}, 4: {999}, 5: {1}}
	got := ratios(a, floor)
	if want := []float64{1.2, 1.2}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v: rounds that have only one of them, or a rate of 0, do not count", got, want)
	}
	if got := ratios(nil, floor); len(got) != 0 {
		t.Errorf("got %v for a server that was not measured, want nothing", got)
	}
}

func TestNoiseIsTheVariationOfOneServerWithinARound(t *testing.T) {
	got := withinRounds(byRound{1: {100, 50, 150}, 2: {7}})
	slices.Sort(got)
	if want := []float64{0.5, 1, 1, 1.5}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestPercentileIsTheNearestRank(t *testing.T) {
	var xs []time.Duration
	for i := 100; i > 0; i-- {
		xs = append(xs, time.Duration(i))
	}
	for p, want := range map[float64]time.Duration{0: 1, 1: 1, 50: 50, 99: 99, 99.5: 100, 100: 100} {
		if got := percentile(xs, p); got != want {
			t.Errorf("p%v: got %d, want %d", p, got, want)
		}
	}
	if got := percentile(nil, 99); got != 0 {
		t.Errorf("of nothing: got %d, want 0", got)
	}
}

func TestCPUPerMillion(t *testing.T) {
	if got := perMillion(500*time.Millisecond, 20_000); got != 25 {
		t.Errorf("got %v, want 25 seconds", got)
	}
	if got := perMillion(time.Second, 0); !math.IsNaN(got) {
		t.Errorf("no queries: got %v, want no number", got)
	}
}

// The CPU time of the queries does not count as that of the probes.
func TestCPUPerProbeLeavesOutTheQueries(t *testing.T) {
	calm := &storm{sent: 1000, cpu: 10 * time.Millisecond}
	busy := &storm{sent: 2000, cpu: 70 * time.Millisecond, probes: 500}
	if got := perProbe(busy, calm); math.Abs(got-100) > 1e-9 {
		t.Errorf("got %v µs, want 100", got)
	}
	if got := perProbe(calm, calm); !math.IsNaN(got) {
		t.Errorf("no probes: got %v, want no number", got)
	}
}

func TestCPUTimeOfAProcessWithAnyName(t *testing.T) {
	const rest = " S 1 2 3 0 -1 4194560 5 0 0 0 120 30 0 0 20 0 1 0 100 0 0"
	for _, name := range []string{"(named)", "(a b)", "(tricky) 9 9)", "((x)"} {
		got, err := cpuTime("4242 " + name + rest)
		if want := 1500 * time.Millisecond; err != nil || got != want {
			t.Errorf("%s: got %v, %v, want %v", name, got, err, want)
		}
	}
	for _, text := range []string{"", "1 (x) S 1 2", "1 (x) S 1 2 3 0 -1 4194560 5 0 0 0 a b 0"} {
		if _, err := cpuTime(text); err == nil {
			t.Errorf("%q: got no error, want one", text)
		}
	}
}
