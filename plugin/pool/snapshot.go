package pool

import (
	"net/netip"
	"slices"

	"github.com/rrhealth/rrhealth/plugin/verdict"
)

// Outcome is what a query for a pool's addresses ends in.
type Outcome uint8

// The outcomes.
const (
	Served         Outcome = iota // members that are up
	ServedMinUp                   // fewer than min_up are up: all members
	ServedAllDown                 // all are down: the first tier
	ServedFallback                // all are down: the fallback addresses
	NoData                        // no address of this family
	Servfail                      // all are down: SERVFAIL
	Refused                       // all are down: REFUSED
	Dropped                       // all are down: no answer
)

var outcomeNames = [...]string{
	Served: "served", ServedMinUp: "min_up", ServedAllDown: "all_down", ServedFallback: "fallback",
	NoData: "nodata", Servfail: "servfail", Refused: "refused", Dropped: "drop",
}

// OutcomeCount is the number of outcomes.
const OutcomeCount = len(outcomeNames)

// String returns the word used in metrics.
func (o Outcome) String() string { return outcomeNames[o] }

// A Snapshot is what a pool answers, decided beforehand. It never changes.
type Snapshot struct {
	Choices [len(Families)]Choice
	TTL     uint32   // seconds
	Health  []Health // of each backend, in the order of Config.Backends
	AllDown bool     // no backend of any family is up or unknown
}

// A Choice is what is answered for one family.
type Choice struct {
	Outcome Outcome
	Members []Member // in Corefile order; empty unless the outcome serves some
	shares  shares   // under Weighted
}

// Down reports whether addr belongs to a backend that is down, or drained.
func (s *Snapshot) Down(c *Config, addr netip.Addr) bool {
	for i := range c.Backends {
		if b := &c.Backends[i]; b.Addr == addr {
			return b.Drain || s.Health[i].State == verdict.Down
		}
	}
	return false
}

// Build decides what the pool answers when its backends are as health says.
// It is pure.
func Build(c *Config, health []Health) *Snapshot {
	s := &Snapshot{TTL: c.TTL, Health: health, AllDown: true}
	for i, b := range c.Backends {
		switch {
		case b.Drain:
			continue
		case health[i].State != verdict.Down:
			s.AllDown = false
		}
		if health[i].State == verdict.Down || health[i].Changing {
			s.TTL = min(c.TTL, c.ShortTTL)
		}
	}
	for _, f := range Families {
		choice := &s.Choices[f]
		*choice = c.choose(f, s)
		if c.Policy == Weighted {
			choice.shares = newShares(c, choice.Members)
		}
	}
	return s
}

// choose decides for one family.
func (c *Config) choose(f Family, s *Snapshot) Choice {
	tiers := c.tiers(f)
	if s.AllDown {
		return c.chooseAllDown(f, tiers)
	}
	if len(tiers) == 0 {
		return Choice{Outcome: NoData}
	}
	var up []Member
	need := c.MinUp.of(len(tiers[0]))
	for _, tier := range tiers {
		for _, m := range tier {
			if s.Health[m.Index].State != verdict.Down {
				up = append(up, m)
			}
		}
		if len(up) >= need {
			return Choice{Outcome: Served, Members: up}
		}
	}
	if len(up) == 0 {
		return Choice{Outcome: NoData} // the other family has members up
	}
	return Choice{Outcome: ServedMinUp, Members: slices.Concat(tiers...)}
}

// chooseAllDown decides for one family when nothing is up in either.
func (c *Config) chooseAllDown(f Family, tiers [][]Member) Choice {
	if c.AllDown == ActAddresses {
		var members []Member
		for _, a := range c.Fallback {
			if FamilyOf(a) == f {
				members = append(members, newMember(a, -1))
			}
		}
		if members == nil {
			return Choice{Outcome: NoData}
		}
		return Choice{Outcome: ServedFallback, Members: members}
	}
	if len(tiers) == 0 {
		return Choice{Outcome: NoData} // true whether backends are up or down
	}
	switch c.AllDown {
	case ActServfail:
		return Choice{Outcome: Servfail}
	case ActRefused:
		return Choice{Outcome: Refused}
	case ActNoData:
		return Choice{Outcome: NoData}
	case ActDrop:
		return Choice{Outcome: Dropped}
	default:
		return Choice{Outcome: ServedAllDown, Members: tiers[0]}
	}
}

// tiers returns the members of family f that may be answered, the lowest tier
// first, each tier in Corefile order.
func (c *Config) tiers(f Family) [][]Member {
	byTier := make(map[int][]Member)
	var order []int
	for i, b := range c.Backends {
		if b.Drain || FamilyOf(b.Addr) != f {
			continue
		}
		if byTier[b.Tier] == nil {
			order = append(order, b.Tier)
		}
		byTier[b.Tier] = append(byTier[b.Tier], newMember(b.Addr, i))
	}
	slices.Sort(order)
	tiers := make([][]Member, 0, len(order))
	for _, t := range order {
		tiers = append(tiers, byTier[t])
	}
	return tiers
}
