package ctl

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		untilNoon()
		berlin := time.FixedZone("CET", 3600)
		for _, tc := range []struct {
			text  string
			zone  *time.Location
			after bool
			want  string // the empty string for an error
		}{
			{"2026-11-24T18:00:00Z", time.UTC, true, "2026-11-24T18:00:00Z"},
			{"2026-11-24T18:00:00+01:00", time.UTC, true, "2026-11-24T17:00:00Z"},
			{"2026-11-24T18:00:00", berlin, true, "2026-11-24T17:00:00Z"},
			{"2026-11-24 18:00", berlin, true, "2026-11-24T17:00:00Z"},
			{"2026-11-24 18:00:30", time.UTC, true, "2026-11-24T18:00:30Z"},
			{"18:00", time.UTC, true, "2026-11-24T18:00:00Z"},
			{"18:00", time.UTC, false, "2026-11-23T18:00:00Z"},
			{"11:59", time.UTC, true, "2026-11-25T11:59:00Z"},
			{"11:59", time.UTC, false, "2026-11-24T11:59:00Z"},
			{"12:00", time.UTC, true, "2026-11-25T12:00:00Z"},
			{"12:00", time.UTC, false, "2026-11-24T12:00:00Z"},
			{"12:30", berlin, false, "2026-11-24T11:30:00Z"}, // it is 13:00 there
			{"12:30", berlin, true, "2026-11-25T11:30:00Z"},
			{"24:30", time.UTC, true, ""},
			{"", time.UTC, true, ""},
		} {
			a := &app{IO: IO{Zone: tc.zone}}
			got, err := a.parseTime(tc.text, tc.after)
			if text := got.UTC().Format(time.RFC3339); (err == nil) != (tc.want != "") || err == nil && text != tc.want {
				t.Errorf("%q in %v: got %s, %v, want %q", tc.text, tc.zone, text, err, tc.want)
			}
		}
		a := &app{IO: IO{Zone: time.UTC}}
		if got, err := a.parsePast("-1h30m"); err != nil || !got.Equal(noon.Add(-90*time.Minute)) {
			t.Errorf("-1h30m: got %v, %v", got, err)
		}
		if got, err := a.parsePast("-x"); err == nil {
			t.Errorf("-x: got %v", got)
		}
	})
}

func TestSpans(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"30s": 30 * time.Second, "2h30m": 150 * time.Minute, "3d": 72 * time.Hour, "1w": 168 * time.Hour, "1w1d1h": 193 * time.Hour,
		"": 0, "0s": 0, "-1h": 0, "1x": 0, "d": 0, "99999w": 0, "1h1d": 0,
	} {
		if got, err := parseSpan(text); got != want || (err == nil) != (want != 0) {
			t.Errorf("%q: got %v, %v, want %v", text, got, err, want)
		}
	}
	for d, want := range map[time.Duration]string{
		0: "0s", -time.Second: "0s", 999 * time.Millisecond: "0s", 59 * time.Second: "59s", 60 * time.Second: "1m", 61 * time.Second: "1m1s",
		3600 * time.Second: "1h", 3659 * time.Second: "1h", 25 * time.Hour: "1d1h", 400*24*time.Hour + time.Minute: "400d",
	} {
		if got := span(d); got != want {
			t.Errorf("%v: got %s, want %s", d, got, want)
		}
	}
}
