package test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/internal/harness"
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

// zoneTTL is the TTL of the records in targetZone.
const zoneTTL = 300

func TestRecordsWhoseTargetIsDownAreLeftOut(t *testing.T) {
	needsAddressesBesideServices(t)
	f := newFarm(t, 2)
	a, b := f.all[0], f.all[1]
	s := harness.Start(t, harness.Corefile(f.stanza("ttl 20s")+"cache\nfile "+targetZone(t, a, b, "")+" example.org"))
	f.settled()
	check := func(when, name string, qtype uint16, want, wantBeside string, ttl uint32) {
		t.Helper()
		m := s.Ask(name+".example.org.", qtype)
		if len(m.Answer) > 0 && ttl == zoneTTL && m.Answer[0].Header().Ttl < ttl {
			ttl = max(m.Answer[0].Header().Ttl, zoneTTL/2) // it has been in the cache for a while
		}
		side := strings.Join(append(beside(m, "a.example.org."), beside(m, "b.example.org.")...), " ")
		if got := harness.Targets(m); got != want || side != wantBeside || m.Rcode != dns.RcodeSuccess || m.Answer[0].Header().Ttl != ttl {
			t.Errorf("%s, %s %s: %q beside %q, want %q beside %q with TTL %d:\n%v", when, name, dns.TypeToString[qtype], got, side, want, wantBeside, ttl, m)
		}
	}
	both := a + " " + b
	for name, qtype := range map[string]uint16{"_s._tcp": dns.TypeSRV, "web": dns.TypeHTTPS, "alias": dns.TypeSVCB} {
		check("all up", name, qtype, "a b", both, 20)
	}
	check("all up", "mail", dns.TypeMX, "a b", both, zoneTTL)
	f.stop(a)
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
	check("a down", "mail", dns.TypeMX, "a b", both, zoneTTL)
	f.stop(b)
	f.settled()
	for name, qtype := range map[string]uint16{"_s._tcp": dns.TypeSRV, "web": dns.TypeHTTPS, "alias": dns.TypeSVCB} {
		check("both down", name, qtype, "a b", both, 1)
	}
	check("both down", "_t._tcp", dns.TypeSRV, "a.example.net.", "", 1)
	f.start(a)
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
		"answer":      {targets: "a b", beside: "all", ede: "the targets of all records of this name and type are down: all are answered"},
		"servfail":    {rcode: dns.RcodeServerFailure, beside: "none", ede: "the targets of all records of this name and type are down"},
		"refused":     {rcode: dns.RcodeRefused, beside: "none", ede: "the targets of all records of this name and type are down"},
		"nodata":      {beside: "none"},
		"192.0.2.99":  {targets: "a b", beside: "192.0.2.99 192.0.2.99", ede: "the targets of all records of this name and type are down: all are answered"},
		"2001:db8::9": {targets: "a b", beside: "none", ede: "the targets of all records of this name and type are down: all are answered"},
	} {
		t.Run(word, func(t *testing.T) {
			f := newFarm(t, 2)
			f.stop(f.all...)
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
				if m.Rcode != want.rcode || harness.Targets(m) != want.targets || side != text || harness.EDE(m) != want.ede {
					t.Errorf("%s: %q beside %q, %q, want %+v:\n%v", name, harness.Targets(m), side, harness.EDE(m), want, m)
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
	f.stop(f.all[0])
	zone := targetZone(t, "192.0.2.66", f.all[1], "")
	s := harness.Start(t, harness.Corefile(strings.Replace(f.pool("a.example.org", ""), strings.Join(f.all, " "), f.all[0], 1)+f.stanza("")+"file "+zone+" example.org"))
	harness.Eventually(t, "the pool is down", func() bool { return allDown(t) })
	f.settled()
	for name, qtype := range map[string]uint16{"_s._tcp": dns.TypeSRV, "web": dns.TypeHTTPS, "alias": dns.TypeSVCB} {
		m := s.Ask(name+".example.org.", qtype)
		if harness.Targets(m) != "b" || len(beside(m, "a.example.org.")) > 0 {
			t.Errorf("%s: want b alone, got\n%v", name, m)
		}
	}
	m := s.Ask("mail.example.org.", dns.TypeMX)
	if harness.Targets(m) != "a b" || !slices.Equal(beside(m, "a.example.org."), f.all[:1]) {
		t.Errorf("MX: want both, beside it what the pool answers, got\n%v", m)
	}
	f.start(f.all[0])
	harness.Eventually(t, "the pool is up", func() bool { return !allDown(t) })
	if m := s.Ask("_s._tcp.example.org.", dns.TypeSRV); harness.Targets(m) != "a b" || !slices.Equal(beside(m, "a.example.org."), f.all[:1]) {
		t.Errorf("with the pool up: %v", m)
	}
}

func TestDryRunLeavesTargetsAlone(t *testing.T) {
	f := newFarm(t, 2)
	f.stop(f.all[0])
	s := harness.Start(t, harness.Corefile(f.stanza("dry_run")+"file "+targetZone(t, f.all[0], f.all[1], "")+" example.org"))
	f.settled()
	before := harness.Metric(t, "coredns_rrhealth_dry_run_targets_total", "filter", "example.org.")
	m := s.Ask("_s._tcp.example.org.", dns.TypeSRV)
	if harness.Targets(m) != "a b" || m.Answer[0].Header().Ttl != 300 || len(beside(m, "a.example.org.")) != 1 {
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
	s := harness.Start(t, harness.Corefile(f.stanza("")+fmt.Sprintf("onebyone\ncache\ndnssec {\nkey file %s\n}\nfile %s example.org", base, zone)))
	file, otherKey := harness.Presigned(t, zone)
	others := harness.Start(t, harness.Corefile(f.stanza("")+"onebyone\nfile "+file+" example.org"))
	f.stop(f.all[0])
	f.settled()
	resolver := harness.Unbound(t, s.Addr, key)
	for name, qtype := range map[string]uint16{"_s._tcp.example.org.": dns.TypeSRV, "web.example.org.": dns.TypeHTTPS, "alias.example.org.": dns.TypeSVCB} {
		if m := resolver.Exchange(harness.Query(name, qtype, true)); !m.AuthenticatedData || harness.Targets(m) != "b" {
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
		if got := len(strings.Fields(harness.Targets(m))); got != 2 || len(beside(m, "a.example.org.")) != 1 {
			t.Errorf("%s, signed by another key: want both, and their addresses, got\n%v", name, m)
		}
		hints := map[uint16]float64{dns.TypeHTTPS: 1}[qtype]
		if targets, addresses := signed("targets")-targets, signed("addresses")-addresses; targets != 1 || addresses != hints {
			t.Errorf("%s: %v targets and %v addresses are counted that had to stay, want 1 and %v", name, targets, addresses, hints)
		}
		if out := delv(t, others.Addr, otherKey, name, qtype); !strings.Contains(out, "fully validated") {
			t.Errorf("delv %s:\n%s", name, out)
		}
		if m := others.Exchange(harness.Query(name, qtype, false), "udp"); harness.Targets(m) != "b" {
			t.Errorf("%s, for those who do not check: want b alone, got\n%v", name, m)
		}
	}
}
