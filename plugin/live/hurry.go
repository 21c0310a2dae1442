package live

import "github.com/rrhealth/rrhealth/plugin/monitor"

const (
	// hurriedAtOnce is how many backends a first failure has probed at once. A
	// backend that flaps costs no more than that for each failure, however large
	// its pool. If many have failed, each of those found has as many others
	// probed, so that a large pool is through in a few rounds.
	hurriedAtOnce = 16
	// hurryLooks is how many backends are looked at to find them: a pool may have
	// ten thousand, most of them probed a moment ago, and as many first failures
	// at once.
	hurryLooks = 256
)

// hurry has other backends of the pools of members probed at once, after failed
// has failed for the first time. A data center fails as a whole, but its backends
// have slots all over the interval. If their verdicts changed one by one,
// resolvers would fetch and keep answers that are half right. It runs on the
// monitor's loop.
func (r *Registry) hurry(failed *monitor.Target, members []*member) {
	hurried, looks := 0, hurryLooks
	for _, m := range members {
		s := m.stanza
		for range s.members {
			if hurried == hurriedAtOnce || looks == 0 {
				return
			}
			looks--
			// Continue where the last failure stopped, so that others are probed.
			s.hurried = (s.hurried + 1) % len(s.members)
			if r.hurryMember(&s.members[s.hurried], failed) {
				hurried++
			}
		}
	}
}

// hurryMember has m probed at once, and reports whether that is sooner.
func (r *Registry) hurryMember(m *member, failed *monitor.Target) (hurried bool) {
	for _, t := range m.targets {
		if t != failed && r.monitor.Load().Hurry(t) {
			hurried = true
		}
	}
	return hurried
}
