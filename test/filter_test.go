package test

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/internal/harness"
	"github.com/rrhealth/rrhealth/internal/lease"
)

// addressRecords gives name all addresses.
func addressRecords(name string, addrs ...string) string {
	var lines strings.Builder
	for _, a := range addrs {
		rrtype := "A"
		if strings.Contains(a, ":") {
			rrtype = "AAAA"
		}
		fmt.Fprintf(&lines, "%s IN %s %s\n", name, rrtype, a)
	}
	return lines.String()
}

// sorted returns the addresses in the answer, in the order of their text.
func sorted(m *dns.Msg) []string {
	all := harness.Addrs(m)
	slices.Sort(all)
	return all
}

func TestAddressesThatAreDownVanishAndReturn(t *testing.T) {
	f := newFarm(t, 3)
	f.stop(f.all[0])
	zone := harness.Zone(t, harness.SOA+addressRecords("www", f.all...)+"alias IN CNAME www")
	s := harness.Start(t, harness.Corefile(f.stanza("")+"file "+zone+" example.org"))
	// No query has come yet: the zone was walked.
	f.settled()
	for _, step := range []struct {
		change func(...string)
		want   []string
	}{
		{func(...string) {}, f.all[1:]},
		{func(...string) { f.start(f.all[0]) }, f.all},
		{func(...string) { f.stop(f.all[2]) }, f.all[:2]},
	} {
		step.change()
		f.settled()
		for _, name := range []string{"www.example.org.", "alias.example.org.", "wWw.eXample.org."} {
			if got := sorted(s.Ask(name, dns.TypeA)); !slices.Equal(got, step.want) {
				t.Errorf("%s: %v, want %v", name, got, step.want)
			}
		}
	}
}

func TestFilteredAnswersTurnByOneEachForItself(t *testing.T) {
	f := newFarm(t, 3)
	zone := harness.Zone(t, harness.SOA+addressRecords("www", f.all...)+addressRecords("two", f.all[:2]...))
	s := harness.Start(t, harness.Corefile(f.stanza("")+"file "+zone+" example.org"))
	f.settled()
	first := map[string][]string{}
	for i := range 13 {
		for name, n := range map[string]int{"www.example.org.": 3, "two.example.org.": 2} {
			got := harness.Addrs(s.Ask(name, dns.TypeA))
			if first[name] == nil {
				first[name] = got
			}
			want := slices.Concat(first[name][i%n:], first[name][:i%n])
			if !slices.Equal(got, want) {
				t.Fatalf("answer %d for %s: %v, want %v", i, name, got, want)
			}
		}
	}
}

func TestPolicyFirstKeepsTheOrderAndAnswersCutsIt(t *testing.T) {
	f := newFarm(t, 5)
	f.stop(f.all[0])
	zone := harness.Zone(t, harness.SOA+addressRecords("www", f.all...))
	s := harness.Start(t, harness.Corefile(f.stanza("policy sequential\nmax_answers 2")+"file "+zone+" example.org"))
	f.settled()
	for range 3 {
		if got := harness.Addrs(s.Ask("www.example.org.", dns.TypeA)); !slices.Equal(got, f.all[1:3]) {
			t.Errorf("got %v, want %v", got, f.all[1:3])
		}
	}
}

func TestMinUpKeepsASetWhole(t *testing.T) {
	f := newFarm(t, 4)
	zone := harness.Zone(t, harness.SOA+addressRecords("www", f.all...))
	s := harness.Start(t, harness.Corefile(f.stanza("min_up 50%")+"file "+zone+" example.org"))
	f.stop(f.all[0], f.all[1])
	f.settled()
	if got := sorted(s.Ask("www.example.org.", dns.TypeA)); !slices.Equal(got, f.all[2:]) {
		t.Errorf("with half of them up: %v, want %v", got, f.all[2:])
	}
	f.stop(f.all[2])
	f.settled()
	if got := sorted(s.Ask("www.example.org.", dns.TypeA)); !slices.Equal(got, f.all) {
		t.Errorf("with a quarter of them up: %v, want all", got)
	}
}

func TestTTLIsCappedAndShortWhileSomethingIsWrong(t *testing.T) {
	f := newFarm(t, 3)
	zone := harness.Zone(t, harness.SOA+addressRecords("www", f.all...)+"low 7 IN A "+f.all[1]+"\nelsewhere IN A 192.0.2.9")
	s := harness.Start(t, harness.Corefile(f.stanza("ttl 20s")+"file "+zone+" example.org"))
	ttl := func(name string) uint32 { return s.Ask(name, dns.TypeA).Answer[0].Header().Ttl }
	f.settled()
	for name, want := range map[string]uint32{"www.example.org.": 20, "low.example.org.": 7, "elsewhere.example.org.": 300} {
		if got := ttl(name); got != want {
			t.Errorf("%s: TTL %d, want %d", name, got, want)
		}
	}
	f.stop(f.all[0])
	f.settled()
	if got := ttl("www.example.org."); got != 1 {
		t.Errorf("with one down: TTL %d, want 1, the interval", got)
	}
	if got := ttl("low.example.org."); got != 7 {
		t.Errorf("a name that is well: TTL %d, want 7", got)
	}
}

func TestAllDownInAFilter(t *testing.T) {
	f := newFarm(t, 2)
	f.stop(f.all...)
	zone := harness.Zone(t, harness.SOA+addressRecords("www", f.all...)+"alias IN CNAME www")
	type reply struct {
		rcode  int
		addrs  []string
		ede    string
		ns     uint16 // type of what stands in authority
		cnames int
	}
	for allDown, want := range map[string]reply{
		"answer":                 {dns.RcodeSuccess, f.all, "all addresses of this name and type are down: all are answered", dns.TypeNS, 1},
		"servfail":               {dns.RcodeServerFailure, nil, "all addresses of this name and type are down", 0, 0},
		"refused":                {dns.RcodeRefused, nil, "all addresses of this name and type are down", 0, 0},
		"nodata":                 {dns.RcodeSuccess, nil, "", dns.TypeSOA, 1},
		"192.0.2.1":              {dns.RcodeSuccess, []string{"192.0.2.1"}, "all addresses of this name and type are down: the fallback is answered", dns.TypeNS, 1},
		"192.0.2.1 ::2":          {dns.RcodeSuccess, []string{"192.0.2.1"}, "all addresses of this name and type are down: the fallback is answered", dns.TypeNS, 1},
		"2001:db8::1":            {dns.RcodeSuccess, nil, "", dns.TypeSOA, 1},
		"answer\nmax_answers 1 ": {dns.RcodeSuccess, f.all[:1], "all addresses of this name and type are down: all are answered", dns.TypeNS, 1},
	} {
		t.Run(allDown, func(t *testing.T) {
			s := harness.Start(t, harness.Corefile(f.stanza("policy sequential\nall_down "+allDown)+"file "+zone+" example.org"))
			f.settled()
			for name, cnames := range map[string]int{"www.example.org.": 0, "alias.example.org.": want.cnames} {
				m := s.Exchange(harness.Query(name, dns.TypeA, false), "udp")
				got := reply{rcode: m.Rcode, addrs: sorted(m), ede: harness.EDE(m), cnames: len(m.Answer) - len(harness.Addrs(m))}
				if len(m.Ns) == 1 {
					got.ns = m.Ns[0].Header().Rrtype
				}
				want := want
				want.cnames = cnames
				if fmt.Sprint(got) != fmt.Sprint(want) {
					t.Errorf("%s: %+v, want %+v\n%v", name, got, want, m)
				}
				if m.Question[0].Name != name {
					t.Errorf("question %q, want %q", m.Question[0].Name, name)
				}
			}
			if m := s.Ask("www.example.org.", dns.TypeA); m.IsEdns0() != nil {
				t.Errorf("an OPT record for a client that speaks no EDNS: %v", m)
			}
		})
	}
}

func TestAFilterDropsWhatIsAllDown(t *testing.T) {
	f := newFarm(t, 1)
	f.stop(f.all...)
	zone := harness.Zone(t, harness.SOA+addressRecords("www", f.all...)+addressRecords("live", "192.0.2.1"))
	s := harness.Start(t, harness.Corefile(f.stanza("all_down drop")+"file "+zone+" example.org"))
	f.settled()
	conn, err := net.Dial("udp", s.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	co := &dns.Conn{Conn: conn}
	dropped, answered := harness.Query("www.example.org.", dns.TypeA, false), harness.Query("live.example.org.", dns.TypeA, false)
	// Answers to the first would come before or about with those to the
	// second; a dozen of each leave no room for luck.
	for range 12 {
		if err := co.WriteMsg(dropped); err != nil {
			t.Fatal(err)
		}
		if err := co.WriteMsg(answered); err != nil {
			t.Fatal(err)
		}
	}
	for range 12 {
		m, err := co.ReadMsg()
		if err != nil {
			t.Fatal(err)
		}
		if m.Id != answered.Id {
			t.Fatalf("an answer that should have been dropped: %v", m)
		}
	}
}

func TestAFamilyThatIsDownIsNoDataBesideOneThatIsUp(t *testing.T) {
	f := newFarm(t, 2) // and ::1, where no server listens
	zone := harness.Zone(t, harness.SOA+addressRecords("both", f.all[0], "::1")+addressRecords("six", "::1")+"alias IN CNAME both")
	for _, allDown := range []string{"answer", "servfail", "drop"} {
		s := harness.Start(t, harness.Corefile(f.stanza("all_down "+allDown)+"file "+zone+" example.org"))
		f.settled()
		for _, name := range []string{"both.example.org.", "alias.example.org."} {
			m := s.Ask(name, dns.TypeAAAA)
			if m.Rcode != dns.RcodeSuccess || len(harness.Addrs(m)) > 0 || len(m.Ns) != 1 || m.Ns[0].Header().Rrtype != dns.TypeSOA {
				t.Errorf("all_down %s, AAAA of %s: want NODATA with an SOA, got\n%v", allDown, name, m)
			}
			if m.Ns[0].Header().Ttl > 30 {
				t.Errorf("NODATA for %d s, want at most 30", m.Ns[0].Header().Ttl)
			}
			if got := harness.Addrs(s.Ask(name, dns.TypeA)); !slices.Equal(got, f.all[:1]) {
				t.Errorf("all_down %s, A of %s: %v, want %v", allDown, name, got, f.all[:1])
			}
		}
		s.Stop()
	}
}

func TestWithoutAnSOANothingIsDenied(t *testing.T) {
	f := newFarm(t, 1)
	f.stop(f.all...)
	hosts := fmt.Sprintf("hosts {\n%s www.example.org\n}\n", f.all[0])
	s := harness.Start(t, harness.Corefile(f.stanza("all_down nodata")+hosts))
	s.Ask("www.example.org.", dns.TypeA) // hosts has no zone to walk
	f.settled()
	if got := harness.Addrs(s.Ask("www.example.org.", dns.TypeA)); !slices.Equal(got, f.all) {
		t.Errorf("got %v, want %v: hosts has no SOA to deny with", got, f.all)
	}
}

func TestAddressesAreLearnedFromAnswers(t *testing.T) {
	f := newFarm(t, 3)
	f.stop(f.all[1])
	var hosts strings.Builder
	for _, a := range f.all {
		hosts.WriteString(a + " www.example.org\n")
	}
	s := harness.Start(t, harness.Corefile(f.stanza("")+"hosts {\n"+hosts.String()+"}\n"))
	if n := watched(t); n != 0 {
		t.Errorf("%v addresses watched before the first query, want 0: hosts cannot be walked", n)
	}
	if got := sorted(s.Ask("www.example.org.", dns.TypeA)); !slices.Equal(got, f.all) {
		t.Errorf("the first answer is %v, want all: nothing is known yet", got)
	}
	s.Settled("www.example.org.", dns.TypeA, f.all[0], f.all[2])
}

func TestTheLongestNameWinsAndServeWinsOverFilter(t *testing.T) {
	f := newFarm(t, 4)
	f.stop(f.all[0])
	zone := harness.Zone(t, harness.SOA+addressRecords("www", f.all...)+addressRecords("own", f.all...)+addressRecords("a.deep", f.all...)+addressRecords("deep", f.all...)+addressRecords("served", f.all...))
	text := f.stanza("policy sequential") + // every name below the server block
		strings.Replace(f.stanza("max_answers 1\npolicy sequential"), "rrhealth", "rrhealth own.example.org", 1) +
		strings.Replace(f.stanza("max_answers 2\npolicy sequential"), "rrhealth", "rrhealth *.deep.example.org", 1) +
		"rrhealth served.example.org {\nbackend 192.0.2.1\n}\n"
	s := harness.Start(t, harness.Corefile(text+"file "+zone+" example.org"))
	f.settled()
	for name, want := range map[string][]string{
		"www.example.org.": f.all[1:], "own.example.org.": f.all[1:2], "a.deep.example.org.": f.all[1:3],
		"deep.example.org.": f.all[1:], "served.example.org.": {"192.0.2.1"},
	} {
		if got := harness.Addrs(s.Ask(name, dns.TypeA)); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}

func TestAFilterWithoutChecksOnlyTurns(t *testing.T) {
	zone := harness.Zone(t, harness.SOA+addressRecords("www", "192.0.2.1", "192.0.2.2"))
	s := harness.Start(t, harness.Corefile("rrhealth {\nwatch any\n}\nfile "+zone+" example.org"))
	one, two := harness.Addrs(s.Ask("www.example.org.", dns.TypeA)), harness.Addrs(s.Ask("www.example.org.", dns.TypeA))
	slices.Reverse(two)
	if !slices.Equal(one, two) || len(one) != 2 {
		t.Errorf("got %v and, turned back, %v, want two addresses turned by one", one, two)
	}
	if n := watched(t); n != 0 {
		t.Errorf("%v addresses watched, want none: there is nothing to ask them", n)
	}
}

func TestVerdictsOnLearnedAddressesSurviveAReload(t *testing.T) {
	f := newFarm(t, 3)
	f.stop(f.all[1])
	var hosts strings.Builder
	for _, a := range f.all {
		hosts.WriteString(a + " www.example.org\n")
	}
	text := harness.Corefile(f.stanza("") + "hosts {\n" + hosts.String() + "}\n")
	s := harness.Start(t, text)
	s.Settled("www.example.org.", dns.TypeA, f.all[0], f.all[2])
	// At another pace, so that the targets are others as well.
	for _, text := range []string{text, strings.Replace(text, "interval 200ms", "interval 220ms", 1)} {
		if err := s.Reload(text); err != nil {
			t.Fatal(err)
		}
		if got := sorted(s.Ask("www.example.org.", dns.TypeA)); !slices.Equal(got, []string{f.all[0], f.all[2]}) {
			t.Errorf("the first answer after a reload is %v, want it without %s", got, f.all[1])
		}
	}
	if got := watched(t); got != 3 {
		t.Errorf("%v addresses watched after reloads, want 3", got)
	}
	s.Stop()
	if n := watched(t); n != 0 {
		t.Errorf("%v addresses watched after the stop", n)
	}
}

// Packets must not go where the Corefile does not send them, even if a zone or an
// answer has such addresses.
func TestWatchKeepsItsWord(t *testing.T) {
	f := newFarm(t, 2)
	outside := lease.Net(t) + "1"
	l, err := net.Listen("tcp", net.JoinHostPort(outside, f.port))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	contacted := make(chan string, 1)
	go func() {
		if c, err := l.Accept(); err == nil {
			contacted <- c.RemoteAddr().String()
		}
	}()
	zone := harness.Zone(t, harness.SOA+addressRecords("www", f.all[0], f.all[1], outside)+"svc IN HTTPS 1 . ipv4hint="+outside+"\n")
	stanza := fmt.Sprintf("rrhealth {\nwatch %s/32\ncheck tcp://:%s\n%s}\n", f.all[0], f.port, harness.Quick)
	s := harness.Start(t, harness.Corefile(stanza+"file "+zone+" example.org"))
	for range 20 {
		s.Ask("www.example.org.", dns.TypeA)
		s.Ask("svc.example.org.", dns.TypeHTTPS)
	}
	f.stop(f.all[0]) // and wait for several rounds of probes
	s.Settled("www.example.org.", dns.TypeA, f.all[1], outside)
	if n := watched(t); n != 1 {
		t.Errorf("%v addresses watched, want %v alone", n, f.all[0])
	}
	select {
	case from := <-contacted:
		t.Errorf("an address outside watch was contacted, from %s", from)
	default:
	}
}

func TestDryRunChangesNoAnswer(t *testing.T) {
	f := newFarm(t, 3)
	f.stop(f.all[0])
	zone := harness.Zone(t, harness.SOA+addressRecords("www", f.all...))
	filter := harness.Start(t, harness.Corefile(f.stanza("dry_run")+"file "+zone+" example.org"))
	f.settled()
	for range 4 {
		m := filter.Ask("www.example.org.", dns.TypeA)
		if got := harness.Addrs(m); !slices.Equal(got, f.all) || m.Answer[0].Header().Ttl != 300 {
			t.Errorf("got %v with TTL %d, want the zone's answer as it is", got, m.Answer[0].Header().Ttl)
		}
	}
	if got := harness.Metric(t, "coredns_rrhealth_dry_run_addresses_total", "filter", "example.org."); got != 4 {
		t.Errorf("%v addresses counted in four answers with one down, want 4", got)
	}
	serve := harness.Start(t, harness.Corefile(fmt.Sprintf("rrhealth pool.example.org {\nbackend %s\ncheck tcp://:%s\n%s\ndry_run\nall_down servfail\n}\n", strings.Join(f.all, " "), f.port, harness.Quick)))
	harness.Eventually(t, "the backend is down in the metrics", func() bool {
		return harness.Metric(t, "coredns_rrhealth_backend_state", "pool", "pool.example.org.", "backend", f.all[0], "state", "down") == 1
	})
	before := harness.Metric(t, "coredns_rrhealth_dry_run_addresses_total", "pool", "pool.example.org.")
	for range 3 {
		if got := sorted(serve.Ask("pool.example.org.", dns.TypeA)); !slices.Equal(got, f.all) {
			t.Errorf("got %v, want all backends", got)
		}
	}
	if got := harness.Metric(t, "coredns_rrhealth_dry_run_addresses_total", "pool", "pool.example.org.") - before; got != 3 {
		t.Errorf("%v addresses counted in three answers with one down, want 3", got)
	}
}

func TestFilterMetrics(t *testing.T) {
	f := newFarm(t, 3)
	f.stop(f.all[0])
	zone := harness.Zone(t, harness.SOA+addressRecords("www", f.all...))
	s := harness.Start(t, harness.Corefile(f.stanza("")+"file "+zone+" example.org"))
	f.settled()
	for range 5 {
		s.Ask("www.example.org.", dns.TypeA)
	}
	for metric, want := range map[string]float64{"filtered_addresses_total": 5, "filtered_targets_total": 0, "signed_addresses_total": 0} {
		if got := harness.Metric(t, "coredns_rrhealth_"+metric, "filter", "example.org."); got != want {
			t.Errorf("%s is %v, want %v", metric, got, want)
		}
	}
	if got := harness.Metric(t, "coredns_rrhealth_watched_addresses"); got != 3 {
		t.Errorf("watched_addresses is %v, want 3", got)
	}
	s.Stop()
	if n := len(harness.MetricValues(t, "coredns_rrhealth_filtered_addresses_total")); n != 0 {
		t.Errorf("filtered_addresses_total is still shown after the stop, %d times", n)
	}
}

// A cached answer is judged on every query, and the cache works as before.
func TestAFilterAboveCacheAndForward(t *testing.T) {
	f := newFarm(t, 3)
	zone := harness.Zone(t, harness.SOA+addressRecords("www", f.all...))
	upstream := harness.Start(t, harness.Corefile("file "+zone+" example.org"))
	s := harness.Start(t, harness.Corefile(f.stanza("")+"cache\nforward . "+upstream.Addr))
	if got := sorted(s.Ask("www.example.org.", dns.TypeA)); !slices.Equal(got, f.all) {
		t.Fatalf("got %v, want %v", got, f.all)
	}
	harness.Eventually(t, "addresses learned", func() bool { return watched(t) == 3 })
	f.settled()
	hits, misses := harness.Metric(t, "coredns_cache_hits_total", "type", "success"), harness.Metric(t, "coredns_cache_misses_total")
	requests := harness.Metric(t, "coredns_cache_requests_total")
	for range 10 {
		s.Ask("www.example.org.", dns.TypeA)
	}
	f.stop(f.all[1])
	f.settled()
	// The very next query, with 300 s left on the cached records.
	if got := sorted(s.Ask("www.example.org.", dns.TypeA)); !slices.Equal(got, []string{f.all[0], f.all[2]}) {
		t.Errorf("after the verdict: %v, want it without %s", got, f.all[1])
	}
	if got := harness.Metric(t, "coredns_cache_hits_total", "type", "success") - hits; got != 11 {
		t.Errorf("%v cache hits for 11 queries, want 11", got)
	}
	if got := harness.Metric(t, "coredns_cache_misses_total") - misses; got != 0 {
		t.Errorf("%v cache misses, want 0", got)
	}
	if got := harness.Metric(t, "coredns_cache_requests_total") - requests; got != 11 {
		t.Errorf("the cache was asked %v times for 11 queries, want 11", got)
	}
}

func TestTransfersPassAsTheyAre(t *testing.T) {
	f := newFarm(t, 30)
	f.stop(f.third()...)
	file, _ := f.zone(t, 50)
	below := "transfer {\nto *\n}\nfile " + file + " example.org"
	plain := harness.Start(t, harness.Corefile(below))
	s := harness.Start(t, harness.Corefile(f.stanza("")+below))
	f.settled()
	transfer := func(s *harness.Server, ask func(*dns.Msg)) []string {
		m := new(dns.Msg)
		ask(m)
		in, err := new(dns.Transfer).In(m, s.TCP)
		if err != nil {
			t.Fatal(err)
		}
		var all []string
		for e := range in {
			if e.Error != nil {
				t.Fatal(e.Error)
			}
			for _, rr := range e.RR {
				all = append(all, rr.String())
			}
		}
		return all
	}
	for name, ask := range map[string]func(*dns.Msg){
		"AXFR": func(m *dns.Msg) { m.SetAxfr("example.org.") },
		"IXFR": func(m *dns.Msg) { m.SetIxfr("example.org.", 6, "ns.example.org.", "hostmaster.example.org.") },
	} {
		got, want := transfer(s, ask), transfer(plain, ask)
		for _, all := range [][]string{got, want} {
			if !strings.Contains(all[0], "SOA") || all[0] != all[len(all)-1] {
				t.Errorf("%s: begins with %q and ends with %q, want the SOA", name, all[0], all[len(all)-1])
			}
			slices.Sort(all) // file sends the types of a name in no order
		}
		if len(want) < 50 || !slices.Equal(got, want) {
			t.Errorf("%s: %d records, want the same %d", name, len(got), len(want))
		}
	}
}

// The file plugin hands out the records of its zone, the same ones to all. Run
// with -race, this shows that no other goroutine writes to them.
func TestManyAskWhileVerdictsChange(t *testing.T) {
	f := newFarm(t, 12)
	file, ask := f.zone(t, 40)
	s := harness.Start(t, harness.Corefile(f.stanza("max_answers 3")+"file "+file+" example.org"))
	f.settled()
	var clients sync.WaitGroup
	for client := range 4 {
		a := harness.NewAsker(t, s.Addr)
		clients.Go(func() {
			for i := range 600 {
				name, qtype := ask[(i+client)%len(ask)], zoneTypes[i%6]
				if _, _, err := new(dns.Client).ExchangeWithConn(harness.Query(name, qtype, i%2 == 0), a.Conn); err != nil {
					t.Errorf("asking for %s: %v", name, err)
				}
			}
		})
	}
	f.stop(f.third()...)
	f.settled()
	f.start(f.third()...)
	f.settled()
	clients.Wait()
}
