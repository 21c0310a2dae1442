package ctl

import (
	"context"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/rrhealth/rrhealth/plugin/api"
)

func (a *app) explainCommand() *cobra.Command {
	var qtype, client, at string
	cmd := &cobra.Command{
		Use:     "explain NAME",
		GroupID: groupLook,
		Short:   "Show which answer a query gets, and why",
		Long: `explain shows which answer a query for NAME gets from rrhealth: the pool or filter
that decides, the addresses in their order, and the rule by which each backend is
in the answer or not.

--client is the address of the client (or of its network, as EDNS client subnet
has it), for the policies sticky and nearest. --at asks for a time that has
passed, as far as the server knows it.`,
		Args: cobra.ExactArgs(1),
		RunE: a.run(func(ctx context.Context, args []string) error {
			query := url.Values{api.ParamName: {args[0]}, api.ParamType: {strings.ToUpper(qtype)}}
			if client != "" {
				addr, err := netip.ParseAddr(client)
				if err != nil {
					return usagef("--client: not an address (got %q); write one such as 198.51.100.7", client)
				}
				query.Set(api.ParamClient, addr.String())
			}
			if at != "" {
				t, err := a.parsePast(at)
				if err != nil {
					return fmt.Errorf("--at: %w", err)
				}
				query.Set(api.ParamAt, t.UTC().Format(time.RFC3339))
			}
			return a.explain(ctx, query)
		}),
		ValidArgsFunction: a.complete(1, a.poolNames),
	}
	cmd.Flags().StringVar(&qtype, "type", "A", "the `TYPE` of the query")
	cmd.Flags().StringVar(&client, "client", "", "the `ADDRESS` that the query comes from")
	cmd.Flags().StringVar(&at, "at", "", "at `TIME` instead of now: 18:00, '2026-11-24 18:00', -1h")
	a.fixed(cmd, "type", "A", "AAAA")
	return cmd
}

func (a *app) explain(ctx context.Context, query url.Values) error {
	e, err := a.client().Explain(ctx, query)
	if err != nil {
		return err
	}
	return a.emit(e, func() []string { return e.Answer }, func(t *table) { a.drawExplanation(t, &e) })
}

// drawExplanation draws what decides, the answer, and a line for each address.
func (a *app) drawExplanation(t *table, e *api.Explanation) {
	t.row("query", fmt.Sprintf("%s %s, from %s, at %s", e.Name, e.Type, orAny(e.Client), a.when(e.At)))
	t.row("decided by", decider(e))
	t.row("outcome", fmt.Sprintf("%s: %s, TTL %d", e.Outcome, e.Rcode, e.TTL))
	answer := "none"
	if len(e.Answer) > 0 {
		answer = strings.Join(e.Answer, " ")
		if !e.Order {
			answer += " (in an order that is not known)"
		}
	}
	t.row("answer", answer)
	for _, note := range e.Notes {
		t.row("note", note)
	}
	if len(e.Members) == 0 {
		return
	}
	t.line("")
	t.row("ADDRESS", head("ANSWERED"), "RULE", "WHY")
	for _, m := range e.Members {
		in := painted{"yes", green}
		if !m.Answered {
			in = painted{"no", red}
		}
		t.row(m.Address, in, m.Rule, m.Text)
	}
}

// orAny returns the client of an explanation.
func orAny(client string) string {
	if client == "" {
		return "any client"
	}
	return client
}

// decider returns the pool and the filter that an answer comes from.
func decider(e *api.Explanation) string {
	var parts []string
	if e.Pool != "" {
		parts = append(parts, "pool "+e.Pool)
	}
	if e.Filter != "" {
		parts = append(parts, "filter "+e.Filter)
	}
	if len(parts) == 0 {
		return "neither pool nor filter: rrhealth leaves the query to other plugins"
	}
	return strings.Join(parts, ", ") + " in " + place(e.Server, e.View)
}
