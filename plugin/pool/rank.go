package pool

import (
	"cmp"
	"slices"
)

const (
	// fewRanks is how many ranks fit into a small array on the stack, which
	// every query has one of its own of. Eight addresses are answered unless
	// the Corefile says otherwise.
	fewRanks = 16
	// manyMembers is how many members are ranked without allocating.
	manyMembers = 128
)

// A ranking is the lowest so far, in ascending order.
type ranking []rank

type rank struct {
	key   uint64
	place int
}

// add takes place in if its key is among the k lowest. Equal keys stand in the
// order of their places. To insert is cheaper than to sort for as many members
// as pools have: most of them are not among the lowest and cost one comparison.
func (r ranking) add(key uint64, place, k int) ranking {
	if len(r) == k {
		if key >= r[k-1].key {
			return r
		}
		r = r[:k-1]
	}
	if k > manyMembers {
		return r.addToMany(key, place)
	}
	r = append(r, rank{})
	i := len(r) - 1
	for ; i > 0 && key < r[i-1].key; i-- {
		r[i] = r[i-1]
	}
	r[i] = rank{key, place}
	return r
}

// addToMany finds the place by halving.
func (r ranking) addToMany(key uint64, place int) ranking {
	i, _ := slices.BinarySearchFunc(r, rank{key, place}, func(a, b rank) int {
		return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.place, b.place))
	})
	return slices.Insert(r, i, rank{key, place})
}

func (r ranking) appendTo(dst []int) []int {
	for i := range r {
		dst = append(dst, r[i].place)
	}
	return dst
}
