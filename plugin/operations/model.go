package operations

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/rrhealth/rrhealth/plugin/api"
	"github.com/rrhealth/rrhealth/plugin/live"
	"github.com/rrhealth/rrhealth/plugin/monitor"
	"github.com/rrhealth/rrhealth/plugin/override"
	"github.com/rrhealth/rrhealth/plugin/pool"
	"github.com/rrhealth/rrhealth/plugin/verdict"
)

// maxNames is how many names and addresses a Pool lists.
const maxNames = 100

// poolOf returns what is shown of a stanza.
func poolOf(v *live.StanzaView) api.Pool {
	p := api.Pool{
		Server: v.Block.Server, View: v.Block.View, Filter: v.Filter != nil,
		Names: []string{}, Backends: []string{},
	}
	settings := v.Settings()
	p.Name, p.DryRun = v.Name(), v.DryRun()
	p.Policy, p.AllDown, p.MinUp = settings.Policy.String(), settings.AllDownForm(), settings.MinUp.String()
	if p.Filter {
		p.Names = append(p.Names, p.Name)
		p.TTL = int(settings.TTL)
	} else {
		for _, one := range v.Pools[:min(len(v.Pools), maxNames)] {
			p.Names = append(p.Names, one.Name)
		}
		p.More = len(v.Pools) - len(p.Names)
		p.TTL = int(v.Now.TTL)
	}
	for i := range v.Backends {
		b := &v.Backends[i]
		count(&p.Counts, effective(b))
		if i < maxNames {
			p.Backends = append(p.Backends, b.Addr.String())
		}
	}
	slices.Sort(p.Backends)
	p.State = stateOf(v, p.Counts)
	return p
}

// The states of a pool, the worst first.
const (
	stateAllDown  = "all_down"
	stateShort    = "short"
	stateDegraded = "degraded"
	stateOK       = "ok"
)

// stateOf returns the state of the pools of v.
func stateOf(v *live.StanzaView, c api.Counts) string {
	switch {
	case v.Filter == nil && v.Judged.AllDown:
		return stateAllDown
	case v.Filter == nil && short(v):
		return stateShort
	case c.Down+c.HeldDown > 0:
		return stateDegraded
	}
	return stateOK
}

// short reports whether fewer backends than min_up are up in one of the families.
func short(v *live.StanzaView) bool {
	for _, f := range pool.Families {
		if up, need := v.Config.Up(f, v.Judged.Health); up < need {
			return true
		}
	}
	return false
}

// The effective states of a backend, besides those of verdict.
const (
	effectiveDrained  = "drained"
	effectiveHeldDown = "held_down"
)

// effective returns the state of b that counts, in the word of the API.
func effective(b *live.BackendView) string {
	switch h := b.Health; {
	case b.Drain || h.Admin.Drained:
		return effectiveDrained
	case h.HeldDown && h.Effective() != verdict.Down && h.Admin.State != verdict.Up:
		return effectiveHeldDown
	default:
		return h.Effective().String()
	}
}

// count counts a backend in the given effective state.
func count(c *api.Counts, effective string) {
	c.All++
	switch effective {
	case effectiveDrained:
		c.Drained++
	case effectiveHeldDown:
		c.HeldDown++
	case verdict.Up.String():
		c.Up++
	case verdict.Down.String():
		c.Down++
	default:
		c.Unknown++
	}
}

// backendsOf returns what is shown of the backends of a stanza.
func backendsOf(v *live.StanzaView, now time.Time) []api.Backend {
	all := make([]api.Backend, len(v.Backends))
	var rules [len(pool.Families)][]pool.Rule
	if v.Filter == nil {
		for _, f := range pool.Families {
			rules[f] = v.Config.Explain(v.Now, f)
		}
	}
	for i := range v.Backends {
		b := &v.Backends[i]
		a := &all[i]
		*a = api.Backend{
			Pool: v.Name(), Server: v.Block.Server, View: v.Block.View, Filter: v.Filter != nil,
			Address: b.Addr.String(), CheckAddress: b.CheckAddr.String(),
			Configured: api.Configured{Drain: b.Drain, Weight: b.Weight, Tier: b.Tier, Location: b.Place.String()},
			Overrides:  []api.Override{}, Probed: b.Health.State.String(), Effective: effective(b),
			Weight: b.Weight, Answered: b.Answered, CachedUntil: api.Time{Time: b.CachedUntil}, First: b.First,
			Checks: make([]api.Check, len(b.Checks)),
		}
		if w := b.Health.Admin.Weight; w > 0 {
			a.Weight = int(w)
		}
		for _, o := range b.Overrides {
			a.Overrides = append(a.Overrides, shownOverride(o, false))
		}
		for j := range b.Checks {
			a.Checks[j] = checkOf(&b.Checks[j])
		}
		if v.Filter != nil {
			a.Why = watchedRule(b)
		} else {
			a.Why = ruleNames[rules[pool.FamilyOf(b.Addr)][i]]
		}
		a.Since, a.Reason, a.Day, a.HalfHours = pastOf(b, now)
	}
	return all
}

// watchedRule returns why a watched address is left out or not.
func watchedRule(b *live.BackendView) string {
	switch {
	case b.Health.Admin.Drained || b.Health.Admin.State != verdict.Unknown:
		return "override"
	case b.Health.State == verdict.Unknown:
		return "unknown"
	}
	return b.Health.State.String()
}

// ruleNames are the rules of package pool in the words of api.Rules.
var ruleNames = [...]string{
	pool.IsUp: "up", pool.IsUnknown: "unknown", pool.SetUp: "override", pool.TooFewUp: "min_up", pool.AllAreDown: "all_down",
	pool.DryRun: "dry_run", pool.IsDown: "down", pool.SetDown: "override", pool.IsHeldDown: "held_down", pool.Drained: "drain",
	pool.SetDrained: "override", pool.LaterTier: "tier", pool.OtherFamily: "family", pool.NoneByAllDown: "all_down_action",
}

// checkOf returns what is shown of one check of a backend.
func checkOf(c *live.CheckView) api.Check {
	return api.Check{
		Check: c.Label, State: c.Verdict.State.String(), Suspect: c.Suspect, Streak: int(c.Verdict.Streak),
		Last: api.Time{Time: c.Last}, Next: api.Time{Time: c.Next}, Every: c.Interval.Seconds(),
		Passed: c.Counts[monitor.Pass], Failed: c.Counts[monitor.Fail], Errors: c.Counts[monitor.LocalError],
	}
}

// shownOverride returns what is shown of o.
func shownOverride(o *override.Override, orphaned bool) api.Override {
	return api.Override{
		ID: o.ID, Pool: o.Pool, Address: o.Addr.String(), Set: o.Kind.String(), Weight: o.Weight, Author: o.Author,
		Reason: o.Reason, Since: api.Time{Time: o.Since}, Until: api.Time{Time: o.Until}, Orphaned: orphaned,
	}
}

// effectOf returns what is shown of an effect.
func effectOf(e *live.Effect) api.Effect {
	shown := api.Effect{
		Pool: e.Pools[0].Name, Server: e.Block.Server, View: e.Block.View, Type: [...]string{pool.V4: "A", pool.V6: "AAAA"}[e.Family],
		Before: e.Before.Choices[e.Family].Outcome.String(), After: e.After.Choices[e.Family].Outcome.String(),
		Up: e.Up, Need: e.Need, Unsafe: e.Unsafe, Members: []api.Share{},
	}
	before, after := e.Config.Shares(e.Before, e.Family), e.Config.Shares(e.After, e.Family)
	for i, b := range e.Config.Backends {
		if pool.FamilyOf(b.Addr) == e.Family {
			shown.Members = append(shown.Members, api.Share{Address: b.Addr.String(), Before: before[i], After: after[i]})
		}
	}
	slices.SortFunc(shown.Members, func(a, b api.Share) int { return strings.Compare(a.Address, b.Address) })
	return shown
}

// The order in which pools and backends are shown: the worst first.
var (
	poolRank    = map[string]int{stateAllDown: 0, stateShort: 1, stateDegraded: 2, stateOK: 3}
	backendRank = map[string]int{"down": 0, effectiveHeldDown: 1, effectiveDrained: 2, "unknown": 3, "up": 4}
)

func comparePools(a, b api.Pool) int {
	return cmp.Or(cmp.Compare(poolRank[a.State], poolRank[b.State]), strings.Compare(a.Name, b.Name), strings.Compare(a.Server, b.Server), strings.Compare(a.View, b.View))
}

func compareBackends(a, b api.Backend) int {
	return cmp.Or(cmp.Compare(backendRank[a.Effective], backendRank[b.Effective]), strings.Compare(a.Pool, b.Pool), strings.Compare(a.Address, b.Address), strings.Compare(a.Server, b.Server), strings.Compare(a.View, b.View))
}
