package test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/internal/harness"
)

// The file plugin asks the server for the end of an alias that leads out of its
// zone. A filter sees the addresses twice then, and turns them once: turned twice
// by each query, a set of two would give every client the same first address. What
// a cache below keeps of the alias is whole and in the order of the zone.
func TestAFilterTurnsTheEndOfAnAliasOnce(t *testing.T) {
	near := harness.Zone(t, harness.SOA+"alias IN CNAME www.example.net.")
	far := harness.Zone(t, strings.ReplaceAll(harness.SOA, "@", "example.net.")+"www.example.net. IN A 192.0.2.1\nwww.example.net. IN A 192.0.2.2\nwww.example.net. IN A 192.0.2.3\nwww.example.net. IN A 192.0.2.4")
	for name, block := range map[string]string{
		"no cache":                  "rrhealth {\nwatch 192.0.2.0/24\n}\n",
		"cut":                       "rrhealth {\nwatch 192.0.2.0/24\nmax_answers 2\n}\n",
		"cache":                     "rrhealth {\nwatch 192.0.2.0/24\n}\ncache\n",
		"a filter at the end alone": "rrhealth example.net {\nwatch 192.0.2.0/24\n}\nrrhealth other.example.org {\nbackend 192.0.2.9\n}\n",
		"two filters":               "rrhealth example.net {\nwatch 192.0.2.0/24\n}\nrrhealth example.org {\nwatch 192.0.2.0/24\n}\n",
		"pools beside":              "rrhealth {\nwatch 192.0.2.0/24\n}\nrrhealth other.example.org {\nbackend 192.0.2.9\n}\n",
	} {
		t.Run(name, func(t *testing.T) {
			s := harness.Start(t, "example.org:0 example.net:0 {\nbind 127.0.0.1\nerrors\n"+block+"file "+near+" example.org\nfile "+far+" example.net\n}\n")
			before := harness.Addrs(s.Ask("alias.example.org.", dns.TypeA))
			for range 6 {
				now := harness.Addrs(s.Ask("alias.example.org.", dns.TypeA))
				all := []string{"192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4", "192.0.2.1"}
				if len(before) == 0 || len(now) != len(before) {
					t.Fatalf("answered %v after %v", now, before)
				}
				if i := slices.Index(all, before[0]); i < 0 || now[0] != all[i+1] {
					t.Fatalf("answered %v after %v: not turned by one", now, before)
				}
				before = now
			}
		})
	}
}

// The end of an alias may be the business of another server block, whose pool or
// filter orders its addresses. A filter around leaves them in that order.
func TestAFilterKeepsTheOrderOfOtherServerBlocks(t *testing.T) {
	near := harness.Zone(t, harness.SOA+"alias IN CNAME www.example.net.")
	far := harness.Zone(t, strings.ReplaceAll(harness.SOA, "@", "example.net.")+"www.example.net. IN A 192.0.2.1\nwww.example.net. IN A 192.0.2.2")
	const block = "%s:0 {\nbind 127.0.0.1\nerrors\n%s\n}\n"
	filter := "rrhealth {\nwatch 192.0.2.0/24\n}\n"
	for name, tc := range map[string]struct{ near, far string }{
		"a pool":             {filter, "rrhealth www.example.net {\nbackend 192.0.2.1 192.0.2.2\n}"},
		"a filter":           {filter, filter + "file " + far + " example.net"},
		"a filter and cache": {filter, filter + "cache\nfile " + far + " example.net"},
		"no filter":          {filter, "file " + far + " example.net"},
		"a filter, of pools": {"rrhealth other.example.org {\nbackend 192.0.2.9\n}\n", filter + "file " + far + " example.net"},
	} {
		t.Run(name, func(t *testing.T) {
			s := harness.Start(t, fmt.Sprintf(block, "example.org", tc.near+"file "+near+" example.org")+fmt.Sprintf(block, "example.net", tc.far))
			before := harness.Addrs(s.Ask("alias.example.org.", dns.TypeA))
			for range 6 {
				now := harness.Addrs(s.Ask("alias.example.org.", dns.TypeA))
				if len(now) != 2 || now[0] != before[1] {
					t.Fatalf("answered %v after %v: not turned by one", now, before)
				}
				before = now
			}
		})
	}
	pool := "rrhealth www.example.net {\nbackend 192.0.2.1 192.0.2.2\npolicy sequential\n}"
	s := harness.Start(t, fmt.Sprintf(block, "example.org", filter+"file "+near+" example.org")+fmt.Sprintf(block, "example.net", pool))
	for range 4 {
		if now := harness.Addrs(s.Ask("alias.example.org.", dns.TypeA)); !slices.Equal(now, []string{"192.0.2.1", "192.0.2.2"}) {
			t.Errorf("answered %v, want the order of the pool's policy", now)
		}
	}
}
