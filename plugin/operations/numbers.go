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
	dirs := *o.dirs.Load()
	n := Numbers{Overrides: len(o.overrides().All()), Kept: len(dirs) > 0, SaveErrors: o.failures.Load()}
	first := true
	for i := range dirs {
		if dirs[i].err != nil {
			continue
		}
		s := dirs[i].Status()
		if first || s.SavedAt.Before(n.Saved) {
			n.Saved, first = s.SavedAt, false
		}
		n.SaveErrors += s.Failed
	}
	return n
}
