package pool

import (
	"cmp"
	"slices"
)

const (
	// fewRanks is how many ranks fit into the small array that a query has on
	// its stack. max_answers is 8 by default.
	fewRanks = 16
	// manyMembers is how many members can be ranked without an allocation.
	manyMembers = 128
)

// A ranking is the lowest ranks so far, in ascending order.
type ranking []rank

type rank struct {
	key   uint64
	index int // of what is ranked
}

// add inserts index if its key is among the k lowest. Ranks with equal keys are
// in the order of their indices. For as many members as pools have, this is
// cheaper than sorting: most are not among the lowest, and cost one comparison.
func (r ranking) add(key uint64, index, k int) ranking {
	if len(r) == k {
		if key >= r[k-1].key {
			return r
		}
		r = r[:k-1]
	}
	if k > manyMembers {
		return r.addToMany(key, index)
	}
	r = append(r, rank{})
	i := len(r) - 1
	for ; i > 0 && key < r[i-1].key; i-- {
		r[i] = r[i-1]
	}
	r[i] = rank{key, index}
	return r
}

// addToMany finds where to insert by binary search.
func (r ranking) addToMany(key uint64, index int) ranking {
	i, _ := slices.BinarySearchFunc(r, rank{key, index}, func(a, b rank) int {
		return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.index, b.index))
	})
	return slices.Insert(r, i, rank{key, index})
}

func (r ranking) appendTo(dst []int) []int {
	for i := range r {
		dst = append(dst, r[i].index)
	}
	return dst
}
