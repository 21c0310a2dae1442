package rrhealth

import (
	"github.com/rrhealth/rrhealth/plugin/pool"
)

// A judged is what a pool under shadow would answer. What it does answer is a
// snapshot that takes every backend for up.
type judged struct {
	*pool.Snapshot
	withheld [len(pool.Families)]uint64 // addresses that would be left out of an answer
}

// store lets queries see what follows from health. It is the only place that
// does.
func (p *served) store(health []pool.Health) {
	s := pool.Build(&p.Config, health)
	if !p.shadow {
		p.Store(s)
		return
	}
	well := make([]pool.Health, len(health))
	served := pool.Build(&p.Config, well)
	j := &judged{Snapshot: s}
	for _, f := range pool.Families {
		j.withheld[f] = uint64(max(len(served.Choices[f].Members)-len(s.Choices[f].Members), 0)) // #nosec G115 -- not negative
	}
	p.Store(served)
	p.judged.Store(j)
}

// state returns the snapshot that says how the backends are, which under shadow
// is not the one that is answered.
func (p *served) state() *pool.Snapshot {
	if j := p.judged.Load(); j != nil {
		return j.Snapshot
	}
	return p.Snapshot()
}

// note counts what would be left out of an answer, were it not for shadow.
func (p *served) note(f pool.Family) {
	if j := p.judged.Load(); j != nil {
		p.record.shadow.Add(j.withheld[f])
	}
}
