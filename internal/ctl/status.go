package ctl

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/rrhealth/rrhealth/plugin/api"
)

func (a *app) statusCommand() *cobra.Command {
	var monitoring bool
	cmd := &cobra.Command{
		Use:     "status",
		GroupID: groupLook,
		Short:   "Show the server and its pools at a glance",
		Long: `status shows the server and its pools at a glance.

With --nagios it prints one line with performance data for a monitoring system,
and its exit code is that of the worst pool: 0 if all backends of all pools are
up, 1 if some are down (degraded), 2 if fewer are up than min_up asks for, or none
(short, all_down), 3 if the server does not answer. Filters do not count.`,
		Args: cobra.NoArgs,
		RunE: a.run(func(ctx context.Context, _ []string) error {
			if monitoring {
				return a.nagios(ctx)
			}
			return a.status(ctx)
		}),
	}
	cmd.Flags().BoolVar(&monitoring, "nagios", false, "print one line for a monitoring system, and exit with 0 to 3")
	return cmd
}

func (a *app) status(ctx context.Context) error {
	c := a.client()
	s, err := c.Status(ctx)
	if err != nil {
		return err
	}
	keys := func() []string { return []string{poolState(&s)} }
	return a.emit(s, keys, func(t *table) { a.drawStatus(t, &s) })
}

// poolState returns the state of the worst pool, as far as a Status has it.
func poolState(s *api.Status) string {
	switch {
	case s.AllDown > 0:
		return "all_down"
	case s.Short > 0:
		return "short"
	case s.Backends.Down > 0:
		return "degraded"
	}
	return "ok"
}

// drawStatus draws s, one property a line.
func (a *app) drawStatus(t *table, s *api.Status) {
	t.row("state", state(poolState(s)))
	t.row("server", fmt.Sprintf("%s, rrhealth %s, CoreDNS %s", dash(s.Host), dash(s.Version), dash(s.CoreDNS)))
	t.row("started", fmt.Sprintf("%s (%s ago)", a.when(s.Started), ago(s.Started)))
	t.row("Corefile", fmt.Sprintf("loaded %s (%s ago)", a.when(s.Loaded), ago(s.Loaded)))
	t.row("pools", fmt.Sprintf("%d: %d all down, %d short of min_up", s.Pools, s.AllDown, s.Short))
	t.row("backends", counts(s.Backends))
	t.row("filters", fmt.Sprintf("%d, watching %s", s.Filters, counts(s.Watched)))
	t.row("overrides", s.Overrides)
	if s.StateDir == "" {
		t.row("kept in", "no state directory: overrides end with the process")
	} else {
		t.row("kept in", s.StateDir+", "+saved(s.StateSaved))
	}
	for _, problem := range s.Problems {
		t.row("problem", painted{problem, red})
	}
}

// saved returns when the state was saved.
func saved(at api.Time) string {
	switch {
	case at.IsZero():
		return "not saved yet"
	case time.Since(at.Time) < time.Second:
		return "saved 0s ago"
	}
	return "saved " + ago(at) + " ago"
}

// counts returns c in words, without the states that no backend is in.
func counts(c api.Counts) string {
	var parts []string
	for _, of := range []struct {
		n    int
		word string
	}{{c.Up, "up"}, {c.Down, "down"}, {c.Unknown, "unknown"}, {c.HeldDown, "held down"}, {c.Drained, "drained"}} {
		if of.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", of.n, of.word))
		}
	}
	if len(parts) == 0 {
		return fmt.Sprint(c.All)
	}
	return fmt.Sprintf("%d: %s", c.All, strings.Join(parts, ", "))
}
