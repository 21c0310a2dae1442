package ctl

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"net/url"
	"slices"

	"github.com/spf13/cobra"

	"github.com/rrhealth/rrhealth/plugin/api"
)

func (a *app) historyCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "history [NAME] [ADDRESS]",
		GroupID: groupLook,
		Short:   "Show when backends changed, and why",
		Long: `history shows the last changes of backends, the latest last, with their reasons,
and for which part of the last 24 hours each was up: of all backends, of those of
the pool or filter NAME, of ADDRESS, or of both. The server keeps 50 changes for
each backend.`,
		Args: cobra.MaximumNArgs(2),
		RunE: a.run(func(ctx context.Context, args []string) error {
			query, err := nameAndAddress(args)
			if err != nil {
				return err
			}
			return a.history(ctx, query)
		}),
		ValidArgsFunction: a.complete(2, a.poolNames, a.addresses),
	}
}

// nameAndAddress reads [NAME] [ADDRESS], in either order.
func nameAndAddress(args []string) (url.Values, error) {
	query := url.Values{}
	for _, arg := range args {
		key, value := api.ParamPool, arg
		if addr, err := netip.ParseAddr(arg); err == nil {
			key, value = api.ParamAddress, addr.Unmap().String()
		}
		if query.Has(key) {
			return nil, usagef("%s: beside %s, want one NAME and one ADDRESS at most", clean(value), clean(query.Get(key)))
		}
		query.Set(key, value)
	}
	return query, nil
}

// A change is an event with its backend. In JSON it has the fields of both.
type change struct {
	Pool    string `json:"pool"`
	Server  string `json:"server"`
	View    string `json:"view"`
	Address string `json:"address"`
	api.Event
}

// changes returns the events of histories, the earliest first.
func changes(all []api.History) []change {
	var list []change
	for _, h := range all {
		for _, e := range h.Events {
			list = append(list, change{h.Pool, h.Server, h.View, h.Address, e})
		}
	}
	slices.SortStableFunc(list, func(x, y change) int {
		return cmp.Or(x.At.Compare(y.At.Time), cmp.Compare(x.Pool, y.Pool), cmp.Compare(x.Address, y.Address))
	})
	return list
}

func (a *app) history(ctx context.Context, query url.Values) error {
	h, err := a.client().History(ctx, query)
	if err != nil {
		return err
	}
	keys := func() []string {
		var once []string
		for _, one := range h.Histories {
			if !slices.Contains(once, one.Address) {
				once = append(once, one.Address)
			}
		}
		return once
	}
	return a.emit(h, keys, func(t *table) {
		if len(h.Histories) == 0 {
			a.note("no backend")
			return
		}
		t.row("TIME", "POOL", "ADDRESS", head("CHANGE"), "REASON")
		for _, c := range changes(h.Histories) {
			t.row(a.when(c.At), c.Pool, c.Address, happened(&c.Event), why(&c.Event))
		}
		t.line("")
		t.row("POOL", "ADDRESS", "UP", "DOWN", "UNKNOWN", "OF")
		for _, one := range h.Histories {
			drawDay(t, &one)
		}
	})
}

// drawDay draws for which part of the last day a backend was in each state.
func drawDay(t *table, h *api.History) {
	d := h.Day
	known := d.Up + d.Down + d.Unknown
	if known <= 0 {
		t.row(h.Pool, h.Address, "-", "-", "-", "0s")
		return
	}
	percent := func(part float64) string { return fmt.Sprintf("%.2f %%", 100*part/known) }
	t.row(h.Pool, h.Address, percent(d.Up), percent(d.Down), percent(d.Unknown), span(seconds(known)))
}

// happened returns what an event is, in the color of the state.
func happened(e *api.Event) painted {
	switch e.Kind {
	case "state":
		return state(e.State)
	case "overridden":
		return painted{"set " + e.What, yellow}
	case "override_ended":
		if e.What == "auto" { // an operator has removed it
			return painted{"set auto", noColor}
		}
		return painted{"end of " + e.What, noColor}
	}
	return painted{e.Kind, yellow}
}

// why returns the reason of an event, with the author of an override.
func why(e *api.Event) string {
	switch {
	case e.By == "":
		return dash(e.Reason)
	case e.Reason == "":
		return "by " + e.By
	}
	return e.By + ": " + e.Reason
}
