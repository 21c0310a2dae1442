package pool

import (
	"cmp"
	"math/bits"
	"slices"
)

// shares deals the first place in exact proportion to the weights.
//
// It is a tree with the members as its leaves. Each node deals the queries that
// reach it to its two sides as evenly as whole numbers allow: of any n queries
// in a row, a side that holds L of T parts of the weight gets n×L/T, rounded up
// or down. (That is Bresenham's line: query k goes to the left if the line's
// height, k×L/T in whole numbers, rises by one there.) Each side numbers its
// own queries and deals them on in the same way.
//
// The whole repeats after as many queries as the weights add up to, and any
// such run, wherever it begins, deals each member exactly its weight: that is
// the exact proportion. Every node being even at any time is the smoothness.
// The tree is Huffman's, so heavy members, whose share matters most, are dealt
// by one or two nodes. It takes no table of turns, whatever the weights, and no
// state but the cursor, which members that come and go do not reset.
type shares struct {
	nodes []node // children before their parents: the last is the root
}

// A node deals to its two sides. A side is another node, by its index, or a
// member, by the complement of its place.
type node struct {
	part, whole uint64 // the weight of the left side, and of both
	left, right int32
}

// newShares builds the tree for the members' weights, each at least 1.
func newShares(weights []uint64) shares {
	type side struct {
		weight uint64
		index  int32
	}
	// Two queues, each in ascending order: the members, and the nodes, which
	// are made in that order. The two lightest sides become a node.
	members := make([]side, len(weights))
	for i, w := range weights {
		members[i] = side{w, ^int32(i)} // #nosec G115 -- far fewer than 2^31
	}
	slices.SortStableFunc(members, func(a, b side) int { return cmp.Compare(a.weight, b.weight) })
	var s shares
	var made []side
	lightest := func() side {
		from := &members
		if len(members) == 0 || len(made) > 0 && made[0].weight < members[0].weight {
			from = &made
		}
		first := (*from)[0]
		*from = (*from)[1:]
		return first
	}
	for len(s.nodes) < len(weights)-1 {
		a, b := lightest(), lightest()
		whole := a.weight + b.weight
		made = append(made, side{whole, int32(len(s.nodes))}) // #nosec G115 -- far fewer than 2^31
		s.nodes = append(s.nodes, node{a.weight, whole, a.index, b.index})
	}
	return s
}

// deal returns the place of the member whose turn it is at the given step.
func (s *shares) deal(step uint64) int {
	if len(s.nodes) == 0 {
		return 0
	}
	n := &s.nodes[len(s.nodes)-1]
	step %= n.whole
	for {
		// The product may need more than 64 bits; the quotient does not, as
		// step is less than the whole.
		high, low := bits.Mul64(step, n.part)
		before, rest := bits.Div64(high, low, n.whole)
		side := n.left
		if rest+n.part >= n.whole { // the line rises: the left side's turn
			step = before
		} else {
			step -= before
			side = n.right
		}
		if side < 0 {
			return int(^side)
		}
		n = &s.nodes[side]
	}
}
