package rrhealth

import (
	"slices"
	"strings"
	"testing"
)

func TestSetUpsThatCannotWorkAreWarnedOf(t *testing.T) {
	for _, tc := range []struct {
		name, stanza string
		want         []string
	}{
		{"nearest without anything", "rrhealth www.example.org {\nbackend 192.0.2.1 location EU\nbackend 192.0.2.2 location AS\npolicy nearest\n}", []string{
			"policy nearest of www.example.org. needs the geoip plugin", "policy nearest of www.example.org. needs the metadata plugin",
		}},
		{"geoip without metadata", "geoip " + threePlaces(t) + "\nrrhealth www.example.org {\nbackend 192.0.2.1 location EU\npolicy nearest\n}", []string{
			"policy nearest of www.example.org. needs the metadata plugin",
		}},
		{"nearest with all it needs", "metadata\ngeoip " + threePlaces(t) + "\nrrhealth www.example.org {\nbackend 192.0.2.1 location EU\npolicy nearest\n}", nil},
		{"loadbalance", "loadbalance\nrrhealth www.example.org {\nbackend 192.0.2.1\npolicy sticky\n}", []string{"loadbalance in the server block of example.org. shuffles"}},
		{"weights that nobody looks at", "rrhealth www.example.org {\nbackend 192.0.2.1 weight 2\nbackend 192.0.2.2\npolicy rotate\n}", []string{
			"the weights of www.example.org. have no effect under policy rotate",
		}},
		{"weights that somebody looks at", "cache\nrrhealth www.example.org {\nbackend 192.0.2.1 weight 2\nbackend 192.0.2.2\npolicy sticky\n}", nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			out := captureLog(t)
			start(t, corefile(tc.stanza))
			var warnings []string
			for l := range strings.Lines(out()) {
				if strings.Contains(l, "[WARNING] plugin/rrhealth") {
					warnings = append(warnings, l)
				}
			}
			if len(warnings) != len(tc.want) {
				t.Errorf("warnings %q, want %d", warnings, len(tc.want))
			}
			for _, want := range tc.want {
				if !slices.ContainsFunc(warnings, func(w string) bool { return strings.Contains(w, want) }) {
					t.Errorf("warnings %q, want one with %q", warnings, want)
				}
			}
		})
	}
}

// No cache that is known stands above us in a build that starts, so one is made
// of a plugin that does.
func TestACacheAboveUsIsWarnedOf(t *testing.T) {
	known := caches
	defer func() { caches = known }()
	caches = []string{"cache", "loadbalance"}
	for policy, want := range map[string]int{"sticky": 1, "rotate": 0} {
		out := captureLog(t)
		start(t, corefile("cache\nloadbalance\nrrhealth www.example.org {\nbackend 192.0.2.1 192.0.2.2\npolicy "+policy+"\n}"))
		if got := strings.Count(out(), "loadbalance stands above rrhealth and hands the answers that policy sticky of www.example.org. means for one client to all"); got != want {
			t.Errorf("%s: warned %d times, want %d: %s", policy, got, want, out())
		}
	}
}
