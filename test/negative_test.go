package test

import (
	"fmt"
	"testing"

	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/internal/harness"
)

// A denial that is due to a failure must not outlive the pool's TTL, also where the
// zone of the dnssec plugin is another than that of the server block.
func TestASignedDenialHasThePoolsTTL(t *testing.T) {
	base, _ := harness.NewKey(t)
	backends, port := harness.Fleet(t, 1)
	for _, zone := range []string{"example.org", "."} {
		s := harness.Start(t, fmt.Sprintf(`%s:0 {
			bind 127.0.0.1
			errors
			rrhealth www.example.org {
				backend 192.0.2.1 check_addr %s
				backend 2001:db8::1 check_addr %s
				check tcp://:%s
				%s
			}
			dnssec example.org {
				key file %s
			}
		}`, zone, backends[0].IP(), harness.NoServer, port, harness.Quick, base))
		var denial *dns.Msg
		harness.Eventually(t, "AAAA is denied", func() bool {
			denial = s.Exchange(harness.Query("www.example.org.", dns.TypeAAAA, true), "udp")
			return len(denial.Answer) == 0 && len(denial.Ns) == 4
		})
		for _, rr := range denial.Ns {
			if rr.Header().Ttl > 1 {
				t.Errorf("in a block for %s: a TTL of more than 1, the interval: %v", zone, rr)
			}
		}
	}
}
