package test

import (
	"fmt"
	"testing"

	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/internal/harness"
)

// A denial that is due to a failure is remembered no longer than addresses are:
// otherwise resolvers would deny the family for a while after its recovery.
func TestTheTTLOfADenial(t *testing.T) {
	backends, port := harness.Fleet(t, 1)
	s := harness.Start(t, harness.Corefile(fmt.Sprintf(`rrhealth www.example.org alias.example.org {
		backend 192.0.2.1 check_addr %s
		backend 2001:db8::1 check_addr %s
		check tcp://:%s
		%s
	}
	rrhealth four.example.org {
		backend 192.0.2.1
	}
	rrhealth drained.example.org {
		backend 192.0.2.1
		backend 2001:db8::1 drain
	}`, backends[0].IP(), harness.NoServer, port, harness.Quick)))
	denied := func(name string) uint32 {
		m := s.Ask(name, dns.TypeAAAA)
		if len(m.Answer) > 0 || len(m.Ns) != 1 {
			return 0
		}
		return m.Ns[0].Header().Ttl
	}
	harness.Eventually(t, "AAAA is denied", func() bool { return denied("www.example.org.") > 0 })
	if got := denied("www.example.org."); got != 1 {
		t.Errorf("TTL %d of the denial of what is down, want 1: the interval", got)
	}
	for _, name := range []string{"four.example.org.", "drained.example.org."} {
		if got := denied(name); got != 30 {
			t.Errorf("TTL %d of the denial at %s, want 30: it is not down, there is none", got, name)
		}
	}
}
