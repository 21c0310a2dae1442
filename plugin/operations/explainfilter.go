package operations

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/rrhealth/rrhealth/plugin/api"
	"github.com/rrhealth/rrhealth/plugin/live"
)

// explainFilter explains the answer of other plugins below a filter.
func (o *Operations) explainFilter(e *api.Explanation, a Answer) {
	e.Filter = a.Filter.Name
	fill(e, a.Reply)
	e.Notes = append(e.Notes, "the plugins below rrhealth were asked for this: the filter counts it as a query")
	watched := make(map[netip.Addr]*live.BackendView)
	views := o.registry.View()
	for i := range views {
		for j := range views[i].Backends {
			if views[i].Filter == a.Filter {
				watched[views[i].Backends[j].Addr] = &views[i].Backends[j]
			}
		}
	}
	for _, addr := range a.Below {
		r := api.Reason{Address: addr.String(), Answered: slices.Contains(e.Answer, addr.String()), Rule: "unknown", Text: "not watched: answered like up"}
		if b := watched[addr]; b != nil {
			r.Rule, r.Text = watchedRule(b), watchedText(b)
			if r.Answered && !b.Answered {
				r.Rule, r.Text = "all_down", r.Text+", and answered all the same: all_down, min_up, dry_run or a signature of another key"
			}
		}
		e.Members = append(e.Members, r)
	}
	slices.SortFunc(e.Members, func(a, b api.Reason) int { return strings.Compare(a.Address, b.Address) })
}

// watchedText returns the Text of a Reason for a watched address.
func watchedText(b *live.BackendView) string {
	if len(b.Overrides) > 0 {
		o := b.Overrides[0]
		return "set " + o.What() + " by " + o.Author
	}
	text := b.Health.State.String()
	if _, reason, _, _ := pastOf(b, time.Now()); reason != "" {
		text += ": " + reason
	}
	return text
}
