package pool

import "time"

// standby is the tier that a family has come to.
type standby struct {
	tier  int       // 0 before the first decision
	to    int       // the tier that may take over again
	since time.Time // since when it could; zero if none can
}

// failback decides which tier family f has come to, and holds down the members
// of the tiers before it that have come up since.
func (p *Past) failback(c *Config, f Family, health []Health, now time.Time, next *alarm) {
	tiers := c.tiers(f)
	if len(tiers) == 0 {
		return
	}
	s := &p.standby[f]
	for _, tier := range tiers {
		for _, m := range tier {
			memory, up := p.backends[m.Addr], health[m.Index].ready()
			memory.waiting = up && (memory.waiting || !memory.up && c.Backends[m.Index].Tier < s.tier)
			memory.up = up
		}
	}
	waiting := func(index int) bool { return p.backends[c.Backends[index].Addr].waiting }
	able, _ := c.reach(tiers, func(i int) bool { return health[i].ready() })
	alone, enough := c.reach(tiers, func(i int) bool { return health[i].ready() && !waiting(i) })
	if s.decide(able, enough && alone <= s.tier, c.Patience.Failback, now); !s.since.IsZero() && c.Patience.Failback != FailbackNever {
		next.at(s.since.Add(c.Patience.Failback), now)
	}
	for _, tier := range tiers {
		for _, m := range tier {
			memory := p.backends[m.Addr]
			memory.waiting = memory.waiting && c.Backends[m.Index].Tier < s.tier
			health[m.Index].HeldDown = health[m.Index].HeldDown || memory.waiting
		}
	}
}

// reach returns the tier up to which members must be answered so that enough of
// those that are up are, or the last one and false.
func (c *Config) reach(tiers [][]Member, isUp func(index int) bool) (tier int, enough bool) {
	need := c.MinUp.of(len(tiers[0]))
	for n := range tiers {
		tier = c.Backends[tiers[n][0].Index].Tier
		if _, enough = first(tiers[:n+1], need, isUp); enough {
			break
		}
	}
	return tier, enough
}

// decide moves s on: able is the tier that could answer if all were let.
// suffices says whether the standby is enough while those wait that are to.
func (s *standby) decide(able int, suffices bool, failback time.Duration, now time.Time) {
	switch {
	case s.tier == 0, able >= s.tier, !suffices:
		// The first decision; or a tier fails, or nothing is better than what
		// is; or the standby itself fails, and to wait would make that worse.
		s.tier, s.since = able, time.Time{}
		return
	case s.since.IsZero():
		s.since, s.to = now, able
	default:
		s.to = max(s.to, able)
	}
	if failback != FailbackNever && now.Sub(s.since) >= failback {
		s.tier, s.since = s.to, time.Time{}
		if able < s.tier {
			s.since, s.to = now, able
		}
	}
}
