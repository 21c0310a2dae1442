package main

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// A spread is a median with the extremes around it.
type spread struct{ median, low, high float64 }

// spreadOf returns the spread of xs, and does not change xs. The spread of no
// values is NaN.
func spreadOf(xs []float64) spread {
	if len(xs) == 0 {
		return spread{math.NaN(), math.NaN(), math.NaN()}
	}
	sorted := slices.Sorted(slices.Values(xs))
	mid := len(sorted) / 2
	s := spread{sorted[mid], sorted[0], sorted[len(sorted)-1]}
	if len(sorted)%2 == 0 {
		s.median = (sorted[mid-1] + sorted[mid]) / 2
	}
	return s
}

// String formats s for the tables.
func (s spread) String() string {
	if math.IsNaN(s.median) {
		return "–"
	}
	return fmt.Sprintf("%.2f (%.2f–%.2f)", s.median, s.low, s.high)
}

// byRound has the measurements of each round. A server may be missing in some
// rounds; the floor is measured several times in each.
type byRound map[int][]float64

// ratios divides, round by round, the median of a by the median of b. Rounds
// in which either is missing do not count.
func ratios(a, b byRound) []float64 {
	var all []float64
	for round := range a {
		num, den := spreadOf(a[round]).median, spreadOf(b[round]).median
		if r := num / den; !math.IsNaN(r) && !math.IsInf(r, 0) {
			all = append(all, r)
		}
	}
	return all
}

// withinRounds divides each measurement by the median of its round. That shows
// the noise of the machine, for one server.
func withinRounds(a byRound) []float64 {
	var all []float64
	for _, xs := range a {
		for _, x := range xs {
			all = append(all, x/spreadOf(xs).median)
		}
	}
	return all
}

// percentile returns the value that p percent of xs do not exceed (nearest
// rank). It sorts xs.
func percentile(xs []time.Duration, p float64) time.Duration {
	if len(xs) == 0 {
		return 0
	}
	slices.Sort(xs)
	rank := int(math.Ceil(p / 100 * float64(len(xs))))
	return xs[min(max(rank, 1), len(xs))-1]
}

// perMillion returns the CPU seconds that a million queries take.
func perMillion(cpu time.Duration, queries int) float64 {
	if queries == 0 {
		return math.NaN()
	}
	return cpu.Seconds() / float64(queries) * 1e6
}
