package test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/rrhealth/rrhealth/internal/harness"
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
		{"weights that have an effect", "cache\nrrhealth www.example.org {\nbackend 192.0.2.1 weight 2\nbackend 192.0.2.2\npolicy sticky\n}", nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			out := harness.CaptureLog(t)
			harness.Start(t, harness.Corefile(tc.stanza))
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

// A stanza of 500 names once logged 1,500 warnings at start.
func TestAWarningIsLoggedOncePerStanza(t *testing.T) {
	var names strings.Builder
	for i := range 500 {
		fmt.Fprintf(&names, " n%d.example.org", i)
	}
	out := harness.CaptureLog(t)
	harness.Start(t, harness.Corefile("rrhealth"+names.String()+" {\nbackend 192.0.2.1 location EU weight 2\npolicy nearest\ncheck https://www.example.org:1 {\ninsecure\n}\n}\n"+
		"rrhealth"+strings.ReplaceAll(names.String(), " n", " f")+" {\nwatch 192.0.2.0/24\ncheck tls://www.example.org:1 {\ninsecure\n}\ncheck tls://www.example.org:2 {\ninsecure\n}\n}"))
	want := []string{
		"check https://www.example.org:1 of n0.example.org. and 499 more does not verify the certificate: insecure",
		"policy nearest of n0.example.org. and 499 more needs the geoip plugin",
		"policy nearest of n0.example.org. and 499 more needs the metadata plugin",
		"the weights of n0.example.org. and 499 more have no effect under policy nearest",
		"check tls://www.example.org:1 and 1 more of f0.example.org. and 499 more does not verify the certificate: insecure",
	}
	for _, w := range want {
		if n := strings.Count(out(), w); n != 1 {
			t.Errorf("logged %d times, want once: %s", n, w)
		}
	}
	if n := strings.Count(out(), "[WARNING] plugin/rrhealth"); n != len(want) {
		t.Errorf("%d warnings, want %d:\n%.2000s", n, len(want), out())
	}
}
