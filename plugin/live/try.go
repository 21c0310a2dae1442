package live

import (
	"time"

	"github.com/rrhealth/rrhealth/plugin/override"
	"github.com/rrhealth/rrhealth/plugin/pool"
)

// An Effect is what a Set of overrides would change in the answers of a pool for one
// address family.
type Effect struct {
	Block         *Block
	Pools         []*Pool
	Config        *pool.Config
	Family        pool.Family
	Before, After *pool.Snapshot
	Up, Need      int  // members up afterwards, and min_up, in members, as it is before
	Unsafe        bool // Up is less than Need and less than before
}

// Try returns what Override would change with set in the answers of pools, and
// changes nothing. It waits for the monitor's loop, in turns.
func (r *Registry) Try(set *override.Set) (effects []Effect) {
	stanzas, _ := r.ledger.current()
	r.inTurns(stanzas, func(s shownStanza) { effects = append(effects, s.try(set)...) })
	return effects
}

// try returns the effects on the first pool of s. It runs on the monitor's loop.
func (s shownStanza) try(set *override.Set) (effects []Effect) {
	changes := false
	for i := range s.stanza.members {
		changes = changes || s.stanza.adminOf(set, i) != s.stanza.members[i].admin
	}
	if !changes {
		return nil
	}
	first := s.stanza.Pools[0]
	before, after := first.state().Health, s.stanza.healthUnder(set)
	next := s.stanza.Build(after)
	for _, f := range pool.Families {
		e := Effect{Block: s.block, Pools: s.stanza.Pools, Config: &s.stanza.config, Family: f, Before: first.Snapshot(), After: next}
		was, need := e.Config.Up(f, before)
		if need == 0 {
			continue // the pool has no backend of that family
		}
		e.Need = need
		e.Up, _ = e.Config.Up(f, after)
		e.Unsafe = e.Up < need && e.Up < was
		effects = append(effects, e)
	}
	return effects
}

// healthUnder returns the health that the backends of the first pool of s would have
// under set. It runs on the monitor's loop.
func (s *Stanza) healthUnder(set *override.Set) []pool.Health {
	health := s.health(nil)
	for i := range health {
		health[i].Admin = s.adminOf(set, i)
	}
	if s.patient() {
		past := s.Pools[0].counters.history.Clone()
		past.Settle(&s.config, health, time.Now())
	}
	return health
}
