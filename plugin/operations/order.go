package operations

import (
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/rrhealth/rrhealth/plugin/api"
	"github.com/rrhealth/rrhealth/plugin/override"
)

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
		switch {
		case len(text) > maxText:
			return r, fmt.Errorf("author, reason: too long (got %d bytes); use at most %d", len(text), maxText)
		case strings.ContainsFunc(text, unicode.IsControl): // an author could write log lines of its own
			return r, fmt.Errorf("author, reason: a control character (got %q); use text of one line", text)
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
