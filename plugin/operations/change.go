package operations

import (
	"fmt"
	"net/netip"
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

// A target is an address that a Change selects, in one pool, or, with the empty
// string, in each that has it.
type target struct {
	pool string
	addr netip.Addr
}

// Change does what c asks for, on behalf of the user by. Its errors are of type
// *api.Error.
func (o *Operations) Change(c api.Change, by string) (api.Changed, error) {
	order, err := read(c, by, time.Now())
	if err != nil {
		return api.Changed{}, &api.Error{Problem: err.Error(), Effects: []api.Effect{}, Code: 400}
	}
	o.changing.Lock()
	defer o.changing.Unlock()
	selected := o.selected(order)
	if len(selected) == 0 {
		return api.Changed{}, &api.Error{Problem: fmt.Sprintf("%s: no backend or watched address is selected (got %s); rrhealthctl pools lists them", c.Set, describe(c)), Effects: []api.Effect{}, Code: 404}
	}
	next, changed := o.next(order, selected)
	if len(next.All()) > maxOverrides {
		return api.Changed{}, &api.Error{Problem: fmt.Sprintf("%s: more than %d overrides (got %d); select fewer", c.Set, maxOverrides, len(next.All())), Effects: []api.Effect{}, Code: 400}
	}
	result := api.Changed{Overrides: shownOverrides(changed, nil), Effects: shownEffects(o.registry.Try(next))}
	if unsafe := slices.IndexFunc(result.Effects, func(e api.Effect) bool { return e.Unsafe }); unsafe >= 0 && !c.Force && order.kind != 0 {
		e := result.Effects[unsafe]
		return api.Changed{}, &api.Error{
			Problem: fmt.Sprintf("%s: refused, %s would have %d up for %s and needs %d (min_up); use force to do it anyway", c.Set, e.Pool, e.Up, e.Type, max(e.Need, 1)),
			Effects: result.Effects, Code: 409,
		}
	}
	if c.DryRun {
		return result, nil
	}
	o.put(next)
	for i := range changed {
		o.log.Infof("%s", changeLine(&changed[i], order.kind == 0, by))
	}
	result.QuietAt = o.quietAt(selected)
	return result, nil
}

// WhatIf returns what c would do to the answers.
func (o *Operations) WhatIf(c api.Change) (api.Effects, error) {
	c.DryRun, c.Force, c.Forever = true, true, true
	order, err := read(c, "", time.Now())
	if err != nil {
		return api.Effects{}, &api.Error{Problem: err.Error(), Effects: []api.Effect{}, Code: 400}
	}
	selected := o.selected(order)
	effects := api.Effects{Matched: make([]string, 0, len(selected))}
	for _, t := range selected {
		effects.Matched = append(effects.Matched, strings.TrimSpace(t.pool+" "+t.addr.String()))
	}
	next, _ := o.next(order, selected)
	effects.Effects = shownEffects(o.registry.Try(next))
	return effects, nil
}

// An order is a Change that has been read.
type order struct {
	kind     override.Kind // 0 for auto
	selector api.Selector
	pool     string // in lower case, with the final dot; "" for everywhere
	template override.Override
}

// read reads c.
func read(c api.Change, by string, now time.Time) (order, error) {
	var r order
	var err error
	if c.Set != auto {
		var ok bool
		if r.kind, ok = override.ParseKind(c.Set); !ok {
			return r, fmt.Errorf("set: unknown (got %q); use drain, down, up, weight or auto", c.Set)
		}
	}
	if r.selector, err = api.ParseSelectors(c.Selectors); err != nil {
		return r, err
	}
	if c.Pool != "" {
		r.pool = strings.ToLower(strings.TrimSuffix(c.Pool, ".")) + "."
	}
	if (r.kind == override.Weight) != (c.Weight != 0) || c.Weight < 0 || c.Weight > override.MaxWeight {
		return r, fmt.Errorf("weight: out of range or beside %s (got %d); use 1 to %d with set weight only; to answer a backend no longer, drain it", c.Set, c.Weight, override.MaxWeight)
	}
	for _, text := range []string{c.Author, c.Reason} {
		if len(text) > maxText {
			return r, fmt.Errorf("author, reason: too long (got %d bytes); use at most %d", len(text), maxText)
		}
	}
	r.template = override.Override{Kind: r.kind, Weight: c.Weight, Author: c.Author, Reason: c.Reason, Since: now}
	if r.template.Author == "" {
		r.template.Author = by
	}
	if r.kind != 0 {
		r.template.Until, err = until(c, now)
	}
	return r, err
}

// until returns when c ends; the zero time for never.
func until(c api.Change, now time.Time) (end time.Time, err error) {
	given := 0
	if c.For != 0 {
		given++
		if c.For < 1 || c.For > (10*365*24*time.Hour).Seconds() {
			return end, fmt.Errorf("for: out of range (got %g s); use 1 s to 10 years, or forever", c.For)
		}
		end = now.Add(time.Duration(c.For * float64(time.Second))).Round(0) // without the monotonic clock: it is kept across restarts
	}
	if !c.Until.IsZero() {
		given++
		end = c.Until.Time
		if !end.After(now) {
			return end, fmt.Errorf("until: in the past (got %s, now %s); use a later time", end.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339))
		}
	}
	if c.Forever {
		given++
	}
	if given != 1 {
		return end, fmt.Errorf("for, until, forever: %d of them given; use one, so that nothing is forgotten by default", given)
	}
	return end, nil
}

// selected returns what r selects, sorted. An order for everywhere by addresses
// alone selects them everywhere; one by tier or location selects backends of
// pools. auto also selects overrides whose backend is gone.
func (o *Operations) selected(r order) []target {
	found := make(map[target]bool)
	for _, v := range o.registry.View() {
		if r.pool != "" && !v.Named(r.pool) {
			continue
		}
		for i := range v.Backends {
			b := &v.Backends[i]
			if !r.selector.Match(b.Addr, api.Configured{Drain: b.Drain, Weight: b.Weight, Tier: b.Tier, Location: b.Place.String()}) {
				continue
			}
			name := r.pool
			if name == "" && !r.selector.ByAddress() {
				name = v.Name()
			}
			found[target{name, b.Addr}] = true
		}
	}
	if r.kind == 0 {
		for _, set := range o.overrides().All() {
			if (r.pool == "" || r.pool == set.Pool) && slices.Contains(r.selector.Exact(), set.Addr.Unmap()) {
				found[target{set.Pool, set.Addr}] = true
			}
		}
	}
	all := make([]target, 0, len(found))
	for t := range found {
		all = append(all, t)
	}
	slices.SortFunc(all, func(a, b target) int {
		if a.pool != b.pool {
			return strings.Compare(a.pool, b.pool)
		}
		return a.addr.Compare(b.addr)
	})
	return all
}

// next returns the set that follows from r, and the overrides that are added or, by
// auto, removed. o.changing is held, or nothing comes of it.
func (o *Operations) next(r order, selected []target) (next *override.Set, changed []override.Override) {
	if r.kind == 0 {
		return o.overrides().Without(func(set *override.Override) bool {
			return slices.ContainsFunc(selected, func(t target) bool {
				return t.addr == set.Addr && (t.pool == set.Pool || r.pool == "" && t.pool == "")
			})
		})
	}
	id := o.lastID
	for _, t := range selected {
		added := r.template
		id++
		added.ID, added.Pool, added.Addr, added.Was = id, t.pool, t.addr, o.registry.Configured(t.addr)
		changed = append(changed, added)
	}
	next, _ = o.overrides().With(changed...)
	return next, changed
}

// quietAt returns when the last cache that obeys TTLs has forgotten the selected
// addresses that are not answered now.
func (o *Operations) quietAt(selected []target) (at api.Time) {
	for _, v := range o.registry.View() {
		for i := range v.Backends {
			b := &v.Backends[i]
			if b.Answered || !b.CachedUntil.After(at.Time) {
				continue
			}
			if slices.ContainsFunc(selected, func(t target) bool { return t.addr == b.Addr && (t.pool == "" || v.Named(t.pool)) }) {
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
