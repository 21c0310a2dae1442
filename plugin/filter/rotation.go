package filter

import (
	"math/rand/v2"
	"sync/atomic"
)

// turns is the rotation of the names that other plugins answer.
var turns = newRotation()

// A rotation counts the answers for each name and type, without knowing which
// names there are: it has a fixed number of counters, and names that hash to
// the same one share it. With names in the thousands that is rare; those
// concerned then turn by more than one now and then. It survives reloads.
type rotation struct {
	seed     uint64
	counters [1 << 15]atomic.Uint32
}

func newRotation() *rotation { return &rotation{seed: rand.Uint64()} }

// next returns the step of the rotation for owner and type, and moves it on.
// Each name starts at a step of its own, and at another one in each process:
// replicas that start together would otherwise all favor the same address.
func (r *rotation) next(owner string, rrtype uint16) uint64 {
	h := r.hash(owner, rrtype)
	counter := &r.counters[h%uint64(len(r.counters))]
	// The step wraps at 2^32, where a list of a length that is no power of two
	// skips a little, once in four billion answers.
	return uint64(counter.Add(1)-1) + h>>32
}

// peek returns what next will.
func (r *rotation) peek(owner string, rrtype uint16) uint64 {
	h := r.hash(owner, rrtype)
	return uint64(r.counters[h%uint64(len(r.counters))].Load()) + h>>32
}

// hash is FNV-1a, in lower case, with more mixing at its end: the low bits
// choose a counter and the high bits a start.
func (r *rotation) hash(owner string, rrtype uint16) uint64 {
	const prime = 1099511628211
	h := r.seed
	for i := range len(owner) {
		c := owner[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		h = (h ^ uint64(c)) * prime
	}
	h = (h ^ uint64(rrtype)) * prime
	h ^= h >> 32
	h *= 0x9e3779b97f4a7c15
	return h ^ h>>29
}

// NestedTurn returns the step of the rotation for the answer to a nested query,
// and moves it on. Nested answers rotate because a plugin below may give their
// addresses another name, as one does that flattens aliases: then they are not
// replaced in the answer around. The rotation is one of its own, so that they do
// not move that of the answers that clients get.
func NestedTurn(owner string, rrtype uint16) uint64 { return turns.next(owner, rrtype|1<<15) }
