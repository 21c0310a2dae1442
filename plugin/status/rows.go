package status

import (
	"fmt"
	"strings"
	"time"

	"github.com/rrhealth/rrhealth/plugin/api"
)

// longestReason is how much of a reason is shown. The JSON has all of it.
const longestReason = 200

// A when is a time, for people and for programs.
type when struct{ Text, Exact string }

// A backendRow is a line of the table of backends.
type backendRow struct {
	Address, CheckAddress, Pool, PoolURL, Server string
	State, Label, Glyph, Probed                  string
	Since, Next                                  when
	Set                                          []overrideRow
	Configured, Answered, Reason                 string
	Forgotten                                    string // when caches forget it
	Share                                        string
	Day                                          picture
}

func (v *view) backend(b *api.Backend) backendRow {
	row := backendRow{
		Address: shorten(b.Address, 60), Pool: shorten(b.Pool, 100), PoolURL: poolURL(b.Pool), Server: serverBlock(b.Server, b.View),
		State: b.Effective, Label: label(b.Effective), Glyph: glyphs[b.Effective], Probed: label(b.Probed),
		Since: ago(b.Since.Time, v.Now), Next: next(b.Checks, v.Now),
		Configured: configured(b), Answered: answered(b), Reason: shorten(b.Reason, longestReason),
		Share: share(b.Day), Day: draw(b.HalfHours, share(b.Day)),
	}
	if b.CheckAddress != b.Address {
		row.CheckAddress = shorten(b.CheckAddress, 60)
	}
	if !b.Answered && b.CachedUntil.After(v.Now) {
		row.Forgotten = "in caches for " + span(b.CachedUntil.Sub(v.Now))
	}
	for i := range b.Overrides {
		row.Set = append(row.Set, v.override(&b.Overrides[i]))
	}
	return row
}

// serverBlock returns a server block and its view.
func serverBlock(server, view string) string {
	if view == "" {
		return shorten(server, 60)
	}
	return shorten(server, 60) + ", view " + shorten(view, 60)
}

// next returns when the next probe of a backend is.
func next(checks []api.Check, now time.Time) when {
	var first time.Time
	for i, c := range checks {
		if c.Next.IsZero() {
			return when{Text: "now"} // in flight
		}
		if i == 0 || c.Next.Before(first) {
			first = c.Next.Time
		}
	}
	if len(checks) == 0 {
		return when{Text: "no check"}
	}
	if first.Sub(now) < 500*time.Millisecond {
		return when{"now", exact(first)}
	}
	return when{"in " + span(first.Sub(now)), exact(first)}
}

func configured(b *api.Backend) string {
	var parts []string
	if b.Configured.Drain {
		parts = append(parts, "drain")
	}
	if b.Configured.Weight != 1 || b.Weight != b.Configured.Weight {
		parts = append(parts, fmt.Sprintf("weight %d", b.Configured.Weight))
	}
	if b.Configured.Tier > 1 {
		parts = append(parts, fmt.Sprintf("tier %d", b.Configured.Tier))
	}
	if b.Configured.Location != "" {
		parts = append(parts, shorten(b.Configured.Location, 40))
	}
	if len(parts) == 0 {
		return "in use"
	}
	return strings.Join(parts, ", ")
}

// whys explains the rules.
var whys = map[string]string{
	"up": "", "unknown": "no verdict yet", "min_up": "too few are up", "all_down": "all are down", "fallback": "address of all_down",
	"dry_run": "dry_run", "down": "its checks fail", "override": "set by an operator", "drain": "drained in the Corefile",
	"held_down": "hold_down or failback", "tier": "an earlier tier has enough", "max_answers": "max_answers", "family": "other address family",
	"all_down_action": "all are down",
}

func answered(b *api.Backend) string {
	text := "no"
	if b.Answered {
		text = "yes"
	}
	why, known := whys[b.Why]
	if !known {
		why = shorten(b.Why, 40)
	}
	if why == "" {
		return text
	}
	return text + ": " + why
}

// An overrideRow is what an operator has set.
type overrideRow struct {
	Pool, Address, What, Author, Reason string
	Left                                string // of its time
	Until, Since                        when
	Orphaned                            bool
}

func (v *view) override(o *api.Override) overrideRow {
	row := overrideRow{
		Pool: shorten(o.Pool, 100), Address: shorten(o.Address, 60), What: shorten(o.Set, 20), Author: shorten(o.Author, 40),
		Reason: shorten(o.Reason, longestReason), Left: "for ever", Since: ago(o.Since.Time, v.Now), Orphaned: o.Orphaned,
	}
	if o.Set == "weight" {
		row.What = fmt.Sprintf("weight %d", o.Weight)
	}
	if !o.Until.IsZero() {
		row.Until = when{Exact: exact(o.Until.Time)}
		row.Left = span(max(0, o.Until.Sub(v.Now))) + " left"
	}
	return row
}

// A poolRow is a line of the table of pools.
type poolRow struct {
	Name, URL, Server, Kind     string
	Names                       []string
	More                        int
	State, Label, Glyph         string
	Counts                      string
	Policy, AllDown, MinUp, TTL string
}

// mostNames is how many names of a pool a page shows.
const mostNames = 20

func (v *view) pool(p *api.Pool) poolRow {
	row := poolRow{
		Name: shorten(p.Name, 100), URL: poolURL(p.Name), Server: serverBlock(p.Server, p.View), Kind: "pool",
		State: p.State, Label: label(p.State), Glyph: glyphs[p.State],
		Counts: fmt.Sprintf("%d of %d up", p.Counts.Up, p.Counts.All),
		Policy: shorten(p.Policy, 40), AllDown: shorten(p.AllDown, 60), MinUp: shorten(p.MinUp, 20), TTL: fmt.Sprintf("%d s", p.TTL),
	}
	if p.Filter {
		row.Kind = "filter"
	}
	if p.DryRun {
		row.Kind += ", dry_run"
	}
	for _, name := range p.Names[:min(len(p.Names), mostNames)] {
		row.Names = append(row.Names, shorten(name, 100))
	}
	row.More = p.More + len(p.Names) - len(row.Names)
	return row
}

// An eventRow is a line of the table of events.
type eventRow struct {
	Event               *api.Event
	Address             string
	At                  when
	State, Label, Glyph string
	Text                string
}

// kinds says what has happened.
var kinds = map[string]string{"held_down": "held down", "released": "no longer held down", "override_ended": "override ended"}

func (r *eventRow) fill(now time.Time) {
	e := r.Event
	r.At, r.State, r.Label, r.Glyph = ago(e.At.Time, now), e.State, label(e.State), glyphs[e.State]
	switch e.Kind {
	case "state":
		r.Text = shorten(e.Reason, longestReason)
	case "overridden":
		r.Text = shorten(e.What, 40) + " by " + shorten(e.By, 40)
		if e.Reason != "" {
			r.Text += ": " + shorten(e.Reason, longestReason)
		}
	default:
		r.Text = kinds[e.Kind]
		if r.Text == "" {
			r.Text = shorten(e.Kind, 40)
		}
	}
}
