package pool

import (
	"math/rand/v2"
	"sync/atomic"
)

// Order appends to dst the indices of the members to answer, in s's members of
// family f, in the order of the pool's policy, at most Config.MaxAnswers of
// them. It moves the rotation on by one step: call it once a query. It does not
// allocate if dst has room and there are at most manyMembers.
func (p *Pool) Order(dst []int, s *Snapshot, f Family, c Client) []int {
	var turns []atomic.Uint64
	if p.turns != nil {
		turns = p.turns[f]
	}
	return p.order(dst, s, f, c, &p.cursors[f], turns)
}

// Aside does the same for addresses in the answer to another question, such as
// SRV. It takes the rotation's step as an argument and does not move it:
// otherwise, with SRV and A queries in turn, every A query would find the list
// two steps further, and half of a pool of two would never be first.
func (p *Pool) Aside(dst []int, s *Snapshot, f Family, c Client, step uint64) []int {
	var cursor atomic.Uint64
	cursor.Store(step)
	return p.order(dst, s, f, c, &cursor, nil)
}

// order is Order with the rotation's cursor and, under Nearest, a cursor for
// each group of neighbors; nil if they share cursor.
func (p *Pool) order(dst []int, s *Snapshot, f Family, c Client, cursor *atomic.Uint64, turns []atomic.Uint64) []int {
	choice := &s.Choices[f]
	n := len(choice.Members)
	if n == 0 {
		return dst
	}
	k := n
	if p.MaxAnswers > 0 && p.MaxAnswers < n {
		k = p.MaxAnswers
	}
	switch p.Policy {
	case Weighted:
		return turned(dst, choice.prepared.weighted.first(advance(cursor)), n, k)
	case Shuffle:
		return shuffled(dst, n, k)
	case Sticky:
		return choice.prepared.sticky.order(dst, c.Network, k)
	case Nearest:
		if choice.prepared.nearest.locates(c.Place) {
			return choice.prepared.nearest.order(dst, c.Place, k, cursor, turns)
		}
	case Sequential:
		return turned(dst, 0, n, k)
	case Rotate:
	}
	return turned(dst, int(advance(cursor)%uint64(n)), n, k) // #nosec G115 -- less than n
}

// advance moves a cursor on by one and returns its step before.
func advance(cursor *atomic.Uint64) uint64 { return cursor.Add(1) - 1 }

// turned appends k of the indices below n, from start on, in a circle.
func turned(dst []int, start, n, k int) []int {
	for i := start; k > 0; k-- {
		dst = append(dst, i)
		if i++; i == n {
			i = 0
		}
	}
	return dst
}

// shuffled appends k of the indices below n, in random order.
func shuffled(dst []int, n, k int) []int {
	if n <= fewRanks {
		var room [fewRanks]int
		return append(dst, draw(room[:0], n, k)...)
	}
	var room [manyMembers]int
	return append(dst, draw(room[:0], n, k)...)
}

// draw returns k of the indices below n, in random order. It appends to all.
func draw(all []int, n, k int) []int {
	for i := range n {
		all = append(all, i)
	}
	for i := range k {
		j := i + rand.IntN(n-i)
		all[i], all[j] = all[j], all[i]
	}
	return all[:k]
}
