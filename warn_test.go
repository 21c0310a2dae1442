package rrhealth

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
		{"weights that nobody looks at", "rrhealth www.example.org {\nbackend 192.0.2.1 weight 2\nbackend 192.0.2.2\npolicy rotate\n}", []string{
			"the weights of www.example.org. have no effect under policy rotate",
		}},
		{"networks that overlap", "rrhealth {\nwatch 10.0.0.0/8 192.0.2.0/24 10.1.0.0/16 10.0.0.1\ncheck tcp://:1\n}", []string{
			"watch of example.org.: 10.1.0.0/16 and 10.0.0.0/8 and 1 more overlap: the smaller network has no effect",
		}},
		{"a filter that takes nothing out", "rrhealth {\nwatch 192.0.2.0/24\nmin_up 100%\n}", []string{"min_up of example.org. is the whole set: as soon as one address is down, all are answered"}},
		{"a pool that takes nothing out", "rrhealth {\nbackend 192.0.2.1 192.0.2.2 2001:db8::1\nmin_up 2\n}", []string{"min_up of example.org. is the whole set"}},
		{"min_up with another tier", "rrhealth {\nbackend 192.0.2.1 192.0.2.2\nbackend 192.0.2.3 tier 2\nmin_up 100%\n}", nil},
		{"min_up that leaves room", "rrhealth {\nbackend 192.0.2.1 192.0.2.2 192.0.2.3\nmin_up 2\n}", nil},
		{"variables that are not set", "rrhealth www.example.org {\nbackend 192.0.2.1\ncheck http://:1/?secret {\nheader Authorization \"Bearer {$RRHEALTH_UNSET}\"\nheader X-Set x\n}\n" +
			"check exec true {\nenv A {$RRHEALTH_UNSET}\nenv B set\n}\n}", []string{
			"check http://:1/ of www.example.org.: the value of header Authorization is empty or ends in a space",
			"check exec true of www.example.org.: the value of env A is empty or ends in a space",
		}},
		{"weights that somebody looks at", "cache\nrrhealth www.example.org {\nbackend 192.0.2.1 weight 2\nbackend 192.0.2.2\npolicy sticky\n}", nil},
		{"a ttl for which a failed backend is answered long after it is down", "rrhealth www.example.org api.example.org {\nbackend 192.0.2.1\ncheck tcp://:1\nttl 300s\n}", []string{
			"ttl 300s of www.example.org. and 1 more is longer than twice the detection time 7s: clients may be sent to a failed backend for 300s; use ttl 14s or less, or leave ttl out",
		}},
		{"the same in a filter", "rrhealth {\nwatch 192.0.2.0/24\ncheck tcp://:1\ninterval 2s fast 500ms\nttl 60s\n}\nfile " + harness.Zone(t, soaLine), []string{
			"ttl 60s of example.org. is longer than twice the detection time 3s",
		}},
		{"twice the detection time", "rrhealth www.example.org {\nbackend 192.0.2.1\ncheck tcp://:1\nttl 14s\n}", nil},
		{"a long ttl that nothing can change", "rrhealth www.example.org {\nbackend 192.0.2.1\nttl 1h\n}", nil},
		{"the ttl that would be taken anyway", "rrhealth www.example.org {\nbackend 192.0.2.1\ncheck tcp://:1\ninterval 1s fast 100ms\nttl 4s\n}", nil},
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

// No cache that is known stands above us in a build that starts, so one is made
// of a plugin that does.
func TestACacheAboveUsIsWarnedOf(t *testing.T) {
	known := caches
	defer func() { caches = known }()
	caches = []string{"cache", "loadbalance"}
	for policy, want := range map[string]int{"sticky": 1, "rotate": 0} {
		out := harness.CaptureLog(t)
		harness.Start(t, harness.Corefile("cache\nloadbalance\nrrhealth www.example.org {\nbackend 192.0.2.1 192.0.2.2\npolicy "+policy+"\n}"))
		if got := strings.Count(out(), "loadbalance stands above rrhealth and hands the answers that policy sticky of www.example.org. means for one client to all"); got != want {
			t.Errorf("%s: warned %d times, want %d: %s", policy, got, want, out())
		}
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
