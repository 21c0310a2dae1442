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
	AllAreDown                // all are down, and all_down answers them
	DryRun                    // it is down, and dry_run answers it
	IsDown                    // its checks fail
	SetDown                   // an operator takes it for down
	IsHeldDown                // hold_down or failback
	Drained                   // the Corefile drains it
	SetDrained                // an operator drains it
	LaterTier                 // an earlier tier has enough up
	OtherFamily               // it is of the other address family
	NoneByAllDown             // all are down, and all_down answers none of them
)

// Answered reports whether backends under r are answered.
func (r Rule) Answered() bool { return r <= DryRun }

// Explain returns the rule for each backend in the answers of s for family f.
func (c *Config) Explain(s *Snapshot, f Family) []Rule {
	answered := make([]bool, len(c.Backends))
	for _, m := range s.Choices[f].Members {
		if m.Index >= 0 {
			answered[m.Index] = true
		}
	}
	judged := s
	if s.Judged != nil {
		judged = s.Judged
	}
	rules := make([]Rule, len(c.Backends))
	for i := range rules {
		if rules[i] = c.leftOut(judged, f, i); answered[i] {
			rules[i] = judged.Health[i].whyAnswered(s, judged.Choices[f].Outcome, rules[i])
		}
	}
	return rules
}

// leftOut returns the rule by which the ith backend is left out, if it is.
func (c *Config) leftOut(s *Snapshot, f Family, i int) Rule {
	b, h := &c.Backends[i], s.Health[i]
	switch {
	case FamilyOf(b.Addr) != f:
		return OtherFamily
	case b.Drain:
		return Drained
	case h.Admin.Drained:
		return SetDrained
	case s.AllDown:
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

// whyAnswered returns the rule by which s answers a backend with health h, for
// which there is the given rule to leave it out. outcome is that without dry_run.
func (h Health) whyAnswered(s *Snapshot, outcome Outcome, leftOut Rule) Rule {
	switch {
	case h.ready() && h.Admin.State == verdict.Up && h.State != verdict.Up:
		return SetUp
	case h.ready() && h.Effective() == verdict.Unknown:
		return IsUnknown
	case h.ready():
		return IsUp
	case outcome == ServedAllDown:
		return AllAreDown
	case outcome == ServedMinUp || leftOut == IsHeldDown && s.Judged == nil:
		return TooFewUp
	}
	return DryRun
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
// the tiers that it takes to have min_up of them, and how many that is.
func (c *Config) Up(f Family, health []Health) (up, need int) {
	tiers := c.tiers(f, health)
	if len(tiers) == 0 {
		return 0, 0
	}
	need = c.MinUp.Of(len(tiers[0]))
	members, _ := first(tiers, need, func(i int) bool { return health[i].ready() })
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
