package filter

import (
	"math/rand/v2"
	"slices"

	"github.com/rrhealth/rrhealth/plugin/pool"
)

// outcomeOf decides what is answered of another plugin's set of size records, up
// of which are not down, as for a pool of one tier. Served means the records
// that are up, ServedMinUp and ServedAllDown mean all.
//
// If all records are down, the caller must look at the other family, and answer
// NoData if that is not down.
func outcomeOf(s *pool.Settings, size, up int) pool.Outcome {
	switch {
	case up > 0 && up >= s.MinUp.Of(size), up == size:
		return pool.Served
	case up > 0:
		return pool.ServedMinUp
	}
	switch s.AllDown {
	case pool.ActServfail:
		return pool.Servfail
	case pool.ActRefused:
		return pool.Refused
	case pool.ActNoData:
		return pool.NoData
	case pool.ActDrop:
		return pool.Dropped
	case pool.ActAddresses:
		return pool.ServedFallback
	default:
		return pool.ServedAllDown
	}
}

// arrange reorders places under the policies that filters have. Rotate moves
// the first step of them to the end.
func arrange(places []int32, policy pool.Policy, step uint64) {
	n := len(places)
	if n < 2 {
		return
	}
	switch policy {
	case pool.Rotate:
		rotate(places, int(step%uint64(n))) // #nosec G115 -- less than n
	case pool.Shuffle:
		rand.Shuffle(n, func(i, j int) { places[i], places[j] = places[j], places[i] })
	default:
	}
}

// rotate moves the first k places to the end.
func rotate(places []int32, k int) {
	slices.Reverse(places[:k])
	slices.Reverse(places[k:])
	slices.Reverse(places)
}
