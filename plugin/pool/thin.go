package pool

import (
	"math/rand/v2"
	"slices"
)

// Thin decides what becomes of another plugin's address set of size records,
// up of which are not down: the set is a pool of one tier whose members are
// known only now. Served means those that are up, ServedMinUp and
// ServedAllDown all of them. It is pure.
//
// Whether a set that is all down has a living sister in the other family is
// for the caller to find out, who then answers NoData.
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

// Arrange puts places into the order in which they are answered, under the
// policies that need to know nothing of a member but its place. Rotate turns
// the list by step.
func (c *Config) Arrange(places []int, step uint64) {
	n := len(places)
	if n < 2 {
		return
	}
	switch c.Policy {
	case Rotate:
		turn(places, int(step%uint64(n))) // #nosec G115 -- less than n
	case Shuffle:
		rand.Shuffle(n, func(i, j int) { places[i], places[j] = places[j], places[i] })
	default:
	}
}

// turn moves the first k places behind the others.
func turn(places []int, k int) {
	slices.Reverse(places[:k])
	slices.Reverse(places[k:])
	slices.Reverse(places)
}
