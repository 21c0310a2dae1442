package pool

import "slices"

// drainedOut reports whether operators have drained all that the Corefile does not
// drain. Only the Corefile may empty a pool: what operators drain counts as down
// then, as in a filter, and all_down decides.
func (c *Config) drainedOut(health []Health) (out bool) {
	for i := range c.Backends {
		switch b := &c.Backends[i]; {
		case !b.drained(health[i]):
			return false
		case !b.Drain:
			out = true
		}
	}
	return out
}

// tiers returns the members of family f that may be answered, the lowest tier
// first, each tier in Corefile order. health is that of the backends.
func (c *Config) tiers(f Family, health []Health) [][]Member {
	byTier := make(map[int][]Member)
	var order []int
	all := c.drainedOut(health)
	for i, b := range c.Backends {
		if b.Drain || health[i].Admin.Drained && !all || FamilyOf(b.Addr) != f {
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
