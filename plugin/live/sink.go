package live

import "github.com/rrhealth/rrhealth/plugin/monitor"

// A sink is the Registry as the monitor sees it.
type sink struct{ *Registry }

// Changed implements monitor.Sink: verdicts in, snapshots out.
func (s sink) Changed(changes []monitor.Change) {
	var moved []Transition
	concerned := make(map[*Stanza]bool)
	for _, c := range changes {
		u := s.uses[c.Target]
		if u == nil {
			continue // released since
		}
		moved = u.changed(c, moved, concerned)
		if c.FirstFailure() {
			s.hurry(c.Target, u.members)
		}
	}
	if len(moved) > 0 {
		s.observer.Changed(moved)
	}
	for stanza := range concerned {
		s.rebuild(stanza)
	}
}

// changed takes over the new verdict of u's target. It appends the transitions
// that are news to moved: one for all pools, and one for each watchlist. It adds
// the stanzas to rebuild to concerned.
func (u *use) changed(c monitor.Change, moved []Transition, concerned map[*Stanza]bool) []Transition {
	ofPools := Transition{More: -1}
	for _, m := range u.members {
		concerned[m.stanza] = true
		if !m.update(c) {
			continue
		}
		if ofPools.More < 0 {
			ofPools = m.transition(c)
		}
		ofPools.More += len(m.stanza.Pools)
	}
	if ofPools.More >= 0 {
		moved = append(moved, ofPools)
	}
	for _, a := range u.addresses {
		if a.update(c) {
			moved = append(moved, a.transition(c))
		}
	}
	return moved
}

// Probed implements monitor.Sink.
func (s sink) Probed(res monitor.Result) {
	if u := s.uses[res.Target]; u != nil {
		s.observer.Probed(u.check, res)
	}
}
