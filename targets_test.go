package rrhealth

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/internal/harness"
	"github.com/rrhealth/rrhealth/plugin/pool"
	"github.com/rrhealth/rrhealth/plugin/reply"
	"github.com/rrhealth/rrhealth/plugin/verdict"
)

// targetZone has services at hosts a and b, which have one address each, and c,
// of which nothing is known.
func targetZone(t *testing.T, a, b string, more string) string {
	t.Helper()
	return harness.Zone(t, harness.SOA+addressRecords("a", a)+addressRecords("b", b)+`elsewhere IN A 192.0.2.7
_s._tcp IN SRV 10 5 443 a
_s._tcp IN SRV 20 5 443 b
_t._tcp IN SRV 10 5 443 a
_t._tcp IN SRV 10 5 443 a.example.net.
mail IN MX 10 a
mail IN MX 20 b
web IN HTTPS 1 a alpn=h2 ipv4hint=`+a+`
web IN HTTPS 2 b alpn=h2 ipv4hint=`+b+`
alias IN SVCB 0 a
alias IN SVCB 0 b
lone IN SRV 0 0 0 .
`+more)
}

// targetsIn returns the targets of the records in the answer.
func targetsIn(m *dns.Msg) string {
	var all []string
	for _, rr := range m.Answer {
		if name := targetOf(rr); name != "" {
			all = append(all, strings.TrimSuffix(name, ".example.org."))
		}
	}
	return strings.Join(all, " ")
}

func TestRecordsWhoseTargetIsDownAreLeftOut(t *testing.T) {
	needsAddressesBesideServices(t)
	f := newFarm(t, 2)
	a, b := f.all[0], f.all[1]
	s := harness.Start(t, harness.Corefile(f.stanza("ttl 20s")+"cache\nfile "+targetZone(t, a, b, "")+" example.org"))
	f.settled()
	check := func(when, name string, qtype uint16, want, wantBeside string, ttl uint32) {
		t.Helper()
		m := s.Ask(name+".example.org.", qtype)
		side := strings.Join(append(beside(m, "a.example.org."), beside(m, "b.example.org.")...), " ")
		if got := targetsIn(m); got != want || side != wantBeside || m.Rcode != dns.RcodeSuccess || m.Answer[0].Header().Ttl != ttl {
			t.Errorf("%s, %s %s: %q beside %q, want %q beside %q with TTL %d:\n%v", when, name, dns.TypeToString[qtype], got, side, want, wantBeside, ttl, m)
		}
	}
	both := a + " " + b
	for name, qtype := range map[string]uint16{"_s._tcp": dns.TypeSRV, "web": dns.TypeHTTPS, "alias": dns.TypeSVCB} {
		check("all up", name, qtype, "a b", both, 20)
	}
	check("all up", "mail", dns.TypeMX, "a b", both, 300)
	f.kill(a)
	f.settled()
	filtered := func(what string) float64 {
		return harness.Metric(t, "coredns_rrhealth_filtered_"+what+"_total", "filter", "example.org.")
	}
	targets, addresses := filtered("targets"), filtered("addresses")
	for name, qtype := range map[string]uint16{"_s._tcp": dns.TypeSRV, "web": dns.TypeHTTPS, "alias": dns.TypeSVCB} {
		check("a down", name, qtype, "b", b, 1)
	}
	// Each time a record and the address of its target, and once a hint.
	if targets, addresses := filtered("targets")-targets, filtered("addresses")-addresses; targets != 3 || addresses != 4 {
		t.Errorf("%v targets and %v addresses are counted, want 3 and 4", targets, addresses)
	}
	if hints := hintsIn(s.Ask("web.example.org.", dns.TypeHTTPS)); !slices.Equal(hints, []string{b}) {
		t.Errorf("hints %v, want %v", hints, b)
	}
	check("a down", "_t._tcp", dns.TypeSRV, "a.example.net.", "", 1)
	check("a down", "mail", dns.TypeMX, "a b", both, 300)
	f.kill(b)
	f.settled()
	for name, qtype := range map[string]uint16{"_s._tcp": dns.TypeSRV, "web": dns.TypeHTTPS, "alias": dns.TypeSVCB} {
		check("both down", name, qtype, "a b", both, 1)
	}
	check("both down", "_t._tcp", dns.TypeSRV, "a.example.net.", "", 1)
	f.revive(a)
	f.settled()
	check("b down", "_s._tcp", dns.TypeSRV, "a", a, 1)
	if m := s.Ask("lone.example.org.", dns.TypeSRV); len(m.Answer) != 1 || m.Answer[0].Header().Ttl != 300 {
		t.Errorf("a service that is not there: %v", m)
	}
}

// What decides about addresses decides about services, and about what stands
// beside them, so that those who look nowhere else get what those get who ask.
func TestAllDownDecidesAboutTargetsToo(t *testing.T) {
	needsAddressesBesideServices(t)
	for word, want := range map[string]struct {
		rcode   int
		targets string
		beside  string // "all", "none", or addresses
		ede     string
	}{
		"answer":      {targets: "a b", beside: "all", ede: "the targets of all records of this name and type are down: answered all the same"},
		"servfail":    {rcode: dns.RcodeServerFailure, beside: "none", ede: "the targets of all records of this name and type are down"},
		"refused":     {rcode: dns.RcodeRefused, beside: "none", ede: "the targets of all records of this name and type are down"},
		"nodata":      {beside: "none"},
		"192.0.2.99":  {targets: "a b", beside: "192.0.2.99 192.0.2.99", ede: "the targets of all records of this name and type are down: answered all the same"},
		"2001:db8::9": {targets: "a b", beside: "none", ede: "the targets of all records of this name and type are down: answered all the same"},
	} {
		t.Run(word, func(t *testing.T) {
			f := newFarm(t, 2)
			f.kill(f.all...)
			s := harness.Start(t, harness.Corefile(f.stanza("all_down "+word)+"file "+targetZone(t, f.all[0], f.all[1], "")+" example.org"))
			f.settled()
			wantBeside := map[string]string{"all": strings.Join(f.all, " "), "none": ""}
			check := func(name string, qtype uint16) {
				t.Helper()
				m := s.Exchange(harness.Query(name+".example.org.", qtype, false), "udp")
				side := strings.Join(append(beside(m, "a.example.org."), beside(m, "b.example.org.")...), " ")
				text, ok := wantBeside[want.beside]
				if !ok {
					text = want.beside
				}
				if m.Rcode != want.rcode || targetsIn(m) != want.targets || side != text || harness.EDE(m) != want.ede {
					t.Errorf("%s: %q beside %q, %q, want %+v:\n%v", name, targetsIn(m), side, harness.EDE(m), want, m)
				}
				if word == "nodata" && soaOwner(m) == "" {
					t.Errorf("%s: a denial without an SOA: %v", name, m)
				}
			}
			check("_s._tcp", dns.TypeSRV)
			check("web", dns.TypeHTTPS)
			check("alias", dns.TypeSVCB)
			m := s.Ask("mail.example.org.", dns.TypeMX)
			for _, host := range []string{"a.example.org.", "b.example.org."} {
				if got, asked := beside(m, host), harness.Addrs(s.Ask(host, dns.TypeA)); !slices.Equal(got, asked) {
					t.Errorf("beside MX %v, a question for %s gets %v", got, host, asked)
				}
			}
		})
	}
}

// Under a filter, the pool knows whether the target is up.
func TestATargetThatIsAPool(t *testing.T) {
	f := newFarm(t, 2)
	f.kill(f.all[0])
	zone := targetZone(t, "192.0.2.66", f.all[1], "")
	s := harness.Start(t, harness.Corefile(strings.Replace(f.pool("a.example.org", ""), strings.Join(f.all, " "), f.all[0], 1)+f.stanza("")+"file "+zone+" example.org"))
	harness.Eventually(t, "the pool is down", func() bool { return allDown(t) })
	f.settled()
	for name, qtype := range map[string]uint16{"_s._tcp": dns.TypeSRV, "web": dns.TypeHTTPS, "alias": dns.TypeSVCB} {
		m := s.Ask(name+".example.org.", qtype)
		if targetsIn(m) != "b" || len(beside(m, "a.example.org.")) > 0 {
			t.Errorf("%s: want b alone, got\n%v", name, m)
		}
	}
	m := s.Ask("mail.example.org.", dns.TypeMX)
	if targetsIn(m) != "a b" || !slices.Equal(beside(m, "a.example.org."), f.all[:1]) {
		t.Errorf("MX: want both, beside it what the pool answers, got\n%v", m)
	}
	f.revive(f.all[0])
	harness.Eventually(t, "the pool is up", func() bool { return !allDown(t) })
	if m := s.Ask("_s._tcp.example.org.", dns.TypeSRV); targetsIn(m) != "a b" || !slices.Equal(beside(m, "a.example.org."), f.all[:1]) {
		t.Errorf("with the pool up: %v", m)
	}
}

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
			if targetsIn(got) != tc.want || strings.Join(side, " ") != tc.beside {
				t.Errorf("%s beside %v, want %s beside %s", targetsIn(got), side, tc.want, tc.beside)
			}
		})
	}
}

func TestDryRunLeavesTargetsAlone(t *testing.T) {
	f := newFarm(t, 2)
	f.kill(f.all[0])
	s := harness.Start(t, harness.Corefile(f.stanza("dry_run")+"file "+targetZone(t, f.all[0], f.all[1], "")+" example.org"))
	f.settled()
	before := harness.Metric(t, "coredns_rrhealth_dry_run_targets_total", "filter", "example.org.")
	m := s.Ask("_s._tcp.example.org.", dns.TypeSRV)
	if targetsIn(m) != "a b" || m.Answer[0].Header().Ttl != 300 || len(beside(m, "a.example.org.")) != 1 {
		t.Errorf("want the zone's answer as it is, got\n%v", m)
	}
	if got := harness.Metric(t, "coredns_rrhealth_dry_run_targets_total", "filter", "example.org.") - before; got != 1 {
		t.Errorf("%v records counted that would have been left out, want 1", got)
	}
}

func TestThinnedServicesAreSignedAgain(t *testing.T) {
	needsAddressesBesideServices(t)
	f := newFarm(t, 2)
	zone := targetZone(t, f.all[0], f.all[1], "")
	base, key := harness.NewKey(t)
	s := harness.Start(t, harness.Corefile(f.stanza("")+fmt.Sprintf("cache\ndnssec {\nkey file %s\n}\nfile %s example.org", base, zone)))
	file, otherKey := harness.Presigned(t, zone)
	others := harness.Start(t, harness.Corefile(f.stanza("")+"onebyone\nfile "+file+" example.org"))
	f.kill(f.all[0])
	f.settled()
	resolver := harness.Unbound(t, s.Addr, key)
	for name, qtype := range map[string]uint16{"_s._tcp.example.org.": dns.TypeSRV, "web.example.org.": dns.TypeHTTPS, "alias.example.org.": dns.TypeSVCB} {
		if m := resolver.Exchange(harness.Query(name, qtype, true)); !m.AuthenticatedData || targetsIn(m) != "b" {
			t.Errorf("%s at unbound: want b alone, secure, got\n%v", name, m)
		}
		if out := delv(t, s.Addr, key, name, qtype); !strings.Contains(out, "fully validated") {
			t.Errorf("delv %s:\n%s", name, out)
		}
		signed := func(what string) float64 {
			return harness.Metric(t, "coredns_rrhealth_signed_"+what+"_total", "filter", "example.org.")
		}
		targets, addresses := signed("targets"), signed("addresses")
		m := others.Exchange(harness.Query(name, qtype, true), "udp")
		if got := len(strings.Fields(targetsIn(m))); got != 2 || len(beside(m, "a.example.org.")) != 1 {
			t.Errorf("%s, signed by another key: want both, and their addresses, got\n%v", name, m)
		}
		hints := map[uint16]float64{dns.TypeHTTPS: 1}[qtype]
		if targets, addresses := signed("targets")-targets, signed("addresses")-addresses; targets != 1 || addresses != hints {
			t.Errorf("%s: %v targets and %v addresses are counted that had to stay, want 1 and %v", name, targets, addresses, hints)
		}
		if out := delv(t, others.Addr, otherKey, name, qtype); !strings.Contains(out, "fully validated") {
			t.Errorf("delv %s:\n%s", name, out)
		}
		if m := others.Exchange(harness.Query(name, qtype, false), "udp"); targetsIn(m) != "b" {
			t.Errorf("%s, for those who do not check: want b alone, got\n%v", name, m)
		}
	}
}
