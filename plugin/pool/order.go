package pool

import (
	"math/rand/v2"
	"sort"
)

// Order appends to dst the places, in s's members of family f, of those that
// are answered, in the order in which they are answered: by the pool's policy,
// cut to Config.Answers. It moves the rotation on by one step, so call it once
// a query. It does not allocate when dst has room.
func (p *Pool) Order(dst []int, s *Snapshot, f Family) []int {
	choice := &s.Choices[f]
	n := len(choice.Members)
	k := n
	if p.Answers > 0 && p.Answers < n {
		k = p.Answers
	}
	if n == 0 {
		return dst
	}
	start := 0
	switch p.Policy {
	case Rotate:
		start = int(p.step(f) % uint64(n)) // #nosec G115 -- less than n
	case Weighted:
		start = choice.shares.deal(p.step(f))
	case Shuffle:
		return shuffled(dst, n, k)
	case First:
	}
	for i := start; k > 0; k-- {
		dst = append(dst, i)
		if i++; i == n {
			i = 0
		}
	}
	return dst
}

// step moves the cursor of f on and returns where it stood.
func (p *Pool) step(f Family) uint64 { return p.cursors[f].Add(1) - 1 }

// shuffled appends k of n places, any order as likely as another.
func shuffled(dst []int, n, k int) []int {
	base := len(dst)
	for i := range n {
		dst = append(dst, i)
	}
	all := dst[base:]
	for i := range k {
		j := i + rand.IntN(n-i)
		all[i], all[j] = all[j], all[i]
	}
	return dst[:base+k]
}

// shares deals the first place in exact proportion to the weights.
//
// Think of a circle with as many seats as the weights add up to, each member
// holding as many seats, side by side, as it has weight. Each query moves on
// by a fixed stride and takes the seat it lands on. The stride has no divisor
// in common with the number of seats, so that any run of queries as long as
// the circle lands on each seat exactly once: that is the exact proportion. It
// lies near the golden section of the circle, so that the landings are spread
// evenly over it at any time: that is the smoothness (Steinhaus's three-gap
// theorem). It takes no table of seats and no state but the cursor, which
// members that come and go do not reset.
type shares struct {
	ends   []uint64 // where each member's seats end
	stride uint64
}

func newShares(c *Config, members []Member) shares {
	var s shares
	var divisor, total uint64
	weight := func(m Member) uint64 {
		if m.Index < 0 {
			return 1 // a fallback address
		}
		return uint64(c.Backends[m.Index].Weight) // #nosec G115 -- checked at parse
	}
	for _, m := range members {
		divisor = gcd(weight(m), divisor)
	}
	for _, m := range members {
		total += weight(m) / divisor
		s.ends = append(s.ends, total)
	}
	s.stride = stride(total)
	return s
}

// deal returns the member whose turn it is at the given step.
func (s *shares) deal(step uint64) int {
	total := s.ends[len(s.ends)-1]
	// Both factors are below the sum of the weights, which is far below 2^32:
	// 65,535 times the most backends a stanza can list.
	at := step % total * s.stride % total
	return sort.Search(len(s.ends), func(i int) bool { return s.ends[i] > at })
}

// stride returns the number nearest below the golden section of total that has
// no divisor in common with it.
func stride(total uint64) uint64 {
	const golden = 0.6180339887498949
	s := max(uint64(float64(total)*golden), 1)
	for gcd(s, total) != 1 {
		s--
	}
	return s
}

func gcd(a, b uint64) uint64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
