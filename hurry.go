package rrhealth

import "github.com/rrhealth/rrhealth/plugin/monitor"

const (
	// hurriedAtOnce is how many backends a first failure has probed at once. One
	// that flaps costs no more than that for each failure, however large its
	// pool; where much has failed, each of those that are found has as many more
	// probed, so that all of a large pool is through in a few rounds.
	hurriedAtOnce = 16
	// hurryLooks is how many backends are looked at to find them: there may be
	// ten thousand in a pool, most of them probed a moment ago, and as many
	// first failures at once.
	hurryLooks = 256
)

// hurry has other backends of the pools probed at once whose member failed for
// the first time: a data center fails as a whole, but its backends have slots
// all over the interval. Verdicts that come one by one make answers that are
// right by half, and resolvers keep these, too. It runs on the monitor's loop.
func (r *registry) hurry(failed *monitor.Target, members []*member) {
	hurried, looks := 0, hurryLooks
	for _, m := range members {
		b := m.bundle
		for range b.members {
			if hurried == hurriedAtOnce || looks == 0 {
				return
			}
			looks--
			// Go on where the last failure stopped: the next one's are others.
			b.hurried = (b.hurried + 1) % len(b.members)
			if r.hurryMember(&b.members[b.hurried], failed) {
				hurried++
			}
		}
	}
}

// hurryMember has m probed at once, and reports whether it was to be later.
func (r *registry) hurryMember(m *member, failed *monitor.Target) (hurried bool) {
	for _, t := range m.targets {
		if t != failed && r.monitor.Hurry(t) {
			hurried = true
		}
	}
	return hurried
}
