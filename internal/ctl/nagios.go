package ctl

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/rrhealth/rrhealth/plugin/api"
)

// severities are the words and exit codes of monitoring plugins, by the state of a
// pool.
var severities = map[string]struct {
	word string
	code int
}{
	"ok":       {"OK", 0},
	"degraded": {"WARNING", 1},
	"short":    {"CRITICAL", 2},
	"all_down": {"CRITICAL", 2},
}

// nagiosTimeout is below the 10 s after which most monitoring systems end a plugin,
// and show nothing of what it has to say.
const nagiosTimeout = 8 * time.Second

// nagios prints one line in the form of monitoring plugins, and returns an
// exitError with its code.
func (a *app) nagios(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, nagiosTimeout, fmt.Errorf("%s: no answer within %v", a.control, nagiosTimeout))
	defer cancel()
	s, worst, err := a.worst(ctx)
	if err != nil {
		fmt.Fprintf(a.Out, "RRHEALTH UNKNOWN - %s\n", field(err.Error()))
		return exitError{code: 3}
	}
	state := "ok"
	if worst != nil {
		state = worst.State
	}
	severity, ok := severities[state]
	if !ok {
		fmt.Fprintf(a.Out, "RRHEALTH UNKNOWN - %s: a state that this rrhealthctl does not know: %s\n", field(worst.Name), field(state))
		return exitError{code: 3}
	}
	text := fmt.Sprintf("%s, %s up", count(s.Pools, "pool"), count(s.Backends.Up, "backend"))
	if state != "ok" {
		text = fmt.Sprintf("%s is %s, %d of %d backends up; all down: %s, short: %d", worst.Name, state, worst.Counts.Up, worst.Counts.All, count(s.AllDown, "pool"), s.Short)
	}
	fmt.Fprintf(a.Out, "RRHEALTH %s - %s | %s\n", severity.word, field(text), performance(&s))
	return exitError{code: severity.code}
}

// worst returns the status, and the worst pool, or nil if there is none.
func (a *app) worst(ctx context.Context) (api.Status, *api.Pool, error) {
	c := a.client()
	s, err := c.Status(ctx)
	if err != nil || s.Pools == 0 {
		return s, nil, err
	}
	worst, err := c.Worst(ctx)
	return s, worst, err
}

// performance returns the performance data: LABEL=VALUE, with the number from
// which it is a warning and critical where there is one.
func performance(s *api.Status) string {
	return strings.Join([]string{
		fmt.Sprintf("pools=%d", s.Pools),
		fmt.Sprintf("all_down=%d;;0", s.AllDown),
		fmt.Sprintf("short=%d;;0", s.Short),
		fmt.Sprintf("backends=%d", s.Backends.All),
		fmt.Sprintf("up=%d", s.Backends.Up),
		fmt.Sprintf("down=%d", s.Backends.Down),
		fmt.Sprintf("unknown=%d", s.Backends.Unknown),
		fmt.Sprintf("held_down=%d", s.Backends.HeldDown),
		fmt.Sprintf("drained=%d", s.Backends.Drained),
		fmt.Sprintf("overrides=%d", s.Overrides),
	}, " ")
}

// field returns text without the character that begins the performance data.
func field(text string) string { return strings.ReplaceAll(clean(text), "|", "/") }
