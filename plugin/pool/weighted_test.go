package pool

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// dealt returns which members are dealt at steps from to from+n-1.
func dealt(weights []uint64, from uint64, n int) []int {
	s := newWeighted(weights)
	all := make([]int, n)
	for i := range all {
		all[i] = s.first(from + uint64(i))
	}
	return all
}

func sum(weights []uint64) (total uint64) {
	for _, w := range weights {
		total += w
	}
	return total
}

// vectors are weights as people write them, small sums (2, 3, 4, 6) among them,
// and as they had better not.
func vectors() [][]uint64 {
	all := [][]uint64{
		{1}, {7}, {1, 1}, {2, 1}, {1, 2}, {3, 3}, {1, 1, 1}, {2, 1, 1}, {1, 2, 1}, {3, 2, 1}, {1, 2, 3}, {5, 1, 1},
		{1, 1, 4}, {4, 2}, {6, 4}, {5, 3, 2}, {10, 1}, {100, 1}, {1, 2, 4, 8, 16, 32}, {1, 1, 2, 3, 5, 8, 13, 21},
		{50, 30, 20}, {99, 1}, {7, 7, 7, 7, 7}, {255, 1, 255}, {1000, 999, 998}, {20, 20, 20, 20, 1}, {64, 64, 1},
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		v := make([]uint64, 1+rng.IntN(12))
		for i := range v {
			v[i] = 1 + rng.Uint64N(1+rng.Uint64N(60))
		}
		all = append(all, v)
	}
	return all
}

// In any window as long as the weights add up to, from any start, each
// member is first exactly as often as it weighs.
func TestWeightedIsExactInEveryWindow(t *testing.T) {
	for _, weights := range vectors() {
		window := int(sum(weights))
		from := uint64(math.MaxUint32) - 5 // cursors start below 2^32
		seq := dealt(weights, from, 11*window)
		counts := make([]uint64, len(weights))
		for i, m := range seq {
			counts[m]++
			if i >= window {
				counts[seq[i-window]]--
			}
			if i >= window-1 && !slices.Equal(counts, weights) {
				t.Fatalf("weights %v, window ending at %d: got %v", weights, i, counts)
			}
		}
	}
}

// In any stretch of answers, however long or short, a member comes first as
// often as its share says, but for less than two and a half.
func TestWeightedIsSmooth(t *testing.T) {
	worst := 0.0
	for _, weights := range vectors() {
		total := sum(weights)
		seq := dealt(weights, 0, int(2*total))
		for m, w := range weights {
			share := float64(w) / float64(total)
			// The deviation between any two times is that of the extremes of
			// the running one.
			low, high, owed := 0.0, 0.0, 0.0
			for _, d := range seq {
				owed -= share
				if d == m {
					owed++
				}
				low, high = min(low, owed), max(high, owed)
			}
			if high-low > worst {
				worst = high - low
			}
			if high-low >= 2.5 {
				t.Errorf("weights %v: member %d strays by %.2f from its share", weights, m, high-low)
			}
		}
	}
	t.Logf("the worst member of all vectors strays by %.2f answers from its share", worst)
}

// The sequences people will look at.
func TestWeightedSequences(t *testing.T) {
	for _, tc := range []struct {
		weights []uint64
		want    string
	}{
		{[]uint64{1, 1}, "ab"},
		{[]uint64{2, 1}, "aba"},
		{[]uint64{2, 1, 1}, "abac"},
		{[]uint64{3, 2, 1}, "abacab"},
		{[]uint64{5, 1, 1}, "aabaaca"},
		{[]uint64{3, 1}, "aaba"},
	} {
		n := len(tc.want)
		var got strings.Builder
		for _, m := range dealt(tc.weights, 0, n) {
			got.WriteByte(byte('a' + m))
		}
		// Where the circle is entered is of no account.
		if !strings.Contains(tc.want+tc.want, got.String()) && !strings.Contains(reversed(tc.want+tc.want), got.String()) {
			t.Errorf("weights %v: got %s, want a rotation of %s", tc.weights, got.String(), tc.want)
		}
	}
}

func reversed(s string) string {
	b := []byte(s)
	slices.Reverse(b)
	return string(b)
}

func TestTheHeaviestMemberIsDealtByTheFewestNodes(t *testing.T) {
	weights := make([]uint64, 51)
	for i := range weights {
		weights[i] = uint64(1 + i%3)
	}
	weights[17] = 1000
	s := newWeighted(weights)
	if root := s.nodes[len(s.nodes)-1]; root.left != ^17 && root.right != ^17 {
		t.Errorf("the root deals to %d and %d, want member 17 on one side", root.left, root.right)
	}
}

func TestDealingTakesAsManyNodesAsItMust(t *testing.T) {
	weights := slices.Repeat([]uint64{5}, 64)
	s := newWeighted(weights)
	depth := make([]int, len(s.nodes))
	for i, node := range slices.Backward(s.nodes) {
		for _, side := range []int32{node.left, node.right} {
			if side >= 0 {
				depth[side] = depth[i] + 1
			} else if depth[i]+1 != 6 {
				t.Fatalf("member %d of 64 equals is dealt by %d nodes, want 6", ^side, depth[i]+1)
			}
		}
	}
}

func TestWeightedWithTheLargestWeights(t *testing.T) {
	for _, n := range []int{2, 100, 1000} {
		weights := make([]uint64, n)
		for i := range weights {
			weights[i] = 65535 * fullGrowth // the scale while one is growing
		}
		weights[0] = 1
		total := sum(weights)
		s := newWeighted(weights)
		if len(s.nodes) != n-1 {
			t.Fatalf("%d members: %d nodes, want %d", n, len(s.nodes), n-1)
		}
		// The light one comes exactly once in a round of 10^8 to 10^9: find it
		// by its node rather than by going round.
		prob := make([]uint64, n)
		for _, from := range []uint64{0, total - 1, math.MaxUint64 - 1000} {
			for step := range uint64(1000) {
				m := s.first(from + step)
				if m < 0 || m >= n {
					t.Fatalf("%d members: dealt %d", n, m)
				}
				prob[m]++
			}
		}
		for i, got := range prob[1:] {
			if want := 3000 / float64(n-1); math.Abs(float64(got)-want) > 4*3 {
				t.Errorf("%d members: member %d dealt %d times of 3000, want %.1f", n, i+1, got, want)
			}
		}
	}
}

// One full round of sums that cannot be gone through would take hours; a large
// one that can is gone through once.
func TestWeightedIsExactOverOneLargeRound(t *testing.T) {
	weights := []uint64{65535, 65534, 32768, 4099, 257, 1}
	counts := make([]uint64, len(weights))
	for _, m := range dealt(weights, 123456789, int(sum(weights))) {
		counts[m]++
	}
	if !slices.Equal(counts, weights) {
		t.Errorf("got %v, want %v", counts, weights)
	}
}

// A failure leaves the shares of the others in proportion, a return restores
// them, and neither starts the sequence anew.
func TestWeightedAfterAFailureAndARecovery(t *testing.T) {
	c := config(t, Weighted, "1*5 2*3 3*2")
	p := newPool(c)
	count := func(windows, total int) map[string]int {
		got := make(map[string]int)
		s := p.Snapshot()
		for range windows * total {
			got[s.Choices[V4].Members[p.Order(nil, s, V4, Client{})[0]].Addr.String()]++
		}
		return got
	}
	want := func(when string, got map[string]int, weights ...int) {
		t.Helper()
		for i, w := range weights {
			if n := got[fmt.Sprintf("192.0.2.%d", i+1)]; n != 10*w {
				t.Errorf("%s: backend %d first %d times in 10 windows, want %d", when, i+1, n, 10*w)
			}
		}
	}
	p.allUp()
	want("all up", count(10, 10), 5, 3, 2)
	p.Store(Build(p.Config, healths("UDU")))
	want("second down", count(10, 7), 5, 0, 2)
	p.Store(Build(p.Config, healths("DUU")))
	want("first down", count(10, 5), 0, 3, 2)
	p.Store(Build(p.Config, healths("DDU")))
	want("two down", count(10, 2), 0, 0, 2)
	p.allUp()
	want("all back", count(10, 10), 5, 3, 2)
}

func TestWeightedDoesNotStartAnewWhenMembersChange(t *testing.T) {
	// A pool that loses and regains a member after every answer would answer
	// one and the same for ever if each change began at the beginning.
	p := newPool(config(t, Weighted, "1*5 2*3 3*2"))
	seen := make(map[int]int)
	for range 100 {
		p.allUp()
		seen[firsts(p, 1)[0]]++
		p.Store(Build(p.Config, healths("UUD")))
		firsts(p, 2) // an odd number in all: not in step with the window of 10
	}
	if len(seen) != 3 {
		t.Errorf("only members %v ever came first", seen)
	}
}

func TestAGrowingMemberHasItsPartOfTheShare(t *testing.T) {
	c := config(t, Weighted, "1*2 2*2")
	for _, growth := range []int{1, 16, 32, 63} {
		health := healths("UU")
		health[1].Growth = uint8(growth)
		p := newPool(c)
		p.Store(Build(c, health))
		var got [2]int
		for _, m := range firsts(p, 2*fullGrowth+2*growth) {
			got[m]++
		}
		if want := [2]int{2 * fullGrowth, 2 * growth}; got != want {
			t.Errorf("growth %d: got %v, want %v", growth, got, want)
		}
	}
}

func BenchmarkDeal(b *testing.B) {
	for _, n := range []int{3, 100} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			weights := make([]uint64, n)
			for i := range weights {
				weights[i] = uint64(1 + i*i)
			}
			s := newWeighted(weights)
			for i := range b.N {
				s.first(uint64(i))
			}
		})
	}
}
