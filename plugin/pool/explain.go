package pool

import (
	"sync/atomic"

	"github.com/rrhealth/rrhealth/plugin/verdict"
)

// Rule is why a backend is in the answers of a snapshot, or is not.
type Rule uint8

// The rules. The first ones are of backends that are answered.
const (
	IsUp          Rule = iota // it is up
	IsUnknown                 // there is no verdict on it
	SetUp                     // an operator takes it for up
	TooFewUp                  // it is down or held down, and fewer than min_up are up
	AllAreDown                // all are down or drained by operators, and all_down answers them
	DryRun                    // it would be left out, were it not for dry_run
	IsDown                    // its checks fail
	SetDown                   // an operator takes it for down
	IsHeldDown                // hold_down or failback
	Drained                   // the Corefile drains it
	SetDrained                // an operator drains it
	LaterTier                 // an earlier tier has enough up
	OtherFamily               // it is of the other address family
	NoneByAllDown             // all are down, and all_down answers no backend
)

// Answered reports whether backends under r are answered.
func (r Rule) Answered() bool { return r <= DryRun }

// Explain returns the rule for each backend in the answers of s for family f.
func (c *Config) Explain(s *Snapshot, f Family) []Rule {
	judged := s
	if s.Judged != nil {
		judged = s.Judged
	}
	answered, trusted := c.answered(s, f), c.answered(judged, f)
	rules := make([]Rule, len(c.Backends))
	for i := range rules {
		switch {
		case !answered[i]:
			rules[i] = c.leftOut(s, f, i)
		case !trusted[i]:
			rules[i] = DryRun
		default:
			rules[i] = judged.Health[i].whyAnswered(judged.Choices[f].Outcome)
		}
	}
	return rules
}

// answered returns, for each backend, whether s answers it for family f.
func (c *Config) answered(s *Snapshot, f Family) []bool {
	all := make([]bool, len(c.Backends))
	for _, m := range s.Choices[f].Members {
		if m.Index >= 0 {
			all[m.Index] = true
		}
	}
	return all
}

// leftOut returns the rule by which s leaves out the ith backend.
func (c *Config) leftOut(s *Snapshot, f Family, i int) Rule {
	b, h := &c.Backends[i], s.Health[i]
	switch {
	case FamilyOf(b.Addr) != f:
		return OtherFamily
	case b.Drain:
		return Drained
	case h.Admin.Drained:
		return SetDrained
	case s.AllDown && s.Choices[f].Outcome != ServedAllDown:
		return NoneByAllDown
	case h.Admin.State == verdict.Down:
		return SetDown
	case h.Effective() == verdict.Down:
		return IsDown
	case !h.ready():
		return IsHeldDown
	}
	return LaterTier
}

// whyAnswered returns the rule by which a backend with health h is answered, if that
// is not dry_run.
func (h Health) whyAnswered(outcome Outcome) Rule {
	switch {
	case outcome == ServedAllDown:
		return AllAreDown
	case !h.ready():
		return TooFewUp
	case h.Admin.State == verdict.Up && (h.State != verdict.Up || h.HeldDown):
		return SetUp
	case h.Effective() == verdict.Unknown:
		return IsUnknown
	}
	return IsUp
}

// Peek returns what the next Order will, and moves no rotation on. Under Shuffle it
// is one of the possible orders.
func (p *Pool) Peek(dst []int, s *Snapshot, f Family, c Client) []int {
	var cursor atomic.Uint64
	cursor.Store(p.cursors[f].Load())
	var turns []atomic.Uint64
	if p.turns != nil {
		turns = make([]atomic.Uint64, len(p.turns[f]))
		for i := range turns {
			turns[i].Store(p.turns[f][i].Load())
		}
	}
	return p.order(dst, s, f, c, &cursor, turns)
}

// Up returns how many members of family f count as up with the given health, of
// the tiers that it takes to have min_up of them, and how many that is: 0 if the
// Corefile has no backend of that family, or drains them.
func (c *Config) Up(f Family, health []Health) (up, need int) {
	tiers := c.tiers(f, health)
	if len(tiers) == 0 {
		return 0, 0
	}
	need = c.MinUp.Of(len(tiers[0]))
	members, _ := first(tiers, need, func(i int) bool { return health[i].ready() && !health[i].Admin.Drained })
	return len(members), need
}

// Shares returns the part of the first answers that each backend has in the
// answers of s for family f, between 0 and 1. Under Sticky and Nearest, for clients
// that are spread evenly; Nearest is taken for Rotate.
func (c *Config) Shares(s *Snapshot, f Family) []float64 {
	shares := make([]float64, len(c.Backends))
	members := s.Choices[f].Members
	parts := make([]float64, len(members))
	var sum float64
	for i, w := range weights(c, members, s.Health, c.Policy == Weighted) {
		switch {
		case c.Policy == Sequential && i > 0:
			parts[i] = 0
		case c.Policy == Weighted || c.Policy == Sticky:
			parts[i] = float64(w)
		default:
			parts[i] = 1
		}
		sum += parts[i]
	}
	for i, m := range members {
		if m.Index >= 0 {
			shares[m.Index] = parts[i] / sum
		}
	}
	return shares
}
