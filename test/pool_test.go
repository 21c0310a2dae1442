package test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/internal/harness"
	"github.com/rrhealth/rrhealth/internal/lease"
)

func TestAPoolIsServedProbedFailedOverAndRotated(t *testing.T) {
	backends, port := harness.Fleet(t, 3)
	s := harness.Start(t, harness.Corefile(fmt.Sprintf(`rrhealth www.example.org {
		backend %s
		check http://:%s/healthz
		%s
	}`, strings.Join(harness.IPs(backends...), " "), port, harness.Quick)))

	s.Settled("www.example.org.", dns.TypeA, harness.IPs(backends...)...)
	backends[1].Stop()
	s.Settled("www.example.org.", dns.TypeA, harness.IPs(backends[0], backends[2])...)
	backends[1].Start()
	s.Settled("www.example.org.", dns.TypeA, harness.IPs(backends...)...)
}

// A steady client, a backend that goes down and comes back: no query goes
// without its answer, and every answer is the list of those up, turned.
func TestNoQueryFailsWhileBackendsComeAndGo(t *testing.T) {
	backends, port := harness.Fleet(t, 3)
	s := harness.Start(t, harness.Corefile(fmt.Sprintf(`rrhealth www.example.org {
		backend %s
		check http://:%s/healthz
		interval 2s fast 500ms
		timeout 500ms
		rise 2
		fall 3
	}`, strings.Join(harness.IPs(backends...), " "), port)))
	all, two := harness.IPs(backends...), harness.IPs(backends[0], backends[2])
	s.AwaitReady()

	// changed asks fifty times a second until the answers are shifts of want,
	// and returns after how long they were. Until then they are shifts of old.
	changed := func(old, want []string) time.Duration {
		began := time.Now()
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			switch got := harness.Addrs(s.Ask("www.example.org.", dns.TypeA)); {
			case harness.IsShift(got, want):
				return time.Since(began)
			case !harness.IsShift(got, old):
				t.Fatalf("answer %v, want a cyclic shift of %v or of %v", got, old, want)
			case time.Since(began) > 30*time.Second:
				t.Fatalf("answer %v after 30 s, want a cyclic shift of %v", got, want)
			}
			<-tick.C
		}
	}
	backends[1].Stop()
	t.Logf("gone after %v, promised within 3.5 s (+10 %%)", changed(all, two))
	backends[1].Start()
	t.Logf("back after %v, promised within 3 s (+10 %%)", changed(two, all))
}

func TestTheListTurnsByOneWithEachQuery(t *testing.T) {
	s := harness.Start(t, harness.Corefile(`rrhealth www.example.org *.example.org {
		backend 192.0.2.1 192.0.2.2 192.0.2.3 2001:db8::1 2001:db8::2
	}`))
	v4, v6 := []string{"192.0.2.1", "192.0.2.2", "192.0.2.3"}, []string{"2001:db8::1", "2001:db8::2"}
	// Each name and each type has a turn of its own: asking for both, as
	// clients do, must not make either skip.
	next := map[string][]string{}
	for i := range 12 {
		for _, q := range []struct {
			name  string
			qtype uint16
			all   []string
		}{
			{"www.example.org.", dns.TypeA, v4},
			{"www.example.org.", dns.TypeAAAA, v6},
			{"other.example.org.", dns.TypeA, v4},
		} {
			got := harness.Addrs(s.Ask(q.name, q.qtype))
			key := q.name + dns.TypeToString[q.qtype]
			if want := next[key]; want != nil && !slices.Equal(got, want) || !harness.IsShift(got, q.all) {
				t.Fatalf("answer %d for %s: %v, want %v", i, key, got, want)
			}
			next[key] = slices.Concat(got[1:], got[:1])
		}
	}
}

func TestReplicasStartAnywhereInTheList(t *testing.T) {
	firsts := map[string]bool{}
	for range 60 { // 3 places, each missed by all with a chance of (2/3)^60
		s := harness.Start(t, harness.Corefile("rrhealth www.example.org {\nbackend 192.0.2.1 192.0.2.2 192.0.2.3\n}"))
		firsts[harness.Addrs(s.Ask("www.example.org.", dns.TypeA))[0]] = true
		s.Stop()
	}
	if len(firsts) != 3 {
		t.Errorf("first answers of 60 fresh servers began with %v, want each backend among them", firsts)
	}
}

func TestAnswersAreCutAfterTheyAreTurned(t *testing.T) {
	s := harness.Start(t, harness.Corefile("rrhealth www.example.org {\nbackend 192.0.2.1 192.0.2.2 192.0.2.3 192.0.2.4\nmax_answers 2\n}"))
	seen := map[string]int{}
	for range 8 {
		got := harness.Addrs(s.Ask("www.example.org.", dns.TypeA))
		if len(got) != 2 {
			t.Fatalf("answer %v, want two addresses", got)
		}
		for _, a := range got {
			seen[a]++
		}
	}
	for a, n := range seen {
		if n != 4 {
			t.Errorf("%s was answered %d times of 8, want 4", a, n)
		}
	}
}

func TestReplies(t *testing.T) {
	s := harness.Start(t, `example.org:0 {
    bind 127.0.0.1
    errors
    rrhealth WWW.Example.org *.w.example.org deep.under.w.example.org {
        backend 192.0.2.1
    }
    rrhealth six.example.org {
        backend 2001:db8::1
    }
    rrhealth named.example.org absent.example.org {
        backend 192.0.2.2
    }
    file testdata/db.example.org
}
`)
	tests := []struct {
		name   string
		q      string
		qtype  uint16
		rcode  int
		answer string // the records' data, "" for none
		soa    string // owner of the SOA in the authority section, "" for none
	}{
		{"an address", "www.example.org.", dns.TypeA, dns.RcodeSuccess, "192.0.2.1", ""},
		{"letters as they were asked", "wWw.eXample.ORG.", dns.TypeA, dns.RcodeSuccess, "192.0.2.1", ""},
		{"the other family", "www.example.org.", dns.TypeAAAA, dns.RcodeSuccess, "", "example.org."},
		{"an IPv6 address", "six.example.org.", dns.TypeAAAA, dns.RcodeSuccess, "2001:db8::1", ""},
		{"IPv4 of an IPv6 pool", "six.example.org.", dns.TypeA, dns.RcodeSuccess, "", "example.org."},
		{"any type", "www.example.org.", dns.TypeANY, dns.RcodeSuccess, "192.0.2.1", ""},
		{"any type of an IPv6 pool", "six.example.org.", dns.TypeANY, dns.RcodeSuccess, "2001:db8::1", ""},
		{"a wildcard", "a.w.example.org.", dns.TypeA, dns.RcodeSuccess, "192.0.2.1", ""},
		{"a wildcard, deeper", "a.b.c.w.example.org.", dns.TypeA, dns.RcodeSuccess, "192.0.2.1", ""},
		{"the wildcard itself", "*.w.example.org.", dns.TypeA, dns.RcodeSuccess, "192.0.2.1", ""},
		{"a name that hides the wildcard", "under.w.example.org.", dns.TypeA, dns.RcodeSuccess, "", "example.org."},
		{"below a name that hides the wildcard", "x.under.w.example.org.", dns.TypeA, dns.RcodeNameError, "", "example.org."},
		{"a name from below", "mail.example.org.", dns.TypeA, dns.RcodeSuccess, "198.51.100.25", ""},
		{"another type from below", "named.example.org.", dns.TypeTXT, dns.RcodeSuccess, `"from the zone"`, ""},
		{"another type that the zone has not", "named.example.org.", dns.TypeMX, dns.RcodeSuccess, "", "example.org."},
		{"another type of a name that the zone has not", "absent.example.org.", dns.TypeMX, dns.RcodeSuccess, "", "example.org."},
		{"another type of a wildcard", "a.w.example.org.", dns.TypeTXT, dns.RcodeSuccess, "", "example.org."},
		{"the zone's own SOA", "example.org.", dns.TypeSOA, dns.RcodeSuccess, "ns1.example.org. hostmaster.example.org. 2026010101 7200 3600 1209600 60", ""},
		{"a name that does not exist", "missing.example.org.", dns.TypeA, dns.RcodeNameError, "", "example.org."},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			m := s.Ask(tc.q, tc.qtype)
			if m.Rcode != tc.rcode {
				t.Errorf("rcode %s, want %s", dns.RcodeToString[m.Rcode], dns.RcodeToString[tc.rcode])
			}
			if got := data(m.Answer); got != tc.answer {
				t.Errorf("answer %q, want %q", got, tc.answer)
			}
			if got := soaOwner(m); got != tc.soa {
				t.Errorf("SOA of %q in the authority section, want %q", got, tc.soa)
			}
			if !m.Authoritative || m.RecursionAvailable || m.Truncated {
				t.Errorf("flags %+v, want AA and neither RA nor TC", m.MsgHdr)
			}
			if m.Question[0].Name != tc.q {
				t.Errorf("question %q, want %q letter by letter", m.Question[0].Name, tc.q)
			}
			for _, rr := range m.Answer {
				if rr.Header().Name != tc.q {
					t.Errorf("owner %q, want %q letter by letter", rr.Header().Name, tc.q)
				}
			}
			if len(m.Extra) != 0 {
				t.Errorf("additional %v for a client without EDNS, want none", m.Extra)
			}
		})
	}
}

// data lists what the records hold, without their headers.
func data(rrs []dns.RR) string {
	var all []string
	for _, rr := range rrs {
		all = append(all, strings.TrimPrefix(rr.String(), rr.Header().String()))
	}
	return strings.Join(all, " ")
}

func soaOwner(m *dns.Msg) string {
	for _, rr := range m.Ns {
		if rr.Header().Rrtype == dns.TypeSOA {
			return rr.Header().Name
		}
	}
	return ""
}

func TestWithNothingBelowNamesStillExist(t *testing.T) {
	other := filepath.Join(t.TempDir(), "db")
	if err := os.WriteFile(other, []byte("@ 300 IN SOA ns hostmaster 1 7200 1800 86400 60\n@ 300 IN NS ns\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, below := range map[string]string{
		"nothing":           "",
		"only a cache":      "cache",
		"only another zone": "file " + other + " example.net",
	} {
		t.Run(name, func(t *testing.T) {
			s := harness.Start(t, "get.example.org:0 {\n    bind 127.0.0.1\n    "+below+"\n    rrhealth {\n        backend 192.0.2.1\n    }\n}\n")
			for _, qtype := range []uint16{dns.TypeAAAA, dns.TypeMX, dns.TypeHTTPS, dns.TypeNS} {
				m := s.Ask("get.example.org.", qtype)
				if m.Rcode != dns.RcodeSuccess || len(m.Answer) != 0 || soaOwner(m) != "get.example.org." || !m.Authoritative {
					t.Errorf("%s: %v, want NODATA with an SOA", dns.TypeToString[qtype], m)
				}
				if ttl := m.Ns[0].Header().Ttl; ttl != 30 || m.Ns[0].(*dns.SOA).Minttl != 30 {
					t.Errorf("%s: SOA %v, want TTL and minimum of 30", dns.TypeToString[qtype], m.Ns[0])
				}
			}
			if m := s.Ask("get.example.org.", dns.TypeSOA); len(m.Answer) != 1 || len(m.Ns) != 0 {
				t.Errorf("SOA: %v, want it in the answer", m)
			}
		})
	}
}

// In a server block for the root nothing is known of zones. An SOA above the
// real zone cut is thrown away by resolvers, so it is the name's own.
func TestTheSOAStaysBelowTheZoneCut(t *testing.T) {
	s := harness.Start(t, ".:0 {\n    bind 127.0.0.1\n    rrhealth www.example.org *.w.example.org {\n        backend 192.0.2.1\n    }\n}\n")
	for q, want := range map[string]string{"www.example.org.": "www.example.org.", "a.w.example.org.": "w.example.org."} {
		if got := soaOwner(s.Ask(q, dns.TypeAAAA)); got != want {
			t.Errorf("%s: SOA of %q, want %q", q, got, want)
		}
	}
}

func TestWhatIsNotOursPasses(t *testing.T) {
	s := harness.Start(t, `example.org:0 {
    bind 127.0.0.1
    errors
    rrhealth www.example.org {
        backend 192.0.2.1
    }
    transfer {
        to *
    }
    file testdata/db.example.org
    forward . 127.0.0.1:1
}
`)
	t.Run("another class", func(t *testing.T) {
		m := new(dns.Msg)
		m.SetQuestion("www.example.org.", dns.TypeA)
		m.Question[0].Qclass = dns.ClassCHAOS
		if r := s.Exchange(m, "udp"); len(r.Answer) != 0 {
			t.Errorf("class CH: %v, want no address", r)
		}
	})
	t.Run("a zone transfer", func(t *testing.T) {
		m := new(dns.Msg)
		m.SetAxfr("example.org.")
		logged := harness.CaptureLog(t)
		c, err := new(dns.Transfer).In(m, s.TCP)
		if err != nil {
			t.Fatal(err)
		}
		records := 0
		for e := range c {
			if e.Error != nil {
				t.Fatalf("%v; the server has logged %q", e.Error, logged())
			}
			records += len(e.RR)
		}
		if records < 5 {
			t.Errorf("transferred %d records, want the zone", records)
		}
	})
	t.Run("a notification", func(t *testing.T) {
		m := new(dns.Msg)
		m.SetNotify("www.example.org.")
		c := dns.Client{Timeout: time.Second}
		if r, _, err := c.Exchange(m, s.Addr); err == nil && len(r.Answer) != 0 {
			t.Errorf("NOTIFY: %v, want no address", r)
		}
	})
}

func TestALargePoolIsTruncatedOverUDPAndWholeOverTCP(t *testing.T) {
	var all []string
	for i := range 100 {
		all = append(all, fmt.Sprintf("192.0.2.%d", i+1))
	}
	s := harness.Start(t, harness.Corefile("rrhealth www.example.org {\nmax_answers 0\nbackend "+strings.Join(all, " ")+"\n}"))
	for size, want := range map[uint16]bool{0: true, 512: true, 1232: true, 4096: false} {
		m := new(dns.Msg)
		m.SetQuestion("www.example.org.", dns.TypeA)
		if size > 0 {
			m.SetEdns0(size, false)
		}
		r := s.Exchange(m, "udp")
		if r.Truncated != want {
			t.Errorf("UDP, %d bytes: truncated %t, want %t", size, r.Truncated, want)
		}
		if n := len(harness.Addrs(r)); !want && n != 100 || want && (n == 0 || n == 100) {
			t.Errorf("UDP, %d bytes: %d addresses", size, n)
		}
	}
	m := new(dns.Msg)
	m.SetQuestion("www.example.org.", dns.TypeA)
	if r := s.Exchange(m, "tcp"); r.Truncated || !harness.IsShift(harness.Addrs(r), all) {
		t.Errorf("TCP: truncated %t, %d addresses, want all 100 in their order, turned", r.Truncated, len(harness.Addrs(r)))
	}
}

func TestHTTPSRecordsFromBelowLoseHintsThatAreDown(t *testing.T) {
	backends, port := harness.Fleet(t, 2)
	zone := strings.Join([]string{
		"@ IN SOA ns1.example.org. hostmaster.example.org. 1 7200 3600 1209600 60",
		"www IN HTTPS 1 . alpn=h2 ipv4hint=" + strings.Join(harness.IPs(backends...), ","),
		"down IN HTTPS 1 . mandatory=ipv4hint,alpn alpn=h2 ipv4hint=" + harness.NoServer,
	}, "\n")
	s := harness.Start(t, harness.Corefile(fmt.Sprintf(`rrhealth www.example.org {
		backend %s
		check tcp://:%s
		%s
	}
	rrhealth down.example.org {
		backend %s
		check tcp://:%s
		%s
	}
	file %s`, strings.Join(harness.IPs(backends...), " "), port, harness.Quick, harness.NoServer, port, harness.Quick, harness.Zone(t, zone))))
	backends[0].Stop()
	s.Settled("www.example.org.", dns.TypeA, backends[1].IP())
	for name, want := range map[string]string{
		"www.example.org.":  `1 . alpn="h2" ipv4hint="` + backends[1].IP() + `"`,
		"down.example.org.": `1 . mandatory="alpn" alpn="h2"`,
	} {
		harness.Eventually(t, name+" has "+want, func() bool { return data(s.Ask(name, dns.TypeHTTPS).Answer) == want })
	}
}

func TestAllDown(t *testing.T) {
	closed := lease.Closed(t)
	tests := []struct {
		allDown string
		rcode   int
		answer  []string
		aaaa    []string
		soa     bool
		ede     string
	}{
		{"", dns.RcodeSuccess, []string{"127.0.63.1", "127.0.63.2"}, []string{"::1"}, false, "all backends of www.example.org. are down: all are answered"},
		{"all_down answer", dns.RcodeSuccess, []string{"127.0.63.1", "127.0.63.2"}, []string{"::1"}, false, "all backends of www.example.org. are down: all are answered"},
		{"all_down servfail", dns.RcodeServerFailure, nil, nil, false, "all backends of www.example.org. are down"},
		{"all_down refused", dns.RcodeRefused, nil, nil, false, "all backends of www.example.org. are down"},
		{"all_down nodata", dns.RcodeSuccess, nil, nil, true, "all backends of www.example.org. are down"},
		{"all_down 198.51.100.1 198.51.100.2", dns.RcodeSuccess, []string{"198.51.100.1", "198.51.100.2"}, nil, false, "all backends of www.example.org. are down: the fallback is answered"},
	}
	for _, tc := range tests {
		t.Run(tc.allDown, func(t *testing.T) {
			s := harness.Start(t, harness.Corefile(fmt.Sprintf(`rrhealth www.example.org {
				backend 127.0.63.1 127.0.63.2 ::1
				backend 127.0.63.3 tier 2
				check tcp://:%s
				%s
				policy sequential
				%s
			}`, closed, harness.Quick, tc.allDown)))
			harness.Eventually(t, "all is down", func() bool { return allDown(t) })
			m := new(dns.Msg)
			m.SetQuestion("www.example.org.", dns.TypeA)
			if r := s.Exchange(m, "udp"); r.IsEdns0() != nil {
				t.Errorf("OPT for a client without EDNS: %v", r)
			}
			m.SetEdns0(1232, false)
			r := s.Exchange(m, "udp")
			if r.Rcode != tc.rcode || !slices.Equal(harness.Addrs(r), tc.answer) || (soaOwner(r) != "") != tc.soa {
				t.Errorf("%v\nwant rcode %s, answer %v, SOA %t", r, dns.RcodeToString[tc.rcode], tc.answer, tc.soa)
			}
			if got := harness.EDE(r); got != tc.ede {
				t.Errorf("extended error %q, want %q", got, tc.ede)
			}
			for _, rr := range r.Answer {
				if rr.Header().Ttl != 1 {
					t.Errorf("TTL of %v, want 1: the least, as the interval is shorter", rr)
				}
			}
			if r := s.Ask("www.example.org.", dns.TypeAAAA); !slices.Equal(harness.Addrs(r), tc.aaaa) {
				t.Errorf("AAAA %v, want %v", harness.Addrs(r), tc.aaaa)
			}
		})
	}
}

// allDown reports whether all pools of the process are down, but for that of a
// farm.
func allDown(t *testing.T) bool {
	t.Helper()
	for series, down := range harness.Series(t) {
		if strings.HasPrefix(series, "pool_all_down{") && !strings.Contains(series, "pool="+farmPool) && down == 0 {
			return false
		}
	}
	return true
}

func TestAllDownDropSendsNothing(t *testing.T) {
	s := harness.Start(t, harness.Corefile(fmt.Sprintf(`rrhealth www.example.org {
		backend %s
		check tcp://:%s
		%s
		all_down drop
	}
	rrhealth up.example.org {
		backend 192.0.2.1
	}`, harness.NoServer, lease.Closed(t), harness.Quick)))
	harness.Eventually(t, "www is down", func() bool {
		c := dns.Client{Timeout: 50 * time.Millisecond}
		m := new(dns.Msg)
		m.SetQuestion("www.example.org.", dns.TypeA)
		_, _, err := c.Exchange(m, s.Addr)
		return err != nil
	})
	conn, err := net.Dial("udp", s.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for i := range 20 {
		for _, name := range []string{"www.example.org.", "up.example.org."} {
			m := new(dns.Msg)
			m.SetQuestion(name, dns.TypeA)
			m.Id = uint16(i)
			packed, _ := m.Pack()
			if _, err := conn.Write(packed); err != nil {
				t.Fatal(err)
			}
		}
		buf := make([]byte, 512)
		_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
		n, err := conn.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		var r dns.Msg
		if err := r.Unpack(buf[:n]); err != nil || r.Question[0].Name != "up.example.org." {
			t.Fatalf("reply %v (%v), want none for the pool that is down", &r, err)
		}
	}
}

func TestOneFamilyDownIsNoDataWhileTheOtherIsUp(t *testing.T) {
	closed, open := lease.Closed(t), harness.ListenTCP(t, "127.0.0.1:0")
	s := harness.Start(t, harness.Corefile(fmt.Sprintf(`rrhealth www.example.org {
		backend 192.0.2.1 check_addr 127.0.0.1
		backend 2001:db8::1 check_addr %s
		check tcp://:%s
		%s
		all_down servfail
	}
	rrhealth up.example.org {
		backend 192.0.2.1
		check tcp://:%s
	}`, harness.NoServer, open, harness.Quick, closed)))
	harness.Eventually(t, "AAAA is NODATA", func() bool {
		m := s.Ask("www.example.org.", dns.TypeAAAA)
		return m.Rcode == dns.RcodeSuccess && len(m.Answer) == 0 && soaOwner(m) == "example.org."
	})
	if got := harness.Addrs(s.Ask("www.example.org.", dns.TypeA)); !slices.Equal(got, []string{"192.0.2.1"}) {
		t.Errorf("A %v, want the family that is up", got)
	}
}

func TestTheTTLFallsWhileThePoolIsUnsettled(t *testing.T) {
	backends, port := harness.Fleet(t, 2)
	s := harness.Start(t, harness.Corefile(fmt.Sprintf(`rrhealth www.example.org {
		backend %s
		check tcp://:%s
		interval 3s fast 100ms
		timeout 90ms
		ttl 60s
	}`, strings.Join(harness.IPs(backends...), " "), port)))
	ttl := func() uint32 { return s.Ask("www.example.org.", dns.TypeA).Answer[0].Header().Ttl }
	harness.Eventually(t, "TTL 60 while all are up", func() bool { return ttl() == 60 })
	backends[0].Stop()
	harness.Eventually(t, "TTL 3, the interval, while one is down", func() bool { return ttl() == 3 })
	s.Settled("www.example.org.", dns.TypeA, backends[1].IP())
	if got := ttl(); got != 3 {
		t.Errorf("TTL %d with one down, want 3", got)
	}
	backends[0].Start()
	harness.Eventually(t, "TTL 60 when all are up again", func() bool { return ttl() == 60 })
}

func TestTiersAndMinUp(t *testing.T) {
	backends, port := harness.Fleet(t, 3)
	s := harness.Start(t, harness.Corefile(fmt.Sprintf(`rrhealth www.example.org {
		backend %s %s
		backend %s tier 2
		backend 192.0.2.99 check_addr %s drain
		check tcp://:%s
		%s
		min_up 2
	}`, backends[0].IP(), backends[1].IP(), backends[2].IP(), backends[2].IP(), port, harness.Quick)))
	s.Settled("www.example.org.", dns.TypeA, harness.IPs(backends[0], backends[1])...)
	backends[0].Stop() // fewer than two: the next tier is added
	s.Settled("www.example.org.", dns.TypeA, harness.IPs(backends[1], backends[2])...)
	backends[2].Stop() // no tier left: all are answered, but never what is drained
	s.Settled("www.example.org.", dns.TypeA, harness.IPs(backends...)...)
	backends[0].Start()
	s.Settled("www.example.org.", dns.TypeA, harness.IPs(backends[0], backends[1])...)
}
