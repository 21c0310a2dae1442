package rrhealth

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/internal/harness"
)

// inspected waits until all handlers have looked at the zones below them.
func inspected(t *testing.T) {
	t.Helper()
	harness.Eventually(t, "zones below are inspected", func() bool {
		process.mu.Lock()
		defer process.mu.Unlock()
		for h := range process.handlers {
			if h.Next == nil { // nothing to inspect
				continue
			}
			if h.inspection == nil {
				return false
			}
			select {
			case <-h.inspection.Done():
			default:
				return false
			}
		}
		return true
	})
}

func TestAPoolInAZoneThatIsSignedBelowIsWarnedOf(t *testing.T) {
	plain := harness.Zone(t, harness.SOA+"www IN A 192.0.2.1\nalias IN CNAME www\nsub IN NS ns.sub\nns.sub IN A 192.0.2.53")
	signed, key := harness.Presigned(t, plain)
	base, _ := harness.NewKey(t) // another one
	pools := "rrhealth www.example.org *.wild.example.org alias.example.org missing.example.org {\nbackend 192.0.2.1\n}\nrrhealth example.org {\nbackend 192.0.2.2\n}\n"
	bogus := "answers of pool %s will be bogus for validating resolvers: zone example.org. is signed below rrhealth and %s"
	no := "the server block has no dnssec"
	for _, tc := range []struct {
		name, config string
		want         []string
	}{
		{"signed", harness.Corefile(pools + "file " + signed + " example.org"), []string{fmt.Sprintf(bogus, "www.example.org. and 3 more", no), fmt.Sprintf(bogus, "example.org.", no)}},
		{"signed, through a cache", harness.Corefile("rrhealth www.example.org {\nbackend 192.0.2.1\n}\ncache\nfile " + signed + " example.org"), []string{fmt.Sprintf(bogus, "www.example.org.", no)}},
		{"signed by another key", harness.Corefile(pools + "dnssec {\nkey file " + base + "\n}\nfile " + signed + " example.org"), []string{
			fmt.Sprintf(bogus, "www.example.org. and 3 more", "not by the key that dnssec in the server block has for it"),
			fmt.Sprintf(bogus, "example.org.", "not by the key that dnssec in the server block has for it"),
		}},
		{"in a block for the root", ".:0 {\nbind 127.0.0.1\nerrors\nrrhealth other.example www.example.org mail.example.org {\nbackend 192.0.2.1\n}\nfile " + signed + " example.org\n}\n", []string{
			fmt.Sprintf(bogus, "www.example.org. and 1 more", no),
		}},
		{"a zone of its own that is not signed", harness.Corefile("rrhealth x.sub.example.org {\nbackend 192.0.2.1\n}\nfile " + signed + " example.org"), nil},
		{"a filter", harness.Corefile("rrhealth {\nwatch 192.0.2.0/24\n}\nfile " + signed + " example.org"), nil},
		{"not signed", harness.Corefile(pools + "file " + plain + " example.org"), nil},
		{"signed by dnssec", harness.Corefile(pools + "dnssec {\nkey file " + base + "\n}\nfile " + plain + " example.org"), nil},
		{"nothing below", harness.Corefile(pools), nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			out := harness.CaptureLog(t)
			s := harness.Start(t, tc.config)
			if !strings.Contains(tc.config, "watch") {
				inspected(t)
			}
			var warnings []string
			for l := range strings.Lines(out()) {
				if _, w, ok := strings.Cut(l, "[WARNING] plugin/rrhealth: "); ok {
					warnings = append(warnings, strings.TrimSpace(w))
				}
			}
			slices.Sort(warnings)
			slices.Sort(tc.want)
			if !slices.Equal(warnings, tc.want) {
				t.Errorf("got %q, want %q", warnings, tc.want)
			}
			if tc.name == "signed" {
				if r := harness.Unbound(t, s.Addr, key).Exchange(harness.Query("www.example.org.", dns.TypeA, true)); r.Rcode != dns.RcodeServerFailure {
					t.Errorf("a validating resolver believes it:\n%v", r)
				}
			}
		})
	}
}

func TestManyNamesInASignedZoneAreWarnedOfOnce(t *testing.T) {
	signed, _ := harness.Presigned(t, harness.Zone(t, harness.SOA))
	var names strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&names, " n%d.example.org", i)
	}
	out := harness.CaptureLog(t)
	harness.Start(t, harness.Corefile("rrhealth"+names.String()+" {\nbackend 192.0.2.1\n}\nfile "+signed+" example.org"))
	inspected(t)
	if n := strings.Count(out(), "will be bogus"); n != 1 || !strings.Contains(out(), "n0.example.org. and 4999 more") {
		t.Errorf("%d warnings, want one:\n%.2000s", n, out())
	}
}
