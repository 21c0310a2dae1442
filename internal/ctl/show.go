package ctl

import (
	"context"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rrhealth/rrhealth/plugin/api"
)

func (a *app) showCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "show NAME|ADDRESS",
		GroupID: groupLook,
		Short:   "Show the backends of a pool, or an address in all pools",
		Long: `show shows the backends of the pool or filter NAME, or the backend ADDRESS in all
pools, with what four sources have on them side by side:

  CONFIGURED  what the Corefile has: drain, weight, tier, location
  ADMIN       what an operator has set: drain, down, up, weight, or auto for nothing
  PROBED      what the checks have found: up, down or unknown
  EFFECTIVE   what follows: up, down, unknown, held_down or drained

ANSWERED is whether it is in the answers, and by which rule it is not, or is
although it is down. For an ADDRESS, show also lists its checks.`,
		Args: cobra.ExactArgs(1),
		RunE: a.run(func(ctx context.Context, args []string) error {
			if addr, err := netip.ParseAddr(args[0]); err == nil {
				return a.showAddress(ctx, addr.Unmap().String())
			}
			return a.showPool(ctx, args[0])
		}),
		ValidArgsFunction: a.complete(1, a.poolNames, a.addresses),
	}
}

// showPool shows the stanza with the given name.
func (a *app) showPool(ctx context.Context, name string) error {
	c := a.client()
	found, err := c.Backends(ctx, url.Values{api.ParamPool: {name}})
	if err != nil {
		return err
	}
	pools, err := c.Pools(ctx, url.Values{api.ParamPool: {name}})
	if err != nil {
		return err
	}
	if len(found.Backends) == 0 {
		return fmt.Errorf("%s: no pool or filter of this name has backends; rrhealthctl pools lists them", clean(name))
	}
	keys := func() []string { return each(found.Backends, func(b *api.Backend) string { return b.Address }) }
	return a.emit(found, keys, func(t *table) {
		for i, group := range byStanza(found.Backends) {
			if i > 0 {
				t.line("")
			}
			drawStanza(t, &group[0], pools.Pools)
			a.drawBackends(t, group, "ADDRESS", func(b *api.Backend) string { return b.Address })
			a.drawOverrides(t, group)
		}
	})
}

// showAddress shows the address in every pool and filter.
func (a *app) showAddress(ctx context.Context, addr string) error {
	found, err := a.client().Backends(ctx, url.Values{api.ParamAddress: {addr}})
	if err != nil {
		return err
	}
	if len(found.Backends) == 0 {
		return fmt.Errorf("%s: not a backend of any pool, and not watched by a filter; rrhealthctl pools lists them", addr)
	}
	keys := func() []string { return each(found.Backends, func(b *api.Backend) string { return b.Pool }) }
	return a.emit(found, keys, func(t *table) {
		a.drawBackends(t, found.Backends, "POOL", func(b *api.Backend) string { return b.Pool })
		a.drawOverrides(t, found.Backends)
		a.drawChecks(t, found.Backends)
	})
}

// byStanza groups backends by their pool, in the order in which they come.
func byStanza(all []api.Backend) [][]api.Backend {
	var groups [][]api.Backend
	for _, b := range all {
		i := slices.IndexFunc(groups, func(g []api.Backend) bool {
			return g[0].Pool == b.Pool && g[0].Server == b.Server && g[0].View == b.View && g[0].Filter == b.Filter
		})
		if i < 0 {
			i, groups = len(groups), append(groups, nil)
		}
		groups[i] = append(groups[i], b)
	}
	return groups
}

// drawStanza draws the lines above the backends of a stanza, of which b is one.
func drawStanza(t *table, b *api.Backend, pools []api.Pool) {
	i := slices.IndexFunc(pools, func(p api.Pool) bool {
		return p.Name == b.Pool && p.Server == b.Server && p.View == b.View && p.Filter == b.Filter
	})
	if i < 0 {
		t.line("%s in %s", b.Pool, place(b.Server, b.View))
		t.line("")
		return
	}
	p := &pools[i]
	t.row("pool", strings.Join(p.Names, " ")+more(p.More))
	t.row("server", place(p.Server, p.View))
	t.row("state", state(p.State))
	t.row("answers", fmt.Sprintf("TTL %d, policy %s, min_up %s, all_down %s", p.TTL, policy(p), p.MinUp, p.AllDown))
	t.line("")
}

// more returns how many names there is no room for.
func more(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(" and %d more", n)
}

// each returns what f returns for each backend, each once.
func each(all []api.Backend, f func(*api.Backend) string) []string {
	var once []string
	for i := range all {
		if text := f(&all[i]); !slices.Contains(once, text) {
			once = append(once, text)
		}
	}
	return once
}

// drawBackends draws a line for each backend; key is the first column.
func (a *app) drawBackends(t *table, all []api.Backend, title string, key func(*api.Backend) string) {
	t.row(title, "CONFIGURED", "ADMIN", head("PROBED"), "FOR", head("EFFECTIVE"), "ANSWERED", "REASON")
	for i := range all {
		b := &all[i]
		t.row(key(b), configured(b.Configured), admin(b), state(b.Probed), ago(b.Since), state(b.Effective), answered(b), dash(b.Reason))
	}
}

// configured returns what the Corefile has, without what it need not.
func configured(c api.Configured) string {
	parts := []string{fmt.Sprintf("weight %d", c.Weight)}
	if c.Tier != 1 {
		parts = append(parts, fmt.Sprintf("tier %d", c.Tier))
	}
	if c.Location != "" {
		parts = append(parts, c.Location)
	}
	if c.Drain {
		parts = append(parts, "drain")
	}
	return strings.Join(parts, ", ")
}

// admin returns what operators have set.
func admin(b *api.Backend) string {
	parts := make([]string, 0, len(b.Overrides))
	for _, o := range b.Overrides {
		parts = append(parts, set(&o))
	}
	if len(parts) == 0 {
		return "auto"
	}
	return strings.Join(parts, ", ")
}

// set returns what an override sets.
func set(o *api.Override) string {
	if o.Set == "weight" {
		return fmt.Sprintf("weight %d", o.Weight)
	}
	return o.Set
}

// answered returns whether b is answered, and the rule where that does not follow
// from its state.
func answered(b *api.Backend) string {
	if b.Why == "" || b.Why == "up" {
		return yes(b.Answered)
	}
	return fmt.Sprintf("%s (%s)", yes(b.Answered), b.Why)
}

// drawOverrides draws the overrides of backends below the table, if there are any.
func (a *app) drawOverrides(t *table, all []api.Backend) {
	var overrides []api.Override
	for i := range all {
		for _, o := range all[i].Overrides {
			if !slices.ContainsFunc(overrides, func(other api.Override) bool { return other.ID == o.ID }) {
				overrides = append(overrides, o)
			}
		}
	}
	if len(overrides) > 0 {
		t.line("")
		a.drawSet(t, overrides)
	}
}

// drawChecks draws the checks of backends below the table.
func (a *app) drawChecks(t *table, all []api.Backend) {
	t.line("")
	t.row("POOL", "CHECK", head("STATE"), "STREAK", "LAST", "NEXT", "PASSED", "FAILED", "LOCAL ERRORS")
	for i := range all {
		for _, c := range all[i].Checks {
			next := ago(c.Next)
			if c.Next.IsZero() {
				next = "now"
			}
			t.row(all[i].Pool, c.Check, state(c.State), c.Streak, ago(c.Last), next, c.Passed, c.Failed, c.Errors)
		}
	}
}
