package pool

import (
	"math"
	"time"
)

// A standby says which tier of a family is answered, and which one may take
// over again from it.
type standby struct {
	tier  int       // the last tier that is answered; 0 before the first decision
	to    int       // the tier that takes over when the failback is due
	since time.Time // when a tier before the one answered could first do without it; zero if none can
}

// noTier is beyond all tiers: no number of them has enough members.
const noTier = math.MaxInt

// next returns the standby that follows s. able is the last tier that would be
// answered if every member that is up were, and alone the same without the
// members that wait for failback. It is pure: the same arguments give the same
// standby. Its table in the tests is the specification.
//
// It moves to able at once in four cases: there was no decision before; the
// tier failed and a later one is needed; able is the tier that is answered
// anyway; or the tier is not enough alone, and to wait would make that worse.
// Otherwise able takes over when it has been possible for the failback without
// a break. If able changed meanwhile, the latest of these tiers takes over,
// and the failback to the others starts again.
func next(s standby, able, alone int, failback time.Duration, now time.Time) standby {
	if s.tier == 0 || able >= s.tier || alone > s.tier {
		return standby{tier: able}
	}
	if s.since.IsZero() {
		s.since, s.to = now, able
	}
	s.to = max(s.to, able)
	switch {
	case failback == FailbackNever, now.Sub(s.since) < failback:
		return s
	case able < s.to:
		return standby{tier: s.to, to: able, since: now}
	}
	return standby{tier: s.to}
}

// due returns when the failback ends, or the zero time if none is running.
func (s standby) due(failback time.Duration) time.Time {
	if s.since.IsZero() || failback == FailbackNever {
		return time.Time{}
	}
	return s.since.Add(failback)
}

// failback decides which tier of family f is answered, and holds down the
// members of earlier tiers that came up after the failover.
func (h *History) failback(c *Config, f Family, health []Health, now time.Time, wake *alarm) {
	h.undrain(c, f, health)
	tiers := c.tiers(f, health)
	if len(tiers) == 0 {
		return
	}
	for _, tier := range tiers {
		for _, m := range tier {
			h.backends[m.Addr].recovered(health[m.Index].able(), c.Backends[m.Index].Tier < h.standby[f].tier)
		}
	}
	waits := func(index int) bool { return h.backends[c.Backends[index].Addr].waiting }
	able, _ := c.reach(tiers, func(i int) bool { return health[i].ready() })
	alone, enough := c.reach(tiers, func(i int) bool { return health[i].ready() && !waits(i) })
	if !enough {
		alone = noTier
	}
	s := h.standby[f]
	if alone < s.tier { // an operator has failed over, and returns
		s = standby{tier: alone}
	}
	s = next(s, able, alone, c.Recovery.Failback, now)
	h.standby[f] = s
	wake.at(s.due(c.Recovery.Failback), now)
	for _, tier := range tiers {
		for _, m := range tier {
			b := h.backends[m.Addr]
			b.waiting = b.waiting && c.Backends[m.Index].Tier < s.tier
			health[m.Index].HeldDown = health[m.Index].HeldDown || b.waiting
		}
	}
}

// undrain ends the wait of the members of family f that operators drain. When they
// are drained no longer, they are answered at once: that is an operator's decision.
func (h *History) undrain(c *Config, f Family, health []Health) {
	for i, b := range c.Backends {
		if health[i].Admin.Drained && FamilyOf(b.Addr) == f {
			h.backends[b.Addr].waiting = false
		}
	}
}

// recovered notes whether b is able to be answered. One that becomes able
// while its tier is failed over, begins to wait for the failback.
func (b *backendHistory) recovered(able, failedOver bool) {
	switch {
	case !able:
		b.waiting = false
	case !b.able && failedOver:
		b.waiting = true
	}
	b.able = able
}

// reach returns the last of the tiers that it takes to have min_up members that
// are up, and true; or the last of all, and false.
func (c *Config) reach(tiers [][]Member, isUp func(index int) bool) (tier int, enough bool) {
	need := c.MinUp.Of(len(tiers[0]))
	for n := range tiers {
		tier = c.Backends[tiers[n][0].Index].Tier
		if _, enough = first(tiers[:n+1], need, isUp); enough {
			break
		}
	}
	return tier, enough
}
