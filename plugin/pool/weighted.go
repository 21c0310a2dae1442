package pool

import (
	"cmp"
	"math/bits"
	"slices"
)

// weighted chooses the first member of each answer, in exact proportion to the
// weights.
//
// It is a tree with the members as its leaves. Each node deals the queries that
// reach it to its two sides as evenly as whole numbers allow: of any n queries
// in a row, a side with L of T parts of the weight gets n×L/T, rounded up or
// down. (This is Bresenham's line: query k goes to the left side if the line's
// height, k×L/T rounded down, rises by one at k.) Each side numbers its own
// queries and deals them in the same way.
//
// If the weights add up to N, then in any run of N queries each member is first
// exactly as often as its weight. Since every node is even at any time, a
// member's turns are also evenly spaced. The tree is Huffman's: one or two nodes
// deal to a heavy member, whose share matters most. There is no table, for any
// weights, and no state except the cursor, which a change of members does
// not reset.
type weighted struct {
	nodes []node // children before their parents: the last is the root
}

// A node deals to its two sides. A side is the index of another node, or the
// complement of a member's index.
type node struct {
	part, whole uint64 // the weight of the left side, and of both
	left, right int32
}

// newWeighted builds the tree for the members' weights, each at least 1.
func newWeighted(weights []uint64) weighted {
	type side struct {
		weight uint64
		index  int32
	}
	// There are two queues in ascending order of weight: the members, and the
	// nodes, which are made in that order. The two lightest sides become a node.
	members := make([]side, len(weights))
	for i, w := range weights {
		members[i] = side{w, ^int32(i)} // #nosec G115 -- far fewer than 2^31
	}
	slices.SortStableFunc(members, func(a, b side) int { return cmp.Compare(a.weight, b.weight) })
	var s weighted
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

// first returns the index of the member that is first at the given step.
func (s *weighted) first(step uint64) int {
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
		if rest+n.part >= n.whole { // the line rises: left
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
