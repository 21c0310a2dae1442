package pool

import (
	"math/rand/v2"
	"slices"
)

// Thin decides what is answered of another plugin's set of size records, up of
// which are not down, as for a pool of one tier. Served means the records that
// are up, ServedMinUp and ServedAllDown mean all. It is pure.
//
// If all records are down, the caller must look at the other family, and answer
// NoData if that is not down.
func (c *Config) Thin(size, up int) Outcome {
	switch {
	case up > 0 && up >= c.MinUp.of(size), up == size:
		return Served
	case up > 0:
		return ServedMinUp
	}
	switch c.AllDown {
	case ActServfail:
		return Servfail
	case ActRefused:
		return Refused
	case ActNoData:
		return NoData
	case ActDrop:
		return Dropped
	case ActAddresses:
		return ServedFallback
	default:
		return ServedAllDown
	}
}

// Arrange reorders indices under the policies that filters have. Rotate moves
// the first step of them to the end.
func (c *Config) Arrange(indices []int, step uint64) {
	n := len(indices)
	if n < 2 {
		return
	}
	switch c.Policy {
	case Rotate:
		turn(indices, int(step%uint64(n))) // #nosec G115 -- less than n
	case Shuffle:
		rand.Shuffle(n, func(i, j int) { indices[i], indices[j] = indices[j], indices[i] })
	default:
	}
}

// turn moves the first k indices to the end.
func turn(indices []int, k int) {
	slices.Reverse(indices[:k])
	slices.Reverse(indices[k:])
	slices.Reverse(indices)
}
