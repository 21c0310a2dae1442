package rrhealth

import (
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/internal/harness"
	"github.com/rrhealth/rrhealth/plugin/pool"
	"github.com/rrhealth/rrhealth/plugin/reply"
	"github.com/rrhealth/rrhealth/plugin/verdict"
)

// The cases are answers as they come from below, and what leaves.
func TestWhatIsKnownOfATargetDecides(t *testing.T) {
	const srv = "www.example.org. 300 IN SRV 1 1 1 "
	a, b, c := srv+"a.example.org.", srv+"b.example.org.", srv+"c.example.org."
	for _, tc := range []struct {
		name         string
		min          pool.MinUp
		answer, side []string
		want, beside string
	}{
		{"nothing is known of it", pool.MinUp{N: 1}, []string{a, b}, []string{"b.example.org. 300 IN A 192.0.2.2"}, "a b", "192.0.2.2"},
		{"one family is up", pool.MinUp{N: 1}, []string{a, b}, []string{"a.example.org. 300 IN A 192.0.2.1", "a.example.org. 300 IN AAAA 2001:db8::2"}, "a b", "2001:db8::2"},
		{"one family is not watched", pool.MinUp{N: 1}, []string{a, b}, []string{"a.example.org. 300 IN A 192.0.2.1", "a.example.org. 300 IN AAAA fe80::1"}, "a b", "fe80::1"},
		{"both families are down", pool.MinUp{N: 1}, []string{a, b}, []string{"a.example.org. 300 IN A 192.0.2.1", "a.example.org. 300 IN AAAA 2001:db8::1"}, "b", ""},
		{"in another case", pool.MinUp{N: 1}, []string{a, b}, []string{"A.Example.org. 300 IN A 192.0.2.1"}, "b", ""},
		{"min_up counts records", pool.MinUp{N: 2}, []string{a, b}, []string{"a.example.org. 300 IN A 192.0.2.1", "b.example.org. 300 IN A 192.0.2.2"}, "a b", "192.0.2.1 192.0.2.2"},
		{"min_up is met", pool.MinUp{N: 50, Percent: true}, []string{a, b}, []string{"a.example.org. 300 IN A 192.0.2.1", "b.example.org. 300 IN A 192.0.2.2"}, "b", "192.0.2.2"},
		{"two records of one target", pool.MinUp{N: 1}, []string{a, "www.example.org. 300 IN SRV 1 1 2 a.example.org.", b}, []string{"a.example.org. 300 IN A 192.0.2.1"}, "b", ""},
		{"an MX keeps what stands beside it", pool.MinUp{N: 1}, []string{a, b, "www.example.org. 300 IN MX 1 a.example.org."}, []string{"a.example.org. 300 IN A 192.0.2.1"}, "b a", "192.0.2.1"},
		{"none is up", pool.MinUp{N: 1}, []string{a, c}, []string{"a.example.org. 300 IN A 192.0.2.1", "c.example.org. 300 IN A 192.0.2.3"}, "a c", "192.0.2.1 192.0.2.3"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := harness.Query("www.example.org.", dns.TypeSRV, false)
			m := answerTo(r, rrs(t, tc.answer...)...)
			m.Extra = rrs(t, tc.side...)
			config := plainConfig
			config.MinUp = tc.min
			states := map[string]verdict.State{"192.0.2.1": verdict.Down, "192.0.2.3": verdict.Down, "2001:db8::1": verdict.Down}
			got := written(t, filtering(config, m, states), r)
			var side []string
			for _, rr := range got.Extra {
				if addr := reply.Addr(rr); addr.IsValid() {
					side = append(side, addr.String())
				}
			}
			if harness.Targets(got) != tc.want || strings.Join(side, " ") != tc.beside {
				t.Errorf("%s beside %v, want %s beside %s", harness.Targets(got), side, tc.want, tc.beside)
			}
		})
	}
}
