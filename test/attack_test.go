package test

import (
	"testing"

	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/internal/harness"
)

// Resolvers that minimise names ask for eu.example.org before they ask for
// www.eu.example.org, and believe a denial.
func TestNamesAboveOursExist(t *testing.T) {
	zone := harness.Zone(t, harness.SOA)
	const stanza = "rrhealth www.eu.example.org *.wild.example.org {\nbackend 192.0.2.1\n}\n"
	for _, below := range []string{"", "file " + zone + " example.org", "rrhealth {\nwatch 127.0.0.0/8\n}\nfile " + zone + " example.org"} {
		s := harness.Start(t, harness.Corefile(stanza+below))
		for _, name := range []string{"eu.example.org.", "eU.example.org.", "wild.example.org."} {
			m := s.Ask(name, dns.TypeA)
			if m.Rcode != dns.RcodeSuccess || len(m.Answer) != 0 || len(m.Ns) != 1 || m.Ns[0].Header().Name != "example.org." {
				t.Errorf("below %q: %s: want NODATA, got\n%v", below, name, m)
			}
		}
		if m := s.Ask("us.example.org.", dns.TypeA); m.Rcode == dns.RcodeSuccess {
			t.Errorf("below %q: us.example.org. exists", below)
		}
		s.Stop()
	}
}
