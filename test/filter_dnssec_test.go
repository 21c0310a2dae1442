package test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/internal/harness"
)

// delv has BIND's validator look at one answer of the server at addr.
func delv(t *testing.T, addr string, key *dns.DNSKEY, name string, qtype uint16) string {
	t.Helper()
	path := harness.Program(t, "delv", "bind9-dnsutils")
	anchors := filepath.Join(t.TempDir(), "anchors")
	text := fmt.Sprintf("trust-anchors { \"example.org.\" static-key %d %d %d %q; };\n", key.Flags, key.Protocol, key.Algorithm, key.PublicKey)
	if err := os.WriteFile(anchors, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	host, port, _ := strings.Cut(addr, ":")
	return harness.Run(t, "", path, "@"+host, "-p", port, "-a", anchors, "+root=example.org", name, dns.TypeToString[qtype])
}

// validatable drops the names that a resolver would go elsewhere for: those
// that are delegated, to servers that do not exist, and the aliases of names
// in other zones.
func validatable(ask []string) []string {
	return slices.DeleteFunc(slices.Clone(ask), func(name string) bool {
		labels := dns.SplitDomainName(name)
		host := func(label, digit string) bool {
			return strings.HasPrefix(label, "h") && strings.HasSuffix(label, digit)
		}
		return host(labels[0], "8") || slices.ContainsFunc(labels, func(l string) bool { return host(l, "7") })
	})
}

// A lookedUp is what a validating resolver thinks of a name and type.
type lookedUp struct {
	name   string
	qtype  uint16
	rcode  int
	secure bool
}

// survey asks for every name and type.
func survey(t *testing.T, resolver *harness.Asker, ask []string, f *farm) map[string]lookedUp {
	t.Helper()
	all := make(map[string]lookedUp)
	for _, name := range ask {
		for _, qtype := range zoneTypes {
			if qtype == dns.TypeANY || (qtype == dns.TypeDS && name == "example.org.") { // the parent's business
				continue
			}
			r := resolver.Exchange(harness.Query(name, qtype, true))
			all[fmt.Sprint(name, " ", dns.TypeToString[qtype])] = lookedUp{name, qtype, r.Rcode, r.AuthenticatedData}
			if f == nil {
				continue
			}
			// A set holds addresses that are down only if it holds no other ones.
			if slices.ContainsFunc(r.Answer, f.isDown) && slices.ContainsFunc(r.Answer, func(rr dns.RR) bool {
				return rr.Header().Rrtype == qtype && harness.Addr(rr).IsValid() && !f.isDown(rr)
			}) {
				t.Errorf("%s %s: addresses that are down beside others that are up: %v", name, dns.TypeToString[qtype], r.Answer)
			}
		}
	}
	return all
}

// agree fails the test where got is less secure than want.
func agree(t *testing.T, when string, got, want map[string]lookedUp) {
	t.Helper()
	secure := 0
	for key, w := range want {
		g := got[key]
		if g.rcode != w.rcode || (w.secure && !g.secure) {
			t.Errorf("%s: %s: %s, secure %v, want %s, secure %v", when, key, dns.RcodeToString[g.rcode], g.secure, dns.RcodeToString[w.rcode], w.secure)
		}
		if g.secure {
			secure++
		}
		if g.rcode == dns.RcodeServerFailure {
			t.Errorf("%s: %s is bogus", when, key)
		}
	}
	t.Logf("%s: %d of %d secure", when, secure, len(want))
	if secure < len(want)/2 {
		t.Errorf("%s: only %d of %d secure: that proves little", when, secure, len(want))
	}
}

func TestThinnedSetsValidateBehindDnssec(t *testing.T) {
	f := newFarm(t, 60)
	names := 100
	if testing.Short() {
		names = 30
	}
	file, ask := f.zone(t, names)
	ask = validatable(ask)
	base, key := harness.NewKey(t)
	below := fmt.Sprintf("onebyone\ndnssec {\nkey file %s\n}\nfile %s example.org", base, file)
	plain := harness.Start(t, harness.Corefile(below))
	want := survey(t, harness.Unbound(t, plain.Addr, key), ask, nil)
	s := harness.Start(t, harness.Corefile(f.stanza("")+below))
	resolver := harness.Unbound(t, s.Addr, key)
	f.settled()
	agree(t, "before", survey(t, resolver, ask, f), want)
	f.stop(f.third()...)
	agree(t, "while a third goes down", survey(t, resolver, ask, nil), want)
	f.settled()
	agree(t, "with a third down", survey(t, resolver, ask, f), want)
	for _, q := range []lookedUp{
		{name: "h20.example.org", qtype: dns.TypeA}, {name: "h22.example.org", qtype: dns.TypeA},
		{name: "h5.example.org", qtype: dns.TypeHTTPS}, {name: "y.h6.example.org", qtype: dns.TypeA},
	} {
		if out := delv(t, s.Addr, key, q.name, q.qtype); !strings.Contains(out, "fully validated") {
			t.Errorf("delv %s %s:\n%s", q.name, dns.TypeToString[q.qtype], out)
		}
	}
	f.stop(f.all...)
	f.settled()
	agree(t, "with all down", survey(t, resolver, ask, nil), want)
	f.start(f.all...)
	f.settled()
	agree(t, "after", survey(t, resolver, ask, f), want)
}

func TestASetSignedByOthersIsOnlyReorderedForThoseWhoCheck(t *testing.T) {
	f := newFarm(t, 60)
	names := 100
	if testing.Short() {
		names = 30
	}
	file, ask := f.zone(t, names)
	ask = validatable(ask)
	file, key := harness.Presigned(t, file)
	below := "onebyone\nfile " + file + " example.org"
	plain := harness.Start(t, harness.Corefile(below))
	plainAsker := harness.NewAsker(t, plain.Addr)
	want := survey(t, harness.Unbound(t, plain.Addr, key), ask, nil)
	s := harness.Start(t, harness.Corefile(f.stanza("")+below))
	resolver := harness.Unbound(t, s.Addr, key)
	f.settled()
	agree(t, "before", survey(t, resolver, ask, nil), want)
	f.stop(f.third()...)
	f.settled()
	agree(t, "with a third down", survey(t, resolver, ask, nil), want)
	asker := harness.NewAsker(t, s.Addr)
	reordered, thinned := 0, 0
	for _, name := range ask {
		whole := plainAsker.Exchange(harness.Query(name, dns.TypeA, true))
		got := asker.Exchange(harness.Query(name, dns.TypeA, true))
		if text := difference(got, whole); text != "" {
			t.Errorf("%s with DO: %s differs:\n%v", name, text, got)
		}
		behind := false // one that is down
		for _, rr := range got.Answer {
			if behind && harness.Addr(rr).IsValid() && !f.isDown(rr) {
				t.Errorf("%s with DO: an address that is up behind one that is down: %v", name, got.Answer)
			}
			if behind = behind || f.isDown(rr); behind {
				reordered++
			}
		}
		got = asker.Exchange(harness.Query(name, dns.TypeA, false))
		if f.allDown(got.Answer, dns.TypeA) == "" && slices.ContainsFunc(got.Answer, f.isDown) {
			t.Errorf("%s without DO: addresses that are down: %v", name, got.Answer)
		}
		thinned += len(whole.Answer) - len(got.Answer)
	}
	if reordered == 0 || thinned == 0 {
		t.Errorf("%d addresses that are down put last, %d taken out: the zone tests nothing", reordered, thinned)
	}
	f.stop(f.all...)
	f.settled()
	agree(t, "with all down", survey(t, resolver, ask, nil), want)
}

func TestAServedPoolIsSignedByTheDnssecPlugin(t *testing.T) {
	base, key := harness.NewKey(t)
	zone := harness.Zone(t, "@ IN SOA ns hostmaster 1 7200 1800 86400 60\n@ IN NS ns\nns IN A 192.0.2.53\nother IN TXT \"text\"\nwww IN HTTPS 1 . alpn=h2")
	for name, below := range map[string]string{"with a zone below": "file " + zone + " example.org", "with nothing below": ""} {
		t.Run(name, func(t *testing.T) {
			f := newFarm(t, 3)
			s := harness.Start(t, harness.Corefile(fmt.Sprintf("rrhealth www.example.org *.pool.example.org {\nbackend %s\ncheck tcp://:%s\n%s}\nonebyone\ndnssec {\nkey file %s\n}\n%s",
				strings.Join(f.all, " "), f.port, harness.Quick, base, below)))
			resolver := harness.Unbound(t, s.Addr, key)
			check := func(when string) {
				t.Helper()
				for _, name := range []string{"www.example.org.", "WwW.example.org.", "a.pool.example.org.", "b.c.pool.example.org."} {
					for _, qtype := range []uint16{dns.TypeA, dns.TypeAAAA, dns.TypeHTTPS, dns.TypeTXT, dns.TypeMX, dns.TypeDS} {
						r := resolver.Exchange(harness.Query(name, qtype, true))
						if !r.AuthenticatedData || r.Rcode != dns.RcodeSuccess {
							t.Errorf("%s: %s %s is not secure:\n%v", when, name, dns.TypeToString[qtype], r)
						}
						if out := delv(t, s.Addr, key, name, qtype); !strings.Contains(out, "fully validated") {
							t.Errorf("%s: delv %s %s:\n%s", when, name, dns.TypeToString[qtype], out)
						}
					}
				}
			}
			s.Settled("www.example.org.", dns.TypeA, f.all...)
			check("all up")
			f.stop(f.all[1])
			s.Settled("www.example.org.", dns.TypeA, f.all[0], f.all[2])
			check("one down")
			if r := s.Exchange(harness.Query("www.example.org.", dns.TypeA, false), "udp"); len(r.Answer) != 2 {
				t.Errorf("without DO: %v, want two addresses and no signature", r.Answer)
			}
		})
	}
}

func TestADenialAndAFallbackValidate(t *testing.T) {
	base, key := harness.NewKey(t)
	for _, allDown := range []string{"nodata", "192.0.2.99", "2001:db8::99", "answer"} {
		t.Run(allDown, func(t *testing.T) {
			f := newFarm(t, 2)
			zone := harness.Zone(t, fmt.Sprintf("@ IN SOA ns hostmaster 1 7200 1800 86400 60\n@ IN NS ns\nns IN A 192.0.2.53\nwww IN A %s\nwww IN A %s\nalias IN CNAME www", f.all[0], f.all[1]))
			s := harness.Start(t, harness.Corefile(f.stanza("all_down "+allDown)+fmt.Sprintf("onebyone\ncache\ndnssec {\nkey file %s\n}\nfile %s example.org", base, zone)))
			resolver := harness.Unbound(t, s.Addr, key)
			f.stop(f.all...)
			f.settled()
			for _, name := range []string{"www.example.org.", "alias.example.org."} {
				r := resolver.Exchange(harness.Query(name, dns.TypeA, true))
				if !r.AuthenticatedData || r.Rcode != dns.RcodeSuccess {
					t.Errorf("%s is not secure:\n%v", name, r)
				}
				want := map[string][]string{"192.0.2.99": {"192.0.2.99"}, "answer": f.all}[allDown]
				got := harness.Addrs(r)
				slices.Sort(got)
				if !slices.Equal(got, want) {
					t.Errorf("%s: got %v, want %v", name, got, want)
				}
				if out := delv(t, s.Addr, key, name, dns.TypeA); !strings.Contains(out, "fully validated") {
					t.Errorf("delv %s:\n%s", name, out)
				}
			}
		})
	}
}

func TestHintsOfAServedNameAreSignedAgain(t *testing.T) {
	base, key := harness.NewKey(t)
	f := newFarm(t, 2)
	zone := harness.Zone(t, harness.SOA+"www IN HTTPS 1 . ipv4hint="+strings.Join(f.all, ","))
	s := harness.Start(t, harness.Corefile(fmt.Sprintf("rrhealth www.example.org {\nbackend %s\ncheck tcp://:%s\n%s}\nonebyone\ndnssec {\nkey file %s\n}\nfile %s example.org",
		strings.Join(f.all, " "), f.port, harness.Quick, base, zone)))
	f.stop(f.all[0])
	s.Settled("www.example.org.", dns.TypeA, f.all[1])
	m := s.Exchange(harness.Query("www.example.org.", dns.TypeHTTPS, true), "udp")
	if text := m.Answer[0].String(); strings.Contains(text, f.all[0]) || !strings.Contains(text, f.all[1]) {
		t.Errorf("got %s, want the hint that is up alone", text)
	}
	if out := delv(t, s.Addr, key, "www.example.org", dns.TypeHTTPS); !strings.Contains(out, "fully validated") {
		t.Errorf("delv:\n%s", out)
	}
}
