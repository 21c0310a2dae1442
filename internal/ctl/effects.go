package ctl

import (
	"fmt"

	"github.com/rrhealth/rrhealth/plugin/api"
)

// drawEffects draws what changes in answers: a line for each pool and record
// type, and below it the shares of its members.
func drawEffects(t *table, all []api.Effect) {
	t.row("POOL", "TYPE", "ANSWERED", head("THEN"), "UP THEN", "MIN_UP")
	for _, e := range all {
		t.row(e.Pool, e.Type, e.Before, outcome(&e), e.Up, e.Need)
	}
	drawn := false
	for _, e := range all {
		for _, s := range e.Members {
			if !drawn {
				t.line("")
				t.row("POOL", "TYPE", "ADDRESS", "FIRST NOW", "FIRST THEN")
				drawn = true
			}
			t.row(e.Pool, e.Type, s.Address, percent(s.Before), percent(s.After))
		}
	}
}

// outcome returns the outcome after a change, red if it is unsafe.
func outcome(e *api.Effect) painted {
	if e.Unsafe {
		return painted{e.After + " (unsafe)", red}
	}
	return painted{e.After, noColor}
}

// percent returns a share of 1.
func percent(share float64) string { return fmt.Sprintf("%.1f %%", 100*share) }
