package live

import (
	"github.com/rrhealth/rrhealth/plugin/monitor"
	"github.com/rrhealth/rrhealth/plugin/pool"
	"github.com/rrhealth/rrhealth/plugin/verdict"
)

// A subject is what a backend and a watched address have in common: targets that
// must all be up for it to be up. The monitor's loop writes and reads it, and
// Status reads targets once the block is started.
type subject struct {
	targets []*monitor.Target // in the order of the checks
	state   verdict.State
	known   bool // has had a state other than unknown
	wasDown bool // before a restart; that counts until there is a result
	admin   pool.Admin
}

// health combines the verdicts of the targets, which must all be up.
func (s *subject) health() pool.Health {
	states := make([]verdict.State, 0, 4)
	changing := false
	for _, t := range s.targets {
		state := t.Verdict().State
		if s.wasDown && state == verdict.Unknown && !t.Settled() {
			state = verdict.Down
		}
		states = append(states, state)
		changing = changing || t.Suspect()
	}
	return pool.Health{State: verdict.All(states...), Changing: changing, Admin: s.admin}
}

// begin takes over the state of targets that others use already. It is no news.
func (s *subject) begin() pool.Health {
	h := s.health()
	s.state, s.known = h.State, h.State != verdict.Unknown
	return h
}

// update takes over the state of the targets. It reports whether the state has
// changed, and whether that is news. A first result that is a pass is not.
func (s *subject) update() (h pool.Health, changed, news bool) {
	h = s.health()
	if h.State == s.state {
		return h, false, false
	}
	news = s.known || h.State != verdict.Up
	s.state, s.known = h.State, true
	return h, true, news
}
