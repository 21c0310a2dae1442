package operations

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/rrhealth/rrhealth/plugin/api"
	"github.com/rrhealth/rrhealth/plugin/live"
	"github.com/rrhealth/rrhealth/plugin/override"
)

const (
	// maxText is how long an author's name and a reason may be, in bytes.
	maxText = 300
	// maxOverrides is how many overrides there may be. Each is compared with the
	// backends that it is for at every reload.
	maxOverrides = 10_000
)

// auto is the Set of a Change that removes overrides.
const auto = "auto"

// refused returns the *api.Error of a Change.
func refused(code int, format string, args ...any) error {
	return &api.Error{Problem: fmt.Sprintf(format, args...), Effects: []api.Effect{}, Code: code}
}

// Change does what c asks for, on behalf of the user by. Its errors are of type
// *api.Error.
func (o *Operations) Change(c api.Change, by string) (api.Changed, error) {
	order, err := read(c, by, time.Now())
	if err != nil {
		return api.Changed{}, refused(400, "%v", err)
	}
	o.changing.Lock()
	defer o.changing.Unlock()
	selected := o.selected(order)
	if len(selected) == 0 {
		return api.Changed{}, refused(404, "%s: no backend or watched address is selected (got %s); rrhealthctl pools lists them", c.Set, describe(c))
	}
	next, changed := o.next(order, selected, o.lastID)
	if n := len(next.All()); n > maxOverrides {
		return api.Changed{}, refused(400, "%s: more than %d overrides (got %d); select fewer", c.Set, maxOverrides, n)
	}
	if order.kind == 0 && len(changed) == 0 && o.elsewhere(order, selected) {
		return api.Changed{}, refused(404, "auto: nothing to remove there (got %s), it is set in every pool; use auto with addresses alone", describe(c))
	}
	result := api.Changed{Overrides: shownOverrides(changed, nil), Effects: shownEffects(o.registry.Try(next))}
	if err := safe(c, order, result.Effects); err != nil || c.DryRun {
		if err != nil {
			result = api.Changed{}
		}
		return result, err
	}
	o.put(next)
	for i := range changed {
		o.log.Infof("%s", changeLine(&changed[i], order.kind == 0, by))
	}
	result.QuietAt = o.quietAt(selected)
	return result, nil
}

// safe returns an error if one of effects leaves a pool with too few and c does not
// insist.
func safe(c api.Change, r order, effects []api.Effect) error {
	unsafe := slices.IndexFunc(effects, func(e api.Effect) bool { return e.Unsafe })
	if unsafe < 0 || c.Force || r.kind == 0 {
		return nil
	}
	e := effects[unsafe]
	return &api.Error{
		Problem: fmt.Sprintf("%s: refused, %s would have %d up for %s and needs %d (min_up); use force to do it anyway", c.Set, e.Pool, e.Up, e.Type, max(e.Need, 1)),
		Effects: effects, Code: 409,
	}
}

// elsewhere reports whether an override in every pool is for one of selected, which r
// has left as it is. o.changing is held.
func (o *Operations) elsewhere(r order, selected []target) bool {
	all := of(selected)
	return (r.pool != "" || !r.selector.ByAddress()) && slices.ContainsFunc(o.overrides().All(), func(set override.Override) bool {
		return set.Pool == "" && all[set.Addr] != nil
	})
}

// WhatIf returns what c would do to the answers.
func (o *Operations) WhatIf(c api.Change) (api.Effects, error) {
	c.DryRun, c.Force, c.For, c.Until, c.Forever = true, true, 0, api.Time{}, true
	order, err := read(c, "", time.Now())
	if err != nil {
		return api.Effects{}, refused(400, "%v", err)
	}
	o.changing.Lock()
	defer o.changing.Unlock()
	selected := o.selected(order)
	effects := api.Effects{Matched: make([]string, 0, len(selected))}
	for _, t := range selected {
		effects.Matched = append(effects.Matched, strings.TrimSpace(t.pool+" "+t.addr.String()))
	}
	next, _ := o.next(order, selected, o.lastID)
	effects.Effects = shownEffects(o.registry.Try(next))
	return effects, nil
}

// next returns the set that follows from r, and the overrides that are added, with
// IDs after id, or, by auto, removed.
func (o *Operations) next(r order, selected []target, id uint64) (next *override.Set, changed []override.Override) {
	pools := of(selected)
	if r.kind == 0 {
		return o.overrides().Without(func(set *override.Override) bool {
			return slices.ContainsFunc(pools[set.Addr], func(pool string) bool { return pool == set.Pool || pool == "" })
		})
	}
	configured := o.registry.Configured(slices.Collect(maps.Keys(pools))...)
	for _, t := range selected {
		added := r.template
		id++
		added.ID, added.Pool, added.Addr, added.Was = id, t.pool, t.addr, configured[t.addr]
		changed = append(changed, added)
	}
	next, _ = o.overrides().With(changed...)
	return next, changed
}

// quietAt returns when the last cache that obeys TTLs has forgotten the selected
// addresses that are not answered now.
func (o *Operations) quietAt(selected []target) (at api.Time) {
	pools := of(selected)
	views := o.registry.View()
	for i := range views {
		v := &views[i]
		for j := range v.Backends {
			b := &v.Backends[j]
			if b.Answered || !b.CachedUntil.After(at.Time) {
				continue
			}
			if slices.ContainsFunc(pools[b.Addr], func(pool string) bool { return pool == "" || v.Named(pool) }) {
				at.Time = b.CachedUntil
			}
		}
	}
	return at
}

// describe returns what c selects, for an error.
func describe(c api.Change) string {
	text := strings.Join(c.Selectors, " ")
	if c.Pool != "" {
		text += " in " + c.Pool
	}
	return text
}

// changeLine returns the log line about an override that is set or removed.
func changeLine(c *override.Override, removed bool, by string) string {
	if removed {
		return fmt.Sprintf("override removed: %s of %s in %s, by %s", c.What(), c.Addr, c.Where(), by)
	}
	end := "for ever"
	if !c.Until.IsZero() {
		end = "until " + c.Until.UTC().Format(time.RFC3339)
	}
	line := fmt.Sprintf("override set: %s of %s in %s, by %s, %s", c.What(), c.Addr, c.Where(), c.Author, end)
	if c.Reason != "" {
		line += fmt.Sprintf(", reason %q", c.Reason)
	}
	return line
}

// shownOverrides returns what is shown of all, sorted as they are. orphaned reports
// for an address and a pool that no backend has them; nil: none.
func shownOverrides(all []override.Override, orphaned func(*override.Override) bool) []api.Override {
	shown := make([]api.Override, len(all))
	for i := range all {
		shown[i] = shownOverride(&all[i], orphaned != nil && orphaned(&all[i]))
	}
	return shown
}

func shownEffects(all []live.Effect) []api.Effect {
	shown := make([]api.Effect, len(all))
	for i := range all {
		shown[i] = effectOf(&all[i])
	}
	return shown
}
