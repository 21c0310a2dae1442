package pool

import (
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/rrhealth/rrhealth/plugin/verdict"
)

// randomPool returns a pool of one to seven backends and a health for each, so that
// every rule comes up.
func randomPool(r *rand.Rand) (*Config, []Health) {
	c := &Config{Settings: Settings{
		Policy: Policy(r.IntN(len(policyNames))), TTL: 30, ShortTTL: 10, FastTTL: 2, MaxAnswers: r.IntN(4),
		AllDown: Action(r.IntN(int(ActAddresses) + 1)), MinUp: MinUp{N: 1 + r.IntN(3)},
	}, Networks: Networks{24, 56}}
	if c.AllDown == ActAddresses {
		c.Fallback = []netip.Addr{netip.MustParseAddr("203.0.113.80")}
	}
	if r.IntN(3) == 0 {
		c.MinUp = MinUp{N: 1 + r.IntN(100), Percent: true}
	}
	health := make([]Health, 1+r.IntN(7))
	badly := r.IntN(4) // few pools are all down by chance
	for i := range health {
		b := Backend{Addr: netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}), Weight: 1 + r.IntN(5), Tier: 1 + r.IntN(3), Drain: r.IntN(8) == 0}
		if r.IntN(3) == 0 {
			b.Addr = netip.AddrFrom16([16]byte{0: 0x20, 15: byte(i)})
		}
		c.Backends = append(c.Backends, b)
		health[i] = randomHealth(r, badly)
	}
	return c, health
}

func randomHealth(r *rand.Rand, badly int) (h Health) {
	h.State = verdict.States[r.IntN(len(verdict.States))]
	if r.IntN(4) < badly {
		h.State = verdict.Down
	}
	h.HeldDown = h.State != verdict.Down && r.IntN(4) == 0
	h.Changing = r.IntN(4) == 0
	if h.State == verdict.Up && r.IntN(4) == 0 {
		h.Growth = uint8(1 + r.IntN(fullGrowth-1))
	}
	switch r.IntN(8) {
	case 0:
		h.Admin.State = verdict.Up
	case 1:
		h.Admin.State = verdict.Down
	case 2, 3:
		h.Admin.Drained = true
	}
	if r.IntN(6) == 0 {
		h.Admin.Weight = uint16(1 + r.IntN(9))
	}
	return h
}

// A naive decides as the documents say it, one sentence after the other.
type naive struct {
	c      *Config
	health []Health
}

func (n naive) isDown(i int) bool {
	h := n.health[i]
	return h.Admin.State == verdict.Down || h.Admin.State != verdict.Up && h.State == verdict.Down
}

func (n naive) isReady(i int) bool {
	h := n.health[i]
	return h.Admin.State == verdict.Up || !n.isDown(i) && !h.HeldDown
}

// member reports whether the ith backend may be answered at all.
func (n naive) member(i int) bool {
	if n.c.Backends[i].Drain {
		return false
	}
	return !n.health[i].Admin.Drained || n.drainedOut()
}

func (n naive) drainedOut() bool {
	for i, b := range n.c.Backends {
		if !b.Drain && !n.health[i].Admin.Drained {
			return false
		}
	}
	return true
}

func (n naive) allDown() bool {
	for i := range n.c.Backends {
		if n.member(i) && !n.isDown(i) {
			return n.drainedOut()
		}
	}
	return true
}

// tier returns the members of family f in the tier t.
func (n naive) tier(f Family, t int) (all []int) {
	for i, b := range n.c.Backends {
		if n.member(i) && FamilyOf(b.Addr) == f && b.Tier == t {
			all = append(all, i)
		}
	}
	return all
}

// firstTier returns the members of the first tier that has any.
func (n naive) firstTier(f Family) []int {
	for t := range 4 {
		if all := n.tier(f, t); len(all) > 0 {
			return all
		}
	}
	return nil
}

// decide returns the outcome for family f, and which backends are answered.
func (n naive) decide(f Family) (Outcome, []int) {
	tier1 := n.firstTier(f)
	if n.allDown() {
		switch {
		case n.c.AllDown == ActAddresses && f == V4:
			return ServedFallback, nil
		case n.c.AllDown == ActAddresses, tier1 == nil:
			return NoData, nil
		case n.c.AllDown == ActAnswer:
			return ServedAllDown, tier1
		}
		return map[Action]Outcome{ActServfail: Servfail, ActRefused: Refused, ActNoData: NoData, ActDrop: Dropped}[n.c.AllDown], nil
	}
	need := n.c.MinUp.N
	if n.c.MinUp.Percent {
		need = max(int(math.Ceil(float64(n.c.MinUp.N)*float64(len(tier1))/100)), 1)
	}
	notDown := func(i int) bool { return !n.isDown(i) }
	for _, good := range []func(int) bool{n.isReady, notDown} {
		var up []int
		for t := range 4 {
			for _, i := range n.tier(f, t) {
				if good(i) {
					up = append(up, i)
				}
			}
			if len(up) >= need {
				return Served, up
			}
		}
	}
	var all []int
	some := false
	for t := range 4 {
		for _, i := range n.tier(f, t) {
			all, some = append(all, i), some || notDown(i)
		}
	}
	if !some {
		return NoData, nil
	}
	return ServedMinUp, all
}

// rule says in words why the ith backend is answered for f, or is not.
func (n naive) rule(f Family, i int) Rule {
	outcome, answered := n.decide(f)
	b, h := n.c.Backends[i], n.health[i]
	if slices.Contains(answered, i) {
		switch {
		case outcome == ServedAllDown:
			return AllAreDown
		case n.isReady(i) && h.Admin.State == verdict.Up && (h.State != verdict.Up || h.HeldDown):
			return SetUp
		case n.isReady(i) && h.State == verdict.Unknown:
			return IsUnknown
		case n.isReady(i):
			return IsUp
		}
		return TooFewUp
	}
	switch {
	case FamilyOf(b.Addr) != f:
		return OtherFamily
	case b.Drain:
		return Drained
	case h.Admin.Drained:
		return SetDrained
	case n.allDown() && n.c.AllDown != ActAnswer:
		return NoneByAllDown
	case h.Admin.State == verdict.Down:
		return SetDown
	case n.isDown(i):
		return IsDown
	case !n.isReady(i):
		return IsHeldDown
	}
	return LaterTier
}

// What Build decides and what Explain says of it agree with a naive reading of the
// documents, for every kind of pool.
func TestBuildAndExplainAgainstANaiveReading(t *testing.T) {
	seen := make(map[Rule]int)
	r := rand.New(rand.NewPCG(1, 2))
	for range 10_000 {
		c, health := randomPool(r)
		n, s := naive{c, health}, Build(c, health)
		for _, f := range Families {
			outcome, want := n.decide(f)
			var got []int
			for _, m := range s.Choices[f].Members {
				if m.Index >= 0 {
					got = append(got, m.Index)
				}
			}
			if s.Choices[f].Outcome != outcome || !slices.Equal(got, want) {
				t.Fatalf("%+v\n%+v\n%v: %v %v, want %v %v", c, health, f, s.Choices[f].Outcome, got, outcome, want)
			}
			for i, rule := range c.Explain(s, f) {
				seen[rule]++
				if rule.Answered() != slices.Contains(got, i) {
					t.Fatalf("%+v\n%+v\n%v, backend %d: rule %d says answered: %t", c, health, f, i, rule, rule.Answered())
				}
				if want := n.rule(f, i); rule != want {
					t.Fatalf("%+v\n%+v\n%v, backend %d: rule %d, want %d", c, health, f, i, rule, want)
				}
			}
		}
	}
	for rule := range NoneByAllDown + 1 {
		if seen[rule] < 100 && rule != DryRun {
			t.Errorf("rule %d came up %d times", rule, seen[rule])
		}
	}
}

// Under dry_run a backend is answered, or left out, by the snapshot that is answered; if
// it would be left out otherwise, dry_run is the rule.
func TestExplainUnderDryRun(t *testing.T) {
	for _, tc := range []struct {
		backends, health string
		want             []Rule
	}{
		{"1 2 3", "UDH", []Rule{IsUp, DryRun, DryRun}},
		{"1 2 3", "UXY", []Rule{IsUp, DryRun, SetUp}},
		{"1 2 3! 6:1", "UZUU", []Rule{IsUp, SetDrained, Drained, OtherFamily}},
		{"1 2@2", "DU", []Rule{DryRun, LaterTier}},
		{"1 2@2", "DD", []Rule{AllAreDown, LaterTier}},
		{"1 2@2", "UD", []Rule{IsUp, LaterTier}},
		{"1 2", "DD", []Rule{AllAreDown, AllAreDown}},
	} {
		c := config(t, Rotate, tc.backends)
		judged := Build(c, healths(tc.health))
		trusted := healths(tc.health)
		for i := range trusted {
			trusted[i] = Health{Admin: Admin{Drained: trusted[i].Admin.Drained}}
		}
		s := Build(c, trusted)
		s.Judged = judged
		if got := c.Explain(s, V4); !slices.Equal(got, tc.want) {
			t.Errorf("%s with %s: %v, want %v", tc.backends, tc.health, got, tc.want)
		}
	}
}

// values returns the steps of a pool's rotations.
func values(p *Pool) (all []uint64) {
	for f := range p.cursors {
		all = append(all, p.cursors[f].Load())
		if p.turns != nil {
			all = append(all, loaded(p.turns[f])...)
		}
	}
	return all
}

func loaded(turns []atomic.Uint64) (all []uint64) {
	for i := range turns {
		all = append(all, turns[i].Load())
	}
	return all
}

// Peek returns what the next Order does, and moves no rotation on.
func TestPeekIsTheNextOrder(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	placed := []Place{{}, {Continent: "EU", Country: "DE"}, {Continent: "EU"}, {Continent: "NA", Country: "US"}}
	for range 3000 {
		c, health := randomPool(r)
		for i := range c.Backends {
			c.Backends[i].Place = placed[1+r.IntN(3)]
		}
		p := newPool(c)
		p.cursors.Scatter()
		p.Store(Build(c, health))
		for range 5 {
			f, client := Families[r.IntN(2)], Client{Network: r.Uint64(), Place: placed[r.IntN(4)]}
			before := values(p)
			peeked := p.Peek(nil, p.Snapshot(), f, client)
			if after := values(p); !reflect.DeepEqual(before, after) {
				t.Fatalf("%v: the rotation went from %v to %v", c.Policy, before, after)
			}
			got := p.Order(nil, p.Snapshot(), f, client)
			if c.Policy == Shuffle {
				n := len(p.Snapshot().Choices[f].Members)
				if len(peeked) != len(got) || slices.ContainsFunc(peeked, func(i int) bool { return i < 0 || i >= n }) {
					t.Fatalf("shuffle: %v is no order of %d", peeked, n)
				}
				continue
			}
			if !slices.Equal(peeked, got) {
				t.Fatalf("%v: peeked %v, and the order is %v", c.Policy, peeked, got)
			}
		}
	}
}

// Shares are what the first answers come to: exactly if the policy is exact, and
// nearly otherwise.
func TestSharesAgainstCounts(t *testing.T) {
	for _, tc := range []struct {
		policy    Policy
		rounds    int
		tolerance float64
	}{{Rotate, 12, 1e-9}, {Weighted, 64 * (5 + 1 + 9), 1e-9}, {Sequential, 7, 1e-9}, {Sticky, 100_000, 0.006}, {Shuffle, 100_000, 0.006}, {Nearest, 12, 1e-9}} {
		t.Run(tc.policy.String(), func(t *testing.T) {
			c := config(t, tc.policy, "1*5 2*2 3*4 4*7 5*3@2")
			health := healths("UUUDU")
			health[2].Admin.Weight = 9
			health[1].Growth = 32 // 5, 1 and 9 under weighted
			p := newPool(c)
			s := Build(c, health)
			counts := make([]float64, len(c.Backends))
			for i := range tc.rounds {
				first := p.Order(nil, s, V4, Client{Network: network(i)})[0]
				counts[s.Choices[V4].Members[first].Index] += 1 / float64(tc.rounds)
			}
			shares := c.Shares(s, V4)
			var sum float64
			for i := range shares {
				sum += shares[i]
				if math.Abs(shares[i]-counts[i]) > tc.tolerance {
					t.Errorf("shares are %.4f, counted %.4f", shares, counts)
					break
				}
			}
			if math.Abs(sum-1) > 1e-9 {
				t.Errorf("the sum of %v is %v, want 1", shares, sum)
			}
		})
	}
}

// Where no backend is answered, no backend has a share.
func TestSharesOfNoBackend(t *testing.T) {
	c := config(t, Rotate, "1 2")
	for _, action := range []Action{ActServfail, ActAddresses} {
		c.AllDown, c.Fallback = action, []netip.Addr{netip.MustParseAddr("203.0.113.80")}
		for _, f := range Families {
			if got := fmt.Sprint(c.Shares(Build(c, healths("DD")), f)); got != "[0 0]" {
				t.Errorf("all_down %v, family %v: %s, want [0 0]", action, f, got)
			}
		}
	}
}
