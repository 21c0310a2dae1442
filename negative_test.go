package rrhealth

import (
	"fmt"
	"testing"

	"github.com/miekg/dns"
)

// A denial that is due to a failure must not outlive the pool's TTL, also where the
// zone of the dnssec plugin is another than that of the server block.
func TestASignedDenialHasThePoolsTTL(t *testing.T) {
	base, _ := newKey(t)
	backends, port := fleet(t, 1)
	for _, zone := range []string{"example.org", "."} {
		s := start(t, fmt.Sprintf(`%s:0 {
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
		}`, zone, backends[0].ip(), dead, port, quick, base))
		var denial *dns.Msg
		eventually(t, "AAAA is denied", func() bool {
			denial = s.exchange(question("www.example.org.", dns.TypeAAAA, true), "udp")
			return len(denial.Answer) == 0 && len(denial.Ns) == 4
		})
		for _, rr := range denial.Ns {
			if rr.Header().Ttl > 1 {
				t.Errorf("in a block for %s: a TTL of more than 1, the interval: %v", zone, rr)
			}
		}
	}
}
