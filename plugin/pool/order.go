package pool

import "math/rand/v2"

// Order appends to dst the places, in s's members of family f, of those that
// are answered, in the order in which they are answered: by the pool's policy,
// cut to Config.Answers. It moves the rotation on by one step, so call it once
// a query. It does not allocate when dst has room, with up to manyMembers.
func (p *Pool) Order(dst []int, s *Snapshot, f Family, c Client) []int {
	choice := &s.Choices[f]
	n := len(choice.Members)
	if n == 0 {
		return dst
	}
	k := n
	if p.Answers > 0 && p.Answers < n {
		k = p.Answers
	}
	switch p.Policy {
	case Weighted:
		return turned(dst, choice.plan.shares.deal(p.step(f)), n, k)
	case Shuffle:
		return shuffled(dst, n, k)
	case Sticky:
		return choice.plan.seats.sticky(dst, c.Network, k)
	case Nearest:
		if choice.plan.spots.know(c.Place) {
			return choice.plan.spots.nearest(dst, c.Place, k, p.turns[f])
		}
	case First:
		return turned(dst, 0, n, k)
	case Rotate:
	}
	return turned(dst, int(p.step(f)%uint64(n)), n, k) // #nosec G115 -- less than n
}

// step moves the cursor of f on and returns where it stood.
func (p *Pool) step(f Family) uint64 { return p.cursors[f].Add(1) - 1 }

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
