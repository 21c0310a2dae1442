package ctl

import (
	"context"
	"fmt"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/rrhealth/rrhealth/plugin/api"
)

func (a *app) poolsCommand() *cobra.Command {
	var only string
	cmd := &cobra.Command{
		Use:     "pools [TEXT]",
		GroupID: groupLook,
		Short:   "List pools and filters, the worst first",
		Long: `pools lists pools and filters, the worst first: all of them, or those with TEXT
in a name or an address. A pool of several NAMEs has one line.

The states are ok, degraded (some backends are down), short (fewer are up than
min_up asks for) and all_down.`,
		Args: cobra.MaximumNArgs(1),
		RunE: a.run(func(ctx context.Context, args []string) error {
			query := url.Values{}
			if len(args) > 0 {
				query.Set(api.ParamSearch, args[0])
			}
			if only != "" {
				query.Set(api.ParamState, only)
			}
			return a.pools(ctx, query)
		}),
		ValidArgsFunction: a.complete(1, a.poolNames),
	}
	cmd.Flags().StringVar(&only, "state", "", "list only those in `STATE`")
	a.fixed(cmd, "state", "ok", "degraded", "short", "all_down")
	return cmd
}

func (a *app) pools(ctx context.Context, query url.Values) error {
	pools, err := a.client().Pools(ctx, query)
	if err != nil {
		return err
	}
	keys := func() []string {
		names := make([]string, 0, len(pools.Pools))
		for _, p := range pools.Pools {
			names = append(names, p.Name)
		}
		return names
	}
	return a.emit(pools, keys, func(t *table) {
		if len(pools.Pools) == 0 {
			a.note("no pool")
			return
		}
		t.row("POOL", head("STATE"), "BACKENDS", "TTL", "POLICY", "SERVER")
		for _, p := range pools.Pools {
			t.row(title(&p), state(p.State), counts(p.Counts), p.TTL, policy(&p), place(p.Server, p.View))
		}
	})
}

// title returns the name of a stanza, and how many it has besides.
func title(p *api.Pool) string {
	if n := len(p.Names) + p.More - 1; n > 0 {
		return fmt.Sprintf("%s +%d", p.Name, n)
	}
	return p.Name
}

// policy returns the policy of a stanza, and what else it is.
func policy(p *api.Pool) string {
	text := p.Policy
	if p.Filter {
		text += ", filter"
	}
	if p.DryRun {
		text += ", dry_run"
	}
	return text
}
