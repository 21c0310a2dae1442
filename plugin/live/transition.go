package live

import (
	"net/netip"
	"time"

	"github.com/rrhealth/rrhealth/plugin/monitor"
	"github.com/rrhealth/rrhealth/plugin/verdict"
)

// A Transition is a change of a backend's or watched address's state, or of its
// hold_down or failback.
type Transition struct {
	Name    string // of the pool or, if Watched, of the filter
	Watched bool
	Addr    netip.Addr
	More    int // other pools in which Addr has changed likewise
	To      verdict.State
	Err     error // of the probe that decided, nil if it passed
	Streak  int   // results in a row that decided; 0 if a verdict became stale
	DryRun  bool  // answers do not change

	Hold  Hold          // what has changed if not the state
	For   time.Duration // how long hold_down holds Addr down; 0 if failback does
	Falls int           // how often Addr has failed within pool.FlapWindow
}

// Hold is a change of what keeps a backend that is up out of the answers.
type Hold uint8

// The values of Hold.
const (
	StateChanged Hold = iota // none: the state has changed
	HeldDown                 // it is held down from now on
	Released                 // it is no longer held down
)

// inARow returns how many results in a row brought c about.
func inARow(c monitor.Change) int {
	if c.After.State == verdict.Unknown {
		return 0
	}
	return int(c.Before.Streak) + 1
}
