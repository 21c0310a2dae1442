package ctl

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// timeForms are the forms of a TIME, for usages and errors.
const timeForms = "18:00, '2026-11-24 18:00' or 2026-11-24T18:00:00Z"

// clockForms are the forms of a time of a day that is given, of a.Zone unless
// they name their own.
var clockForms = []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02 15:04"}

// parseTime reads a TIME. One without a day is the next that comes if after, and
// the last that has been otherwise.
func (a *app) parseTime(text string, after bool) (time.Time, error) {
	for _, form := range clockForms {
		if t, err := time.ParseInLocation(form, text, a.Zone); err == nil {
			return t, nil
		}
	}
	clock, err := time.ParseInLocation("15:04", text, a.Zone)
	if err != nil {
		return time.Time{}, usagef("not a time (got %q); write %s", text, timeForms)
	}
	now := time.Now().In(a.Zone)
	at := time.Date(now.Year(), now.Month(), now.Day(), clock.Hour(), clock.Minute(), 0, 0, a.Zone)
	switch {
	case after && !at.After(now):
		return at.AddDate(0, 0, 1), nil
	case !after && at.After(now):
		return at.AddDate(0, 0, -1), nil
	}
	return at, nil
}

// parsePast reads a TIME, or a duration that is counted back from now: -1h.
func (a *app) parsePast(text string) (time.Time, error) {
	if back, ok := strings.CutPrefix(text, "-"); ok {
		d, err := parseSpan(back)
		return time.Now().Add(-d), err
	}
	return a.parseTime(text, false)
}

var spanForm = regexp.MustCompile(`^(?:(\d+)w)?(?:(\d+)d)?(.*)$`)

// parseSpan reads a duration above zero: as Go writes it, with weeks (w) and days
// (d) before hours.
func parseSpan(text string) (time.Duration, error) {
	wrong := usagef("not a duration (got %q); write 30s, 15m, 2h30m, 3d or 1w", text)
	m := spanForm.FindStringSubmatch(text)
	if text == "" || m == nil {
		return 0, wrong
	}
	weeks, err1 := strconv.ParseUint("0"+m[1], 10, 16)
	days, err2 := strconv.ParseUint("0"+m[2], 10, 16)
	var rest time.Duration
	var err3 error
	if m[3] != "" {
		rest, err3 = time.ParseDuration(m[3])
	}
	d := time.Duration(weeks*7+days)*24*time.Hour + rest // #nosec G115 -- below 2^20
	if err1 != nil || err2 != nil || err3 != nil || d <= 0 {
		return 0, wrong
	}
	return d, nil
}

// A spanValue is a flag with a duration that parseSpan reads.
type spanValue time.Duration

// String implements pflag.Value.
func (v *spanValue) String() string {
	if *v == 0 {
		return ""
	}
	return time.Duration(*v).String()
}

// Set implements pflag.Value.
func (v *spanValue) Set(text string) error {
	d, err := parseSpan(text)
	if err != nil {
		return fmt.Errorf("%w", err)
	}
	*v = spanValue(d)
	return nil
}

// Type implements pflag.Value.
func (v *spanValue) Type() string { return "DURATION" }
