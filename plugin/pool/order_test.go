package pool

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
)

// newPool returns a pool of which nothing is known yet.
func newPool(c *Config) *Pool {
	p, cursors := new(Pool), new(Cursors)
	cursors.Scatter()
	p.Init(c, Build(c, make([]Health, len(c.Backends))))
	p.Adopt(cursors)
	return p
}

// firsts returns which member of p comes first in each of the next n answers.
func firsts(p *Pool, n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = p.Order(nil, p.Snapshot(), V4, Client{})[0]
	}
	return all
}

// numbered returns n backends for config: 1 2 3 ...
func numbered(n int) string {
	var words []string
	for i := range n {
		words = append(words, fmt.Sprint(i+1))
	}
	return strings.Join(words, " ")
}

// allUp lets every backend of p be up.
func (p *Pool) allUp() { p.Store(Build(p.Config, healths(strings.Repeat("U", len(p.Backends))))) }

func TestRotateTurnsTheListByOne(t *testing.T) {
	for _, n := range []int{1, 2, 3, 8, 100} {
		p := newPool(config(t, Rotate, numbered(n)))
		start := p.Order(nil, p.Snapshot(), V4, Client{})[0]
		for q := 1; q < 3*n; q++ {
			got := p.Order(nil, p.Snapshot(), V4, Client{})
			for i, place := range got {
				if want := (start + q + i) % n; place != want {
					t.Fatalf("%d members, query %d: got %v", n, q, got)
				}
			}
			if len(got) != n {
				t.Fatalf("%d members, query %d: got %d of them", n, q, len(got))
			}
		}
	}
}

func TestEachFamilyHasItsOwnRotation(t *testing.T) {
	p := newPool(config(t, Rotate, "1 2 6:1 6:2"))
	p.Adopt(new(Cursors))
	s := p.Snapshot()
	// A stub resolver asks for both in turn: one cursor for both families
	// would answer every A with the same member first.
	for i := range 10 {
		for _, f := range Families {
			if got := p.Order(nil, s, f, Client{})[0]; got != i%2 {
				t.Fatalf("query %d of family %d: first is %d, want %d", i, f, got, i%2)
			}
		}
	}
}

func TestRotationContinuesWhenMembersChange(t *testing.T) {
	p := newPool(config(t, Rotate, "1 2 3"))
	p.Adopt(new(Cursors))
	firsts(p, 4)
	p.Store(Build(p.Config, healths("UDU")))
	if got, want := firsts(p, 4), []int{0, 1, 0, 1}; !slices.Equal(got, want) {
		t.Errorf("after a failure: got %v, want %v", got, want)
	}
	p.allUp()
	if got, want := firsts(p, 4), []int{2, 0, 1, 2}; !slices.Equal(got, want) {
		t.Errorf("after its return: got %v, want %v", got, want)
	}
}

func TestFirstKeepsTheCorefilesOrder(t *testing.T) {
	p := newPool(config(t, Sequential, "3 1 2"))
	for range 5 {
		if got := p.Order(nil, p.Snapshot(), V4, Client{}); !slices.Equal(got, []int{0, 1, 2}) {
			t.Fatalf("got %v, want 0 1 2", got)
		}
	}
}

// Every policy answers the number asked for, each member once, behind what was
// in dst already.
func TestAnswersAreCutAfterOrdering(t *testing.T) {
	for policy := range policyNames {
		for _, n := range []int{1, 2, 3, 20, 100, 200} {
			for _, answers := range []int{0, 1, 2, 8, 19, 130, 1000} {
				c := config(t, Policy(policy), "1")
				c.Backends = nil
				for i := range n {
					b := Backend{Addr: address(t, fmt.Sprint(i)), Weight: 1 + i%3, Tier: 1}
					b.Place = Place{}.At(float64(i%5), float64(i%7))
					c.Backends = append(c.Backends, b)
				}
				c.MaxAnswers = answers
				p := newPool(c)
				for q := range 5 {
					client := Client{Network: uint64(q), Place: Place{}.At(float64(q), 3)}
					got := p.Order([]int{-7}, p.Snapshot(), V4, client)
					want := n
					if answers > 0 {
						want = min(n, answers)
					}
					if got[0] != -7 || len(got) != 1+want {
						t.Fatalf("%s, %d members, max_answers %d: got %v", c.Policy, n, answers, got)
					}
					rest := slices.Clone(got[1:])
					slices.Sort(rest)
					if len(slices.Compact(rest)) != want || rest[0] < 0 || rest[want-1] >= n {
						t.Fatalf("%s, %d members, max_answers %d: got %v", c.Policy, n, answers, got)
					}
				}
			}
		}
	}
}

func TestOrderWithoutMembersIsEmpty(t *testing.T) {
	for policy := range policyNames {
		p := newPool(config(t, Policy(policy), "1"))
		if got := p.Order(nil, p.Snapshot(), V6, Client{}); len(got) != 0 {
			t.Errorf("%s: got %v, want nothing", Policy(policy), got)
		}
	}
}

// All orders of three are equally likely, all pairs of indices of ten are: with
// so many draws a fair shuffle misses these bounds once in a billion runs.
func TestShuffleIsFair(t *testing.T) {
	p := newPool(config(t, Shuffle, "1 2 3"))
	count := make(map[string]int)
	const draws = 60_000
	for range draws {
		count[fmt.Sprint(p.Order(nil, p.Snapshot(), V4, Client{}))]++
	}
	if len(count) != 6 {
		t.Errorf("got %d different orders, want 6", len(count))
	}
	for order, n := range count {
		if n < 9_400 || n > 10_600 { // 6.6 standard deviations
			t.Errorf("order %s: %d times of %d, want about 10,000", order, n, draws)
		}
	}
	cut := config(t, Shuffle, numbered(10))
	cut.MaxAnswers = 1
	p = newPool(cut)
	var first [10]int
	for range draws {
		first[p.Order(nil, p.Snapshot(), V4, Client{})[0]]++
	}
	for i, n := range first {
		if n < 5_500 || n > 6_500 { // 6.8 standard deviations
			t.Errorf("member %d first %d times of %d, want about 6,000", i, n, draws)
		}
	}
}

func TestOrderDoesNotAllocate(t *testing.T) {
	for policy := range policyNames {
		for _, n := range []int{3, 100} {
			for _, answers := range []int{0, 8} {
				c := config(t, Policy(policy), "1")
				c.Backends = nil
				for i := range n {
					c.Backends = append(c.Backends, Backend{
						Addr: address(t, fmt.Sprint(i)), Weight: 1 + i, Tier: 1, Place: Place{}.At(float64(i), 0),
					})
				}
				c.MaxAnswers = answers
				p := newPool(c)
				s := p.Snapshot()
				client := Client{Network: 7, Place: Place{}.At(50, 8)}
				room := make([]int, 0, n)
				if got := testing.AllocsPerRun(100, func() { p.Order(room, s, V4, client) }); got != 0 {
					t.Errorf("%s, %d members, max_answers %d: %v allocations, want none", c.Policy, n, answers, got)
				}
			}
		}
	}
}

func TestReplicasDoNotAllBeginWithTheSame(t *testing.T) {
	starts := make(map[uint64]bool)
	for range 10 {
		var c Cursors
		c.Scatter()
		for i := range c {
			starts[c[i].Load()] = true
		}
	}
	if len(starts) < 10 {
		t.Errorf("20 cursors start at %d different steps, want 20", len(starts))
	}
}

func TestSuccessorsGoOnWhereTheirPredecessorStood(t *testing.T) {
	old := newPool(config(t, Rotate, "1 2 3"))
	cursors := new(Cursors)
	old.Adopt(cursors)
	firsts(old, 2)
	p := newPool(config(t, Rotate, "1 2 3"))
	p.Adopt(cursors)
	if got := firsts(p, 1)[0]; got != 2 {
		t.Errorf("the first answer starts with %d, want 2", got)
	}
}

func TestConcurrentClientsShareOneRotation(t *testing.T) {
	const clients, each = 8, 3_000
	for _, policy := range []Policy{Rotate, Weighted} {
		p := newPool(config(t, policy, "1*5 2*3 3*2"))
		p.allUp()
		counts := make([][3]int, clients)
		var wg sync.WaitGroup
		for i := range clients {
			wg.Go(func() {
				var room [3]int
				for range each {
					counts[i][p.Order(room[:0], p.Snapshot(), V4, Client{})[0]]++
				}
			})
		}
		wg.Wait()
		var total [3]int
		for _, c := range counts {
			for i, n := range c {
				total[i] += n
			}
		}
		want := [3]int{8_000, 8_000, 8_000}
		if policy == Weighted {
			want = [3]int{12_000, 7_200, 4_800}
		}
		if total != want {
			t.Errorf("%s: the members came first %v times, want exactly %v", policy, total, want)
		}
	}
}
