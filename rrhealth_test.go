package rrhealth

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// pace makes probing quick: the tests are about what happens, not about when.
const quick = "interval 200ms fast 100ms\ntimeout 150ms\n"

func TestAPoolIsServedProbedFailedOverAndRotated(t *testing.T) {
	backends, port := fleet(t, 3)
	s := start(t, corefile(fmt.Sprintf(`rrhealth www.example.org {
		backend %s
		check http://:%s/healthz
		%s
	}`, strings.Join(ips(backends...), " "), port, quick)))

	s.settled("www.example.org.", dns.TypeA, ips(backends...)...)
	backends[1].stop()
	s.settled("www.example.org.", dns.TypeA, ips(backends[0], backends[2])...)
	backends[1].start()
	s.settled("www.example.org.", dns.TypeA, ips(backends...)...)
}

func TestTheListTurnsByOneWithEachQuery(t *testing.T) {
	s := start(t, corefile(`rrhealth www.example.org {
		backend 192.0.2.1 192.0.2.2 192.0.2.3 2001:db8::1 2001:db8::2
	}`))
	for _, tc := range []struct {
		qtype uint16
		all   []string
	}{
		{dns.TypeA, []string{"192.0.2.1", "192.0.2.2", "192.0.2.3"}},
		{dns.TypeAAAA, []string{"2001:db8::1", "2001:db8::2"}},
	} {
		first := addrs(s.ask("www.example.org.", tc.qtype))
		at := slices.Index(tc.all, first[0])
		if at < 0 {
			t.Fatalf("answer %v, want addresses of %v", first, tc.all)
		}
		for i := range 10 {
			want := slices.Concat(tc.all[(at+i)%len(tc.all):], tc.all[:(at+i)%len(tc.all)])
			if !slices.Equal(first, want) {
				t.Fatalf("answer %d: %v, want %v", i, first, want)
			}
			first = addrs(s.ask("www.example.org.", tc.qtype))
		}
	}
}
