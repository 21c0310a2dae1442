package operations

import "time"

// Numbers are what metrics show of operators and of the state.
type Numbers struct {
	Overrides  int
	Kept       bool      // the Corefile has a state directory
	Saved      time.Time // the last good save, the zero time for none; of several directories the earliest
	SaveErrors uint64    // failed saves, and directories that could not be opened
}

// Numbers returns those of now. It takes no lock: Stop may wait for a disk that hangs,
// and a scrape that takes five seconds costs CoreDNS all metrics.
func (o *Operations) Numbers() Numbers {
	n := Numbers{Overrides: len(o.overrides().All()), Kept: o.wanted.Load() > 0, SaveErrors: o.failures.Load()}
	for i, d := range *o.dirs.Load() {
		s := d.Status()
		if i == 0 || s.SavedAt.Before(n.Saved) {
			n.Saved = s.SavedAt
		}
		n.SaveErrors += s.Failed
	}
	return n
}
