package pool

import (
	"math/rand/v2"
	"sync/atomic"
)

// Order appends to dst the places, in s's members of family f, of those that
// are answered, in the order in which they are answered: by the pool's policy,
// cut to Config.MaxAnswers. It moves the rotation on by one step, so call it once
// a query. It does not allocate when dst has room, with up to manyMembers.
func (p *Pool) Order(dst []int, s *Snapshot, f Family, c Client) []int {
	var turns []atomic.Uint64
	if p.turns != nil {
		turns = p.turns[f]
	}
	return p.order(dst, s, f, c, &p.cursors[f], turns)
}

// Aside does the same for addresses that come along with the answer to another
// question. The rotation stands where step says and is not moved: those who ask
// for other things in between would make a list turn by two for those who ask
// for addresses.
func (p *Pool) Aside(dst []int, s *Snapshot, f Family, c Client, step uint64) []int {
	var cursor atomic.Uint64
	cursor.Store(step)
	return p.order(dst, s, f, c, &cursor, nil)
}

// order is Order with the rotation's cursor, and, for Nearest, that of each
// group of neighbours, or nil if cursor is theirs too.
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
		return turned(dst, choice.plan.shares.deal(next(cursor)), n, k)
	case Shuffle:
		return shuffled(dst, n, k)
	case Sticky:
		return choice.plan.seats.sticky(dst, c.Network, k)
	case Nearest:
		if choice.plan.spots.know(c.Place) {
			return choice.plan.spots.nearest(dst, c.Place, k, cursor, turns)
		}
	case Sequential:
		return turned(dst, 0, n, k)
	case Rotate:
	}
	return turned(dst, int(next(cursor)%uint64(n)), n, k) // #nosec G115 -- less than n
}

// next moves a cursor on and returns where it stood.
func next(cursor *atomic.Uint64) uint64 { return cursor.Add(1) - 1 }

// turned appends k of n places, from start on, in a circle.
func turned(dst []int, start, n, k int) []int {
	for i := start; k > 0; k-- {
		dst = append(dst, i)
		if i++; i == n {
			i = 0
		}
	}
	return dst
}

// shuffled appends k of n places, any order as likely as another.
func shuffled(dst []int, n, k int) []int {
	if n <= fewRanks {
		var room [fewRanks]int
		return append(dst, draw(room[:0], n, k)...)
	}
	var room [manyMembers]int
	return append(dst, draw(room[:0], n, k)...)
}

// draw returns k of n places. It uses all for room.
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
