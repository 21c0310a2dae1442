package pool

import (
	"net/netip"
	"slices"

	"github.com/rrhealth/rrhealth/plugin/verdict"
)

// Outcome classes the answer to a query for a pool's addresses.
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

// A Snapshot is what a pool answers until the next change of a verdict. It is
// immutable.
type Snapshot struct {
	Choices [len(Families)]Choice
	TTL     uint32   // seconds
	Health  []Health // of each backend, in the order of Config.Backends
	AllDown bool     // no backend of any family is up or unknown, those that are drained left aside

	// Judged is what would be answered without dry_run; nil without dry_run.
	Judged *Snapshot

	// Room for the members and for Health of a small pool. With many pools,
	// each pointer to other memory costs a cache miss.
	members [few]Member
	health  [few]Health
}

// few is a number of backends that most pools do not exceed.
const few = 4

// A Choice is what is answered for one family.
type Choice struct {
	Outcome  Outcome
	Members  []Member  // in Corefile order; empty if the outcome has no addresses
	prepared *prepared // nil without members, and under policies that prepare nothing
}

// A prepared is what a policy computes when the snapshot is built, so that
// queries need not. It refers to members by their indices in Choice.Members.
type prepared struct {
	weighted weighted // under Weighted
	sticky   sticky   // under Sticky
	nearest  nearest  // under Nearest
}

// Down reports whether addr belongs to a backend that is down, held down or drained.
func (s *Snapshot) Down(c *Config, addr netip.Addr) bool {
	for i := range c.Backends {
		if b := &c.Backends[i]; b.Addr == addr {
			return b.drained(s.Health[i]) || !s.Health[i].ready()
		}
	}
	return false
}

// Chosen reports whether addr is among the members that are answered for family f.
func (s *Snapshot) Chosen(f Family, addr netip.Addr) bool {
	return slices.ContainsFunc(s.Choices[f].Members, func(m Member) bool { return m.Addr == addr })
}

// Build decides what the pool answers if its backends have the given health. It
// is pure, and keeps no reference to health.
func Build(c *Config, health []Health) *Snapshot {
	s := &Snapshot{TTL: c.TTL, AllDown: true}
	s.Health = append(s.health[:0], health...)
	for i := range c.Backends {
		switch {
		case c.Backends[i].drained(health[i]):
			continue
		case health[i].Effective() != verdict.Down:
			s.AllDown = false
		}
		s.TTL = min(s.TTL, c.Lifetime(health[i]))
	}
	if c.drainedOut(health) {
		s.TTL = min(s.TTL, c.ShortTTL)
	}
	room := s.members[:]
	for _, f := range Families {
		choice := &s.Choices[f]
		*choice = c.choose(f, s)
		if n := len(choice.Members); n > 0 && len(room) >= n {
			copy(room, choice.Members)
			choice.Members, room = room[:n:n], room[n:]
		}
		choice.prepared = c.prepare(choice.Members, health)
	}
	return s
}

// prepare computes what the policy needs to order the members.
func (c *Config) prepare(members []Member, health []Health) *prepared {
	if len(members) == 0 {
		return nil
	}
	switch c.Policy {
	case Weighted:
		return &prepared{weighted: newWeighted(weights(c, members, health, true))}
	case Sticky:
		return &prepared{sticky: newSticky(members, weights(c, members, health, false))}
	case Nearest:
		return &prepared{nearest: newNearest(c, members)}
	default:
		return nil
	}
}

// weights returns the members' weights, times fullGrowth: with slow, a member in
// slow_start has a fraction of its weight.
func weights(c *Config, members []Member, health []Health, slow bool) []uint64 {
	all := make([]uint64, len(members))
	for i, m := range members {
		weight, growth := 1, fullGrowth // a fallback address
		if m.Index >= 0 {
			h := health[m.Index]
			weight = c.Backends[m.Index].weight(h)
			if slow && h.Growth > 0 {
				growth = int(h.Growth)
			}
		}
		all[i] = uint64(weight) * uint64(growth) // #nosec G115 -- both are positive
	}
	return all
}

// choose decides for one family.
func (c *Config) choose(f Family, s *Snapshot) Choice {
	tiers := c.tiers(f, s.Health)
	if s.AllDown {
		return c.chooseAllDown(f, tiers)
	}
	if len(tiers) == 0 {
		return Choice{Outcome: NoData}
	}
	need := c.MinUp.Of(len(tiers[0]))
	up, enough := first(tiers, need, func(i int) bool { return s.Health[i].ready() })
	if !enough { // better a member that is held down than one that is down
		up, enough = first(tiers, need, func(i int) bool { return s.Health[i].Effective() != verdict.Down })
	}
	switch {
	case enough:
		return Choice{Outcome: Served, Members: up}
	case len(up) == 0:
		return Choice{Outcome: NoData} // the other family has members up
	}
	return Choice{Outcome: ServedMinUp, Members: slices.Concat(tiers...)}
}

// first returns the members that are up, of as many tiers as it takes to have
// need of them. enough is true when there are that many.
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

// chooseAllDown decides for one family when both families are down.
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
		return Choice{Outcome: NoData} // the pool has no address of this family
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
