package operations

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/rrhealth/rrhealth/plugin/api"
)

// want compares err with an *api.Error.
func wantError(t *testing.T, err error, code int, text string) {
	t.Helper()
	var e *api.Error
	if !errors.As(err, &e) || e.Code != code || e.Problem != text || e.Effects == nil {
		t.Errorf("error %#v, want %d with effects and %q", err, code, text)
	}
}

// A request is answered with a code and with what to do instead.
func TestChangesThatAreRefused(t *testing.T) {
	d := newDesk(t, twoPools)
	defer d.end()
	for _, c := range []struct {
		change api.Change
		code   int
		want   string
	}{
		{set("pause", "192.0.2.1"), 400, `set: unknown (got "pause"); use drain, down, up, weight or auto`},
		{set("", "192.0.2.1"), 400, `set: unknown (got ""); use drain, down, up, weight or auto`},
		{set("drain"), 400, "selector: nothing given; write " + api.SelectorForms},
		{set("drain", "www"), 400, `selector: not an address, a pattern or a network (got "www"); write ` + api.SelectorForms},
		{set("weight", "192.0.2.1"), 400, "weight: out of range or beside weight (got 0); use 1 to 65535 with set weight only; to answer a backend no longer, drain it"},
		{api.Change{Set: "drain", Weight: 3, Selectors: []string{"192.0.2.1"}, Forever: true}, 400, "weight: out of range or beside drain (got 3); use 1 to 65535 with set weight only; to answer a backend no longer, drain it"},
		{api.Change{Set: "weight", Weight: 65536, Selectors: []string{"192.0.2.1"}, Forever: true}, 400, "weight: out of range or beside weight (got 65536); use 1 to 65535 with set weight only; to answer a backend no longer, drain it"},
		{api.Change{Set: "drain", Selectors: []string{"192.0.2.1"}}, 400, "for, until, forever: 0 of them given; use one, so that nothing is forgotten by default"},
		{api.Change{Set: "drain", Selectors: []string{"192.0.2.1"}, For: 60, Forever: true}, 400, "for, until, forever: 2 of them given; use one, so that nothing is forgotten by default"},
		{api.Change{Set: "drain", Selectors: []string{"192.0.2.1"}, For: -1}, 400, "for: out of range (got -1 s); use 1 s to 10 years, or forever"},
		{api.Change{Set: "drain", Selectors: []string{"192.0.2.1"}, For: 0.5}, 400, "for: out of range (got 0.5 s); use 1 s to 10 years, or forever"},
		{api.Change{Set: "drain", Selectors: []string{"192.0.2.1"}, For: 1e300}, 400, "for: out of range (got 1e+300 s); use 1 s to 10 years, or forever"},
		{api.Change{Set: "drain", Selectors: []string{"192.0.2.1"}, Forever: true, Reason: strings.Repeat("a", 301)}, 400, "author, reason: too long (got 301 bytes); use at most 300"},
		{api.Change{Set: "drain", Selectors: []string{"192.0.2.1"}, Forever: true, Author: "eve\nbackend 192.0.2.1 is up"}, 400, `author, reason: a control character (got "eve\nbackend 192.0.2.1 is up"); use text of one line`},
		{set("drain", "192.0.2.9"), 404, "drain: no backend or watched address is selected (got 192.0.2.9); rrhealthctl pools lists them"},
		{in("other.example.org", set("drain", "192.0.2.1")), 404, "drain: no backend or watched address is selected (got 192.0.2.1 in other.example.org); rrhealthctl pools lists them"},
		{in("www.example.org", set("drain", "192.0.2.4")), 404, "drain: no backend or watched address is selected (got 192.0.2.4 in www.example.org); rrhealthctl pools lists them"},
		{set("drain", "2001:db8::1"), 409, "drain: refused, api.example.org. would have 0 up for AAAA and needs 1 (min_up); use force to do it anyway"},
	} {
		_, err := d.Change(c.change, "root")
		t.Run(c.want, func(t *testing.T) { wantError(t, err, c.code, c.want) })
	}
	if got := d.shown(); len(got) > 0 {
		t.Errorf("overrides %q after refusals", got)
	}
	d.log.want(t)
}

// What is set, where, and what auto removes of it.
func TestWhatChangesSet(t *testing.T) {
	for _, c := range []struct {
		name    string
		changes []api.Change
		want    []string
	}{
		{"everywhere", []api.Change{set("drain", "192.0.2.1")}, []string{"192.0.2.1 drain"}},
		{"one pool, in other case and without the dot", []api.Change{in("API.Example.Org", set("drain", "192.0.2.1"))}, []string{"api.example.org. 192.0.2.1 drain"}},
		{"in IPv6 form", []api.Change{set("drain", "::ffff:192.0.2.1")}, []string{"192.0.2.1 drain"}},
		{"a tier", []api.Change{set("down", "tier=2")}, []string{"www.example.org. 192.0.2.3 down"}},
		{"a pattern", []api.Change{set("up", "192.0.2.[34]*")}, []string{"192.0.2.3 up", "192.0.2.4 up"}},
		{"a later one replaces", []api.Change{set("drain", "192.0.2.1"), set("up", "192.0.2.1")}, []string{"192.0.2.1 up"}},
		{"auto for everywhere removes those of pools", []api.Change{in("api.example.org", set("drain", "192.0.2.1")), set("up", "192.0.2.1"), set(auto, "192.0.2.1")}, nil},
		{"auto for a pool leaves what is set everywhere", []api.Change{in("api.example.org", set("drain", "192.0.2.1")), set("up", "192.0.2.1"), in("api.example.org.", set(auto, "192.0.2.1"))}, []string{"192.0.2.1 up"}},
		{"auto by another name of the same pool", []api.Change{in("www.example.org", set("drain", "192.0.2.1")), in("web.example.org", set(auto, "192.0.2.1"))}, nil},
		{"auto by tier", []api.Change{in("web.example.org", set("drain", "192.0.2.3")), set(auto, "tier=2")}, nil},
		{"auto by address and another tier", []api.Change{set("drain", "192.0.2.1"), in("www.example.org", set("drain", "192.0.2.3")), set(auto, "192.0.2.1", "192.0.2.3", "tier=2")}, []string{"192.0.2.1 drain"}},
		{"auto that removes nothing", []api.Change{set(auto, "192.0.2.1")}, nil},
		{"dry run", []api.Change{{Set: "drain", Selectors: []string{"192.0.2.1"}, Forever: true, DryRun: true}}, nil},
		{"forced", []api.Change{{Set: "down", Selectors: []string{"*"}, Forever: true, Force: true}}, []string{"192.0.2.1 down", "192.0.2.2 down", "192.0.2.3 down", "192.0.2.4 down", "2001:db8::1 down"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newDesk(t, twoPools)
			defer d.end()
			for _, change := range c.changes {
				d.must(change)
			}
			if got := d.shown(); !slices.Equal(got, c.want) && len(got)+len(c.want) > 0 {
				t.Errorf("overrides %q, want %q", got, c.want)
			}
		})
	}
}

// auto for a pool says why it removes nothing of what is set everywhere.
func TestAutoForAPoolNamesWhatIsSetEverywhere(t *testing.T) {
	d := newDesk(t, twoPools)
	defer d.end()
	d.must(set("drain", "192.0.2.1"))
	_, err := d.Change(in("api.example.org", set(auto, "192.0.2.1")), "root")
	wantError(t, err, 404, "auto: nothing to remove there (got 192.0.2.1 in api.example.org), it is set in every pool; use auto with addresses alone")
	_, err = d.Change(set(auto, "192.0.2.1", "tier=1"), "root")
	wantError(t, err, 404, "auto: nothing to remove there (got 192.0.2.1 tier=1), it is set in every pool; use auto with addresses alone")
}

// An override whose backend has gone stays, is shown as an orphan, and auto removes it.
func TestAutoRemovesOrphans(t *testing.T) {
	d := newDesk(t, twoPools)
	defer d.end()
	d.must(in("www.example.org", set("drain", "192.0.2.1")))
	d.must(in("www.example.org", set("drain", "192.0.2.3")))
	d.load("rrhealth www.example.org {\nbackend 192.0.2.2\ncheck tcp://:80\n}\nrrhealth api.example.org {\nbackend 192.0.2.1\ncheck tcp://:80\n}")
	for _, one := range d.model().Overrides {
		if !one.Orphaned {
			t.Errorf("%s in %s is not shown as an orphan", one.Address, one.Pool)
		}
	}
	d.must(in("www.example.org", set(auto, "192.0.2.1")))
	d.must(set(auto, "192.0.2.3"))
	if got := d.shown(); len(got) > 0 {
		t.Errorf("overrides %q left", got)
	}
}

// There may be 10,000 overrides.
func TestThereAreAtMostTenThousandOverrides(t *testing.T) {
	var text strings.Builder
	text.WriteString("rrhealth www.example.org {\n")
	for i := range maxOverrides + 1 {
		fmt.Fprintf(&text, "backend 10.0.%d.%d\n", i/256, i%256)
	}
	d := newDesk(t, text.String()+"check tcp://:80\n}")
	defer d.end()
	all := api.Change{Set: "drain", Selectors: []string{"*"}, Forever: true, Force: true}
	_, err := d.Change(all, "root")
	wantError(t, err, 400, "drain: more than 10000 overrides (got 10001); select fewer")
	all.Selectors = []string{"10.0.0.0/19", "10.0.32.0/22", "10.0.36.0/23", "10.0.38.0/24", "10.0.39.0/28"}
	if n := len(d.must(all).Overrides); n != maxOverrides {
		t.Errorf("%d overrides set", n)
	}
}

// Of changes at the same time none is lost, and each has an ID of its own.
func TestConcurrentChangesAreNotLost(t *testing.T) {
	text := "rrhealth www.example.org {\ncheck tcp://:80\n"
	for i := range 100 {
		text += fmt.Sprintf("backend 192.0.2.%d\n", i+1)
	}
	d := newDesk(t, text+"}")
	defer d.end()
	var all sync.WaitGroup
	for i := range 50 {
		all.Go(func() { d.must(set("drain", fmt.Sprintf("192.0.2.%d", i+1))) })
		all.Go(func() {
			if _, err := d.WhatIf(set("down", "192.0.2.99")); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	ids := make(map[uint64]bool)
	for _, one := range d.overrides().All() {
		ids[one.ID] = true
	}
	if len(ids) != 50 {
		t.Errorf("%d overrides of 50", len(ids))
	}
}

// What is set is in force when Change returns, and logged.
func TestChangesAreInForceAndLogged(t *testing.T) {
	d := newDesk(t, twoPools)
	defer d.end()
	c := in("WWW.example.org", set("drain", "192.0.2.1"))
	c.Reason = `disk "sda"`
	d.must(c)
	if got := d.answered("www.example.org."); !slices.Equal(got, []string{"192.0.2.2"}) {
		t.Errorf("answered %q", got)
	}
	if got := d.answered("api.example.org."); !slices.Contains(got, "192.0.2.1") {
		t.Errorf("the other pool answers %q", got)
	}
	removed := d.must(in("www.example.org", set(auto, "192.0.2.1")))
	if len(removed.Overrides) != 1 || removed.Overrides[0].Reason != c.Reason {
		t.Errorf("removed %+v", removed.Overrides)
	}
	d.log.want(t,
		`info: override set: drain of 192.0.2.1 in www.example.org., by root, for ever, reason "disk \"sda\""`,
		"info: override removed: drain of 192.0.2.1 in www.example.org., by root",
	)
}
