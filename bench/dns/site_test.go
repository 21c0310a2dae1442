package main

import (
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

func TestBackendsAreDistinctHostsOfTheLoopbackNetwork(t *testing.T) {
	seen := make(map[string]bool)
	for _, a := range addresses(10_000) {
		ip, err := netip.ParseAddr(a)
		if err != nil || !ip.IsLoopback() || a == "127.0.0.1" || seen[a] {
			t.Fatalf("address %q: %v, want a new loopback address each time", a, err)
		}
		seen[a] = true
	}
}

func TestTheNamesAskedAreThoseServed(t *testing.T) {
	for _, n := range []names{0, 1, 25, manyNames} {
		served := n.all()
		if len(served) != max(int(n), 1) {
			t.Errorf("%d names: got %d", n, len(served))
		}
		for i := range asks {
			if name := strings.TrimSuffix(n.at(i), "."); !slices.Contains(served, name) {
				t.Errorf("of %d names: %s is queried, but not served", n, name)
			}
		}
	}
}

func TestPlaceholdersAreFilledAndOthersKept(t *testing.T) {
	p := place{site: site{zone: "/z", backends: 1, upstream: 2}, dir: "/d", port: 3, metrics: 4}
	got := p.fill("$ZONE $BACKENDS $UPSTREAM $DIR $PORT $METRICS $OTHER")
	if want := "/z 1 2 /d 3 4 $OTHER"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestAnAnswerThatIsNotExpectedIsRefused(t *testing.T) {
	want := answer{2, []string{"127.1.0.1", "127.1.0.2", "127.1.0.3"}}
	reply := func(rcode int, addrs ...string) *dns.Msg {
		m := new(dns.Msg)
		m.Rcode = rcode
		for _, a := range addrs {
			m.Answer = append(m.Answer, &dns.A{Hdr: dns.RR_Header{Rrtype: dns.TypeA}, A: net.ParseIP(a)})
		}
		return m
	}
	if err := want.check(reply(dns.RcodeSuccess, "127.1.0.3", "127.1.0.1")); err != nil {
		t.Errorf("got %v, want it accepted", err)
	}
	for part, m := range map[string]*dns.Msg{
		"rcode SERVFAIL":   reply(dns.RcodeServerFailure),
		"got 1 addresses":  reply(dns.RcodeSuccess, "127.1.0.1"),
		"got 3 addresses":  reply(dns.RcodeSuccess, "127.1.0.1", "127.1.0.2", "127.1.0.3"),
		"an address twice": reply(dns.RcodeSuccess, "127.1.0.1", "127.1.0.1"),
		"got address 9":    reply(dns.RcodeSuccess, "127.1.0.1", "9.9.9.9"),
	} {
		if err := want.check(m); err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("got error %v, want one with %q", err, part)
		}
	}
}

func TestPortsAreGivenOnce(t *testing.T) {
	var p ports
	seen := make(map[int]bool)
	for range 50 {
		port, err := p.take()
		if err != nil || seen[port] || port < firstPort {
			t.Fatalf("got port %d, %v, want a new one", port, err)
		}
		seen[port] = true
	}
	p.next = lastPort
	if port, err := p.take(); err == nil {
		t.Errorf("got port %d beyond the last, want an error", port)
	}
}

func TestCoresAreDivided(t *testing.T) {
	for _, tc := range []struct{ list, server, client, all string }{
		{"0", "", "", ""},
		{"0-1", "0", "1", "0,1"},
		{"2,4-6", "2", "4,5,6", "2,4,5,6"},
	} {
		allowed, err := allowedCores("Name:\tx\nCpus_allowed_list:\t" + tc.list + "\nMems_allowed:\t1\n")
		if err != nil {
			t.Fatal(err)
		}
		if got := divide(allowed); string(got.server) != tc.server || string(got.client) != tc.client || string(got.all) != tc.all {
			t.Errorf("%s: got %+v, want %s, %s, %s", tc.list, got, tc.server, tc.client, tc.all)
		}
	}
	for _, text := range []string{"", "Cpus_allowed_list:\tx", "Cpus_allowed_list:\t0-x"} {
		if _, err := allowedCores(text); err == nil {
			t.Errorf("%q: got no error, want one", text)
		}
	}
}

func TestOnlySelectsByWordAndKeepsTheFloor(t *testing.T) {
	var got []string
	for _, s := range subjects("gdnsd,sticky") {
		got = append(got, s.name)
	}
	if want := []string{floorName, "sticky", "gdnsd multifo"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if !wanted("", "storm") || wanted("gdnsd", "storm") {
		t.Error("got storm left out without words, or kept with another word")
	}
}
