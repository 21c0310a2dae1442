package ctl

import (
	"context"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/rrhealth/rrhealth/plugin/api"
)

func (a *app) whatifCommand() *cobra.Command {
	var down []string
	var pool string
	cmd := &cobra.Command{
		Use:     "whatif --down SELECTOR...",
		GroupID: groupPlan,
		Short:   "Show what answers would be if backends were down",
		Long: `whatif shows what the answers would be if backends were down: for each pool the
outcome, and which share of the answers begins with each address now and then. It
changes nothing. The same for a drain is drain --dry-run.

` + selectorHelp,
		RunE: a.run(func(ctx context.Context, args []string) error {
			selectors := append(down, args...)
			if _, err := api.ParseSelectors(selectors); err != nil {
				return usagef("--down: %v", err)
			}
			query := url.Values{api.ParamSelector: selectors}
			if pool != "" {
				query.Set(api.ParamPool, pool)
			}
			return a.whatif(ctx, query)
		}),
		ValidArgsFunction: a.complete(many, a.addresses),
	}
	cmd.Flags().StringArrayVar(&down, "down", nil, "the backends: `SELECTOR`, and further ones behind it")
	cmd.Flags().StringVar(&pool, "pool", "", "in the pool or filter `NAME` alone")
	_ = cmd.RegisterFlagCompletionFunc("pool", a.complete(many, a.poolNames))
	_ = cmd.RegisterFlagCompletionFunc("down", a.complete(many, a.addresses))
	return cmd
}

func (a *app) whatif(ctx context.Context, query url.Values) error {
	effects, err := a.client().WhatIf(ctx, query)
	if err != nil {
		return err
	}
	return a.emit(effects, func() []string { return effects.Matched }, func(t *table) {
		switch {
		case len(effects.Matched) == 0:
			a.note("no backend is selected")
		case len(effects.Effects) == 0:
			a.note("no answer would change")
		default:
			drawEffects(t, effects.Effects)
		}
	})
}
