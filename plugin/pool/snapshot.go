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

	// Judged is what would be answered, where that is not what is: under dry_run.
	Judged *Snapshot

	// Room for the members and for Health, where they are no more. With many
	// pools each step to other memory is one out of the cache.
	members [few]Member
	health  [few]Health
}

// few is how many backends most pools have at the most.
const few = 4

// A Choice is what is answered for one family.
type Choice struct {
	Outcome Outcome
	Members []Member // in Corefile order; empty unless the outcome serves some
	plan    *plan    // nil under policies that need none, and without members
}

// A plan is what a policy has thought out before it orders members. It refers
// to them by their places.
type plan struct {
	shares shares // under Weighted
	seats  seats  // under Sticky
	spots  spots  // under Nearest
}

// Down reports whether addr belongs to a backend that is down, held down or drained.
func (s *Snapshot) Down(c *Config, addr netip.Addr) bool {
	for i := range c.Backends {
		if b := &c.Backends[i]; b.Addr == addr {
			return b.Drain || !s.Health[i].ready()
		}
	}
	return false
}

// Chosen reports whether addr is one that is answered for family f.
func (s *Snapshot) Chosen(f Family, addr netip.Addr) bool {
	return slices.ContainsFunc(s.Choices[f].Members, func(m Member) bool { return m.Addr == addr })
}

// Build decides what the pool answers when its backends are as health says.
// It is pure, and keeps nothing of what it is given.
func Build(c *Config, health []Health) *Snapshot {
	s := &Snapshot{TTL: c.TTL, AllDown: true}
	s.Health = append(s.health[:0], health...)
	for i, b := range c.Backends {
		switch {
		case b.Drain:
			continue
		case health[i].State != verdict.Down:
			s.AllDown = false
		}
		s.TTL = min(s.TTL, c.Lifetime(health[i]))
	}
	room := s.members[:]
	for _, f := range Families {
		choice := &s.Choices[f]
		*choice = c.choose(f, s)
		if n := len(choice.Members); n > 0 && len(room) >= n {
			copy(room, choice.Members)
			choice.Members, room = room[:n:n], room[n:]
		}
		choice.plan = c.prepare(choice.Members, health)
	}
	return s
}

// Lifetime returns the TTL of an answer as far as a backend of this health is
// concerned. A cache keeps what it has fetched until the TTL has passed, also
// when the verdict comes a moment later. So while one is about to come, the TTL
// is what is left until then. A backend that is down comes back when it is
// probed again, after the interval.
func (c *Config) Lifetime(h Health) uint32 {
	switch {
	case h.Changing:
		return min(c.TTL, c.FastTTL)
	case !h.ready() || h.State == verdict.Unknown:
		return min(c.TTL, c.ShortTTL)
	default:
		return c.TTL
	}
}

// prepare does beforehand what ordering the members takes.
func (c *Config) prepare(members []Member, health []Health) *plan {
	if len(members) == 0 {
		return nil
	}
	switch c.Policy {
	case Weighted:
		return &plan{shares: newShares(weights(c, members, health))}
	case Sticky:
		return &plan{seats: newSeats(members, weights(c, members, nil))}
	case Nearest:
		return &plan{spots: newSpots(c, members)}
	default:
		return nil
	}
}

// weights returns the members' weights. A member that is still growing counts
// for its part, which takes a finer scale.
func weights(c *Config, members []Member, health []Health) []uint64 {
	all := make([]uint64, len(members))
	for i, m := range members {
		weight, growth := 1, fullGrowth // a fallback address
		if m.Index >= 0 {
			weight = c.Backends[m.Index].Weight
			if health != nil && health[m.Index].Growth > 0 {
				growth = int(health[m.Index].Growth)
			}
		}
		all[i] = uint64(weight) * uint64(growth) // #nosec G115 -- both are positive
	}
	return all
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
	need := c.MinUp.of(len(tiers[0]))
	up, enough := first(tiers, need, func(i int) bool { return s.Health[i].ready() })
	if !enough { // those that are held down are better than those that are down
		up, enough = first(tiers, need, func(i int) bool { return s.Health[i].State != verdict.Down })
	}
	switch {
	case enough:
		return Choice{Outcome: Served, Members: up}
	case len(up) == 0:
		return Choice{Outcome: NoData} // the other family has members up
	}
	return Choice{Outcome: ServedMinUp, Members: slices.Concat(tiers...)}
}

// first returns the members that are up of as many tiers as it takes to have
// need of them, and whether that was enough.
func first(tiers [][]Member, need int, isUp func(index int) bool) (up []Member, enough bool) {
	for _, tier := range tiers {
		for _, m := range tier {
			if isUp(m.Index) {
				up = append(up, m)
			}
		}
		if len(up) >= need {
			return up, true
		}
	}
	return up, false
}

// chooseAllDown decides for one family when nothing is up in either.
func (c *Config) chooseAllDown(f Family, tiers [][]Member) Choice {
	if c.AllDown == ActAddresses {
		var members []Member
		for _, a := range c.Fallback {
			if FamilyOf(a) == f {
				members = append(members, Member{a, -1})
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
		byTier[b.Tier] = append(byTier[b.Tier], Member{b.Addr, i})
	}
	slices.Sort(order)
	tiers := make([][]Member, 0, len(order))
	for _, t := range order {
		tiers = append(tiers, byTier[t])
	}
	return tiers
}
