package rrhealth

import (
	"github.com/rrhealth/rrhealth/plugin/pool"
)

// state returns the snapshot that says how the backends are, which under dry_run
// is not the one that is answered.
func (p *served) state() *pool.Snapshot {
	s := p.Snapshot()
	if s.Judged != nil {
		return s.Judged
	}
	return s
}

// note counts what would be left out of an answer out of s, were it not for
// dry_run.
func (p *served) note(s *pool.Snapshot, f pool.Family) {
	withheld := len(s.Choices[f].Members) - len(s.Judged.Choices[f].Members)
	p.record.dryRun.Add(uint64(max(withheld, 0))) // #nosec G115 -- not negative
}
