package rrhealth

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/internal/harness"
)

// The test to read first: three web servers serve one name, and one of them
// fails. Each subtest shows one thing that clients, or their operator, see then.
// The end-to-end tests in test/ are written like this one, on internal/harness.
func TestOneBackendOfThreeFails(t *testing.T) {
	backends, port := harness.Fleet(t, 3) // at 127.x.y.1, .2 and .3, on one port
	first, second, third := backends[0], backends[1], backends[2]
	logged := harness.CaptureLog(t)

	// www is served from the pool. Other names are those of the zone file below.
	zone := harness.Zone(t, harness.SOA+"mail IN A 192.0.2.25")
	corefile := harness.Corefile(fmt.Sprintf(`
    rrhealth www.example.org {
        backend %s
        check http://:%s/healthz
        interval 200ms fast 100ms
        timeout 150ms
        ttl 30s
    }
    file %s example.org
`, strings.Join(harness.IPs(backends...), " "), port, zone))
	s := harness.Start(t, corefile)
	s.AwaitReady()
	all, two := harness.IPs(backends...), harness.IPs(first, third)

	t.Run("all are answered, and the list turns by one with each query", func(t *testing.T) {
		for i := range 6 {
			before := harness.Addrs(s.Ask("www.example.org.", dns.TypeA))
			after := harness.Addrs(s.Ask("www.example.org.", dns.TypeA))
			if !harness.IsShift(before, all) || !harness.IsShift(after, all) || after[0] != before[1] {
				t.Errorf("round %d: %v after %v, want the three backends, turned by one", i, after, before)
			}
		}
	})

	second.Stop() // its port refuses connections: a hard failure
	s.Settled("www.example.org.", dns.TypeA, two...)

	t.Run("the one that is down is left out of each answer", func(t *testing.T) {
		for range 6 {
			if got := harness.Addrs(s.Ask("www.example.org.", dns.TypeA)); !harness.IsShift(got, two) {
				t.Errorf("%v, want %v, turned", got, two)
			}
		}
	})
	t.Run("the TTL is short meanwhile", func(t *testing.T) {
		if ttl := s.Ask("www.example.org.", dns.TypeA).Answer[0].Header().Ttl; ttl >= 30 {
			t.Errorf("TTL %d, want less than the 30 that the pool has with all up", ttl)
		}
	})
	t.Run("the log has the reason", func(t *testing.T) {
		want := fmt.Sprintf("backend %s of www.example.org. is down: http %s:%s", second.IP(), second.IP(), port)
		if !strings.Contains(logged(), want) {
			t.Errorf("log\n%swant a line with %q", logged(), want)
		}
	})
	t.Run("the metrics have the state", func(t *testing.T) {
		series := "backend_state{backend=" + second.IP() + ",pool=www.example.org.,state=down}"
		if got := harness.Series(t)[series]; got != 1 {
			t.Errorf("%s is %v, want 1", series, got)
		}
	})
	t.Run("other names are none of its business", func(t *testing.T) {
		if got := harness.Addrs(s.Ask("mail.example.org.", dns.TypeA)); len(got) != 1 || got[0] != "192.0.2.25" {
			t.Errorf("%v, want what the zone has", got)
		}
	})
	t.Run("a reload forgets nothing", func(t *testing.T) {
		if err := s.Reload(corefile); err != nil {
			t.Fatal(err)
		}
		if got := harness.Addrs(s.Ask("www.example.org.", dns.TypeA)); !harness.IsShift(got, two) {
			t.Errorf("%v in the first answer after a reload, want %v, turned", got, two)
		}
	})

	first.Stop()
	third.Handler = http.NotFoundHandler() // it accepts connections, and is as wrong
	third.Stop()
	third.Start()
	harness.Eventually(t, "all are down", func() bool {
		return harness.Series(t)["pool_all_down{pool=www.example.org.}"] == 1
	})

	t.Run("with all down, all are answered", func(t *testing.T) {
		m := s.Exchange(harness.Query("www.example.org.", dns.TypeA, false), "udp")
		if got := harness.Addrs(m); !harness.IsShift(got, all) {
			t.Errorf("%v, want all backends: one of them may work for the client", got)
		}
		if !strings.Contains(harness.EDE(m), "down") {
			t.Errorf("extended error %q, want the reason", harness.EDE(m))
		}
	})

	third.Stop()
	for _, b := range backends {
		b.Handler = http.HandlerFunc(harness.Healthy)
		b.Start()
	}
	t.Run("all come back", func(*testing.T) {
		s.Settled("www.example.org.", dns.TypeA, all...)
	})
}
