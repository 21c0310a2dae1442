package test

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/internal/harness"
)

// aliasZone has names that lead to the pool's in every way, and for the pool's
// own name addresses that the pool would never answer.
const aliasZone = harness.SOA + `www IN A 192.0.2.66
www IN AAAA 2001:db8::66
alias IN CNAME www
far IN CNAME alias
old IN DNAME new
www.new IN A 192.0.2.66
www.new IN AAAA 2001:db8::66
bare IN CNAME only.sub
any.sub IN TXT "text"
srv IN SRV 1 1 443 www
mx IN MX 10 WWW
svc IN HTTPS 1 www alpn=h2 ipv4hint=192.0.2.66 ipv6hint=2001:db8::66
svc IN SVCB 1 www mandatory=ipv6hint,alpn alpn=h2 ipv4hint=192.0.2.66 ipv6hint=2001:db8::66
www IN HTTPS 1 . alpn=h3 ipv4hint=192.0.2.66,192.0.2.67
other IN A 192.0.2.67
others IN SRV 1 1 443 other
names IN NS ns.names
ns.names IN A 192.0.2.66
below IN CNAME x.names
`

// poolOf returns a stanza of a pool with the farm's addresses.
func (f *farm) pool(names, more string) string {
	return fmt.Sprintf("rrhealth %s {\nbackend %s\ncheck tcp://:%s\n%s\n%s\n}\n", names, strings.Join(f.all, " "), f.port, harness.Quick, more)
}

// beside returns the addresses of name in the additional section, sorted.
func beside(m *dns.Msg, name string) []string {
	all := harness.Addrs(&dns.Msg{Answer: slices.DeleteFunc(slices.Clone(m.Extra), func(rr dns.RR) bool { return !strings.EqualFold(rr.Header().Name, name) })})
	slices.Sort(all)
	return all
}

// hintsIn returns the hints of the records in the answer, sorted.
func hintsIn(m *dns.Msg) []string {
	var all []string
	for _, rr := range m.Answer {
		var values []dns.SVCBKeyValue
		switch rr := rr.(type) {
		case *dns.HTTPS:
			values = rr.Value
		case *dns.SVCB:
			values = rr.Value
		}
		for _, v := range values {
			if v.Key() == dns.SVCB_IPV4HINT || v.Key() == dns.SVCB_IPV6HINT {
				all = append(all, strings.Split(v.String(), ",")...)
			}
		}
	}
	slices.Sort(all)
	return all
}

func TestAPoolsNameIsThePoolsEverywhere(t *testing.T) {
	for what, filter := range map[string]string{
		"pools only":      "",
		"beside a filter": "rrhealth {\nwatch 192.0.2.66/32 192.0.2.67/32\nttl 7s\n}\n",
		"under a filter":  "rrhealth example.org {\nwatch 192.0.2.66/32 192.0.2.67/32\n}\nrrhealth sub.example.org {\nwatch any\n}\n",
	} {
		for _, cache := range []string{"", "cache\n"} {
			t.Run(what+" "+cache, func(t *testing.T) {
				f := newFarm(t, 3)
				zone := harness.Zone(t, aliasZone)
				s := harness.Start(t, harness.Corefile(f.pool("www.example.org www.new.example.org only.sub.example.org ns.names.example.org", "ttl 20s")+filter+cache+"file "+zone+" example.org"))
				f.stop(f.all[0])
				up := f.all[1:]
				s.Settled("www.example.org.", dns.TypeA, up...)
				check := func(name string, qtype uint16, what string, got []string, ttl uint32, want []string) {
					t.Helper()
					if !slices.Equal(got, want) || (len(got) > 0 && ttl != 1) {
						t.Errorf("%s %s: %s %v with TTL %d, want %v with TTL 1", name, dns.TypeToString[qtype], what, got, ttl, want)
					}
				}
				for range 2 { // the second answer may come from the cache
					for name, aliases := range map[string]int{"alias": 1, "far": 2, "www.old": 2, "bare": 1, "fAr": 2} {
						name += ".example.org."
						m := s.Ask(name, dns.TypeA)
						ttl := m.Answer[len(m.Answer)-1].Header().Ttl
						check(name, dns.TypeA, "answer", sorted(m), ttl, up)
						if got := len(m.Answer) - len(up); got != aliases {
							t.Errorf("%s: %d aliases, want %d:\n%v", name, got, aliases, m)
						}
						m = s.Ask(name, dns.TypeAAAA)
						if len(harness.Addrs(m)) > 0 || len(m.Answer) != aliases || m.Rcode != dns.RcodeSuccess || soaOwner(m) == "" {
							t.Errorf("%s AAAA: want %d aliases and NODATA with an SOA, got\n%v", name, aliases, m)
						}
					}
					for name, qtype := range map[string]uint16{"srv.example.org.": dns.TypeSRV, "mx.example.org.": dns.TypeMX} {
						m := s.Ask(name, qtype)
						check(name, qtype, "beside it", beside(m, "www.example.org."), m.Extra[0].Header().Ttl, up)
					}
					for name, qtype := range map[string]uint16{"svc.example.org.": dns.TypeHTTPS, "Svc.example.org.": dns.TypeSVCB, "www.example.org.": dns.TypeHTTPS} {
						m := s.Ask(name, qtype)
						check(name, qtype, "hints", hintsIn(m), m.Answer[0].Header().Ttl, up)
						if harness.Since(1, 14) { // file puts addresses beside them
							check(name, qtype, "beside it", beside(m, "www.example.org."), 1, map[bool][]string{false: up}[name == "www.example.org."])
						}
					}
				}
				if m := s.Ask("others.example.org.", dns.TypeSRV); !slices.Equal(beside(m, "other.example.org."), []string{"192.0.2.67"}) {
					t.Errorf("a name that is no pool's: %v", m)
				}
				// Glue belongs into a referral in any case: RFC 9471.
				for _, name := range []string{"x.names.example.org.", "below.example.org."} {
					if name == "below.example.org." && !harness.Since(1, 14) {
						continue // file does not refer from behind an alias
					}
					if m := s.Ask(name, dns.TypeA); !slices.Equal(beside(m, "ns.names.example.org."), []string{"192.0.2.66"}) {
						t.Errorf("%s: a referral lost its glue: %v", name, m)
					}
				}
			})
		}
	}
}

// What decides about the pool's own name decides at the end of an alias, too.
func TestAllDownBehindAnAlias(t *testing.T) {
	for word, want := range map[string]struct {
		rcode  int
		addrs  []string // nil for the backends
		beside []string
		ede    string
	}{
		"answer":     {addrs: nil, ede: "all backends of www.example.org. are down: all are answered"},
		"servfail":   {rcode: dns.RcodeServerFailure, addrs: []string{}, ede: "all backends of www.example.org. are down"},
		"refused":    {rcode: dns.RcodeRefused, addrs: []string{}, ede: "all backends of www.example.org. are down"},
		"nodata":     {addrs: []string{}, ede: "all backends of www.example.org. are down"},
		"192.0.2.99": {addrs: []string{"192.0.2.99"}, beside: []string{"192.0.2.99"}, ede: "all backends of www.example.org. are down: the fallback is answered"},
	} {
		t.Run(word, func(t *testing.T) {
			f := newFarm(t, 2)
			f.stop(f.all...)
			s := harness.Start(t, harness.Corefile(f.pool("www.example.org only.sub.example.org", "all_down "+word)+"cache\nfile "+harness.Zone(t, aliasZone)+" example.org"))
			harness.Eventually(t, "all is down", func() bool { return allDown(t) })
			answer, side := want.addrs, want.beside
			if answer == nil {
				answer, side = f.all, f.all
			}
			for _, name := range []string{"www.example.org.", "alias.example.org.", "far.example.org.", "bare.example.org."} {
				for range 2 {
					m := s.Exchange(harness.Query(name, dns.TypeA, false), "udp")
					ede := strings.ReplaceAll(want.ede, "www", map[bool]string{true: "only.sub", false: "www"}[name == "bare.example.org."])
					if m.Rcode != want.rcode || !slices.Equal(sorted(m), answer) && len(answer)+len(harness.Addrs(m)) > 0 || harness.EDE(m) != ede {
						t.Errorf("%s: want %s, %v, %q, got\n%v", name, dns.RcodeToString[want.rcode], answer, ede, m)
					}
				}
			}
			m := s.Ask("srv.example.org.", dns.TypeSRV)
			if got := beside(m, "www.example.org."); len(m.Answer) != 1 || !slices.Equal(got, side) && len(got)+len(side) > 0 {
				t.Errorf("beside SRV: %v, want %v", got, side)
			}
			if hints := hintsIn(s.Ask("svc.example.org.", dns.TypeHTTPS)); !slices.Equal(hints, want.beside) {
				t.Errorf("hints %v, want %v: none that is down", hints, want.beside)
			}
		})
	}
}

func TestADroppedPoolIsDroppedBehindAnAlias(t *testing.T) {
	f := newFarm(t, 1)
	f.stop(f.all...)
	s := harness.Start(t, harness.Corefile(f.pool("www.example.org only.sub.example.org", "all_down drop")+"file "+harness.Zone(t, aliasZone)+" example.org"))
	harness.Eventually(t, "all is down", func() bool { return allDown(t) })
	conn, err := net.Dial("udp", s.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	co := &dns.Conn{Conn: conn}
	answered := harness.Query("other.example.org.", dns.TypeA, false)
	for range 6 { // answers to the first two would come before or about with those to the third
		for _, m := range []*dns.Msg{harness.Query("alias.example.org.", dns.TypeA, false), harness.Query("bare.example.org.", dns.TypeA, false), answered} {
			if err := co.WriteMsg(m); err != nil {
				t.Fatal(err)
			}
		}
	}
	for range 6 {
		if m, err := co.ReadMsg(); err != nil || m.Id != answered.Id {
			t.Fatalf("error %v, or an answer that should have been dropped: %v", err, m)
		}
	}
}

// An alias turns the pool's list by one, no matter whether the plugin below has
// the addresses or asks for them, and counts once.
func TestAnAliasTurnsTheListOnce(t *testing.T) {
	zone := harness.Zone(t, aliasZone+"there IN CNAME www.new\n")
	s := harness.Start(t, harness.Corefile("rrhealth www.example.org {\nbackend 192.0.2.1 192.0.2.2\n}\nrrhealth only.sub.example.org {\nbackend 192.0.2.1 192.0.2.2\n}\nfile "+zone+" example.org"))
	for alias, name := range map[string]string{"alias.example.org.": "www.example.org.", "bare.example.org.": "only.sub.example.org."} {
		count := func() float64 { return harness.Metric(t, "coredns_rrhealth_answers_total", "pool", name) }
		before := count()
		last := ""
		for i := range 8 {
			ask := alias
			if i%2 == 1 {
				ask = name
			}
			for _, other := range []uint16{dns.TypeSRV, dns.TypeHTTPS} { // in between
				s.Ask(map[uint16]string{dns.TypeSRV: "srv.example.org.", dns.TypeHTTPS: "svc.example.org."}[other], other)
			}
			got := harness.Addrs(s.Ask(ask, dns.TypeA))
			if len(got) != 2 || got[0] == last {
				t.Errorf("%s, query %d: %v, after %s was first", ask, i, got, last)
			}
			last = got[0]
		}
		if got := count() - before; got != 8 {
			t.Errorf("%s: %v answers counted, want 8", name, got)
		}
	}
}

func TestClientsThatReadWhatComesAlongAreSpreadToo(t *testing.T) {
	s := harness.Start(t, harness.Corefile("rrhealth www.example.org {\nbackend 192.0.2.1 192.0.2.2 192.0.2.3\nmax_answers 1\n}\nfile "+harness.Zone(t, aliasZone)+" example.org"))
	side, hints := make(map[string]int), make(map[string]int)
	for range 6 {
		side[strings.Join(beside(s.Ask("srv.example.org.", dns.TypeSRV), "www.example.org."), " ")]++
		hints[strings.Join(hintsIn(s.Ask("svc.example.org.", dns.TypeHTTPS)), " ")]++
	}
	want := map[string]int{"192.0.2.1": 2, "192.0.2.2": 2, "192.0.2.3": 2}
	if fmt.Sprint(side) != fmt.Sprint(want) || fmt.Sprint(hints) != fmt.Sprint(want) {
		t.Errorf("beside SRV %v, as hints %v, want %v", side, hints, want)
	}
}

// An upstream that knows nothing of the pool denies its name, or has other
// addresses for it.
func TestAPoolsNameBehindAnUpstream(t *testing.T) {
	upstream := harness.Start(t, harness.Corefile("file "+harness.Zone(t, strings.Replace(aliasZone, "www IN A 192.0.2.66\nwww IN AAAA 2001:db8::66\n", "", 1)+"gone IN CNAME not-there\nwww IN CNAME other\n")+" example.org"))
	s := harness.Start(t, harness.Corefile("rrhealth www.example.org not-there.example.org {\nbackend 192.0.2.1\n}\nforward . "+upstream.Addr))
	for _, name := range []string{"alias.example.org.", "gone.example.org."} {
		m := s.Exchange(harness.Query(name, dns.TypeA, false), "udp")
		if m.Rcode != dns.RcodeSuccess || len(m.Answer) != 2 || !slices.Equal(harness.Addrs(m), []string{"192.0.2.1"}) || len(m.Ns) > 0 {
			t.Errorf("%s: want the alias and the pool's address, got\n%v", name, m)
		}
		if m := s.Ask(name, dns.TypeAAAA); m.Rcode != dns.RcodeSuccess || len(m.Answer) != 1 || soaOwner(m) == "" {
			t.Errorf("%s AAAA: want the alias and a denial, got\n%v", name, m)
		}
	}
	if m := s.Ask("gone.example.org.", dns.TypeTXT); m.Rcode != dns.RcodeSuccess {
		t.Errorf("TXT behind an alias of a pool's name that the upstream denies: want NOERROR, got\n%v", m)
	}
}
