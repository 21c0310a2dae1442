//go:build linux

// Package zone tests the example in this folder.
package zone

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/examples/internal/lab"
)

const (
	// bound is interval + 2 × fast + timeout of the Corefile.
	bound = 2*time.Second + 2*500*time.Millisecond + 400*time.Millisecond

	names    = 300
	machines = 3
	each     = 20 // addresses of each machine
)

// downNet is the network of the machine that is cut off.
var (
	watched = netip.MustParsePrefix("10.6.0.0/16")
	downNet = netip.MustParsePrefix("10.6.1.0/24")
)

func isDown(ip []byte) bool {
	a, _ := netip.AddrFromSlice(ip)
	return downNet.Contains(a.Unmap())
}

func TestAddressesThatAreDownVanishAndNothingElseChanges(t *testing.T) {
	l := lab.New(t)
	with, without, client := l.Host("with", "10.0.0.53"), l.Host("without", "10.0.0.54"), l.Host("client", "10.9.0.1")
	hosts := servers(l)
	zone, asked := write(l)
	with.CoreDNS("Corefile", "ZONE="+zone)
	without.CoreDNS("Corefile.without", "ZONE="+zone)
	l.Hold("dig @10.0.0.53 host0.example.org")

	pair := pair{l, client, with.Addr(), without.Addr()}
	// The TTL is low until every address has a first result.
	l.Eventually("answers are the same with all up", func() bool { return pair.same(asked) })

	const mixed = "host0.example.org." // an address of each machine
	s := client.Stream(with.Addr(), mixed, 443)
	s.Back("10.6.1.1", time.Now())
	cut := time.Now()
	l.Cut(hosts[1])
	detection := s.Gone("10.6.1.1", cut)
	gone := time.Now()
	s.After(20)
	all, failed := s.Requests(gone, time.Now())
	s.Stop()

	// Every address has its own schedule: wait for the last of them.
	l.Eventually("all addresses that are down are out", func() bool { return pair.out(asked) })
	if n := pair.compare(asked); n > 0 {
		t.Errorf("%d of %d answers differ in more than addresses that are down, want none", n, len(asked))
	}

	l.Restore()
	l.Eventually("answers are the same after the return", func() bool { return pair.same(asked) })
	lab.Report(t, lab.Row{
		Scenario: "6 the zone you have", Killed: fmt.Sprintf("a third of %d addresses; %d answers compared", machines*each, len(asked)),
		Detection: detection, Bound: bound, Failed: len(failed), Of: len(all),
	})
}

// servers starts three machines, each with twenty addresses that accept connections.
func servers(l *lab.Lab) []*lab.Host {
	l.T.Helper()
	var all []*lab.Host
	for i := range machines {
		var addrs []string
		for j := range each {
			addrs = append(addrs, fmt.Sprintf("10.6.%d.%d", i, j+1))
		}
		h := l.Host(fmt.Sprintf("machine%d", i), addrs...)
		h.WebEverywhere(443)
		all = append(all, h)
	}
	return all
}

// write writes the zone, and returns its path and the questions to ask.
func write(l *lab.Lab) (path string, asked []dns.Question) {
	l.T.Helper()
	b := new(strings.Builder)
	fmt.Fprint(b, `$ORIGIN example.org.
$TTL 300
@          SOA    ns hostmaster 1 7200 1800 86400 300
@          NS     ns
@          MX     10 host0
@          MX     20 host5
ns         A      10.0.0.53
*.wild     A      10.6.0.7
*.wild     A      10.6.1.7
child      NS     ns.child
ns.child   A      10.6.1.9
alias      CNAME  chain
chain      CNAME  host1
_web._tcp  SRV    0 1 443 host2
_web._tcp  SRV    0 1 443 host4
svc        HTTPS  1 host1 alpn=h2 ipv4hint=10.6.0.1,10.6.1.1
down       HTTPS  1 host4 mandatory=ipv4hint ipv4hint=10.6.1.4
away       A      192.0.2.1
`)
	ask := func(name string, types ...uint16) {
		for _, t := range types {
			asked = append(asked, dns.Question{Name: name + "example.org.", Qtype: t, Qclass: dns.ClassINET})
		}
	}
	all := []uint16{dns.TypeA, dns.TypeAAAA, dns.TypeMX, dns.TypeTXT, dns.TypeNS, dns.TypeSOA, dns.TypeSRV, dns.TypeCNAME, dns.TypeHTTPS, dns.TypeANY}
	for _, name := range []string{"", "ns.", "any.wild.", "child.", "below.child.", "ns.child.", "alias.", "chain.", "_web._tcp.", "svc.", "down.", "away.", "none."} {
		ask(name, all...)
	}
	for i := range names {
		// Of five names, three have an address of each machine, one has only
		// addresses that stay up, and one only addresses that go down.
		for m := range machines {
			if i%5 == 3 && m == 1 || i%5 == 4 && m != 1 {
				continue
			}
			fmt.Fprintf(b, "host%d A 10.6.%d.%d\n", i, m, i%each+1)
		}
		fmt.Fprintf(b, "host%d TXT \"%d\"\n", i, i)
		ask(fmt.Sprintf("host%d.", i), dns.TypeA, dns.TypeAAAA, dns.TypeTXT, dns.TypeANY)
	}
	return l.File("db.example.org", b.String()), asked
}

// A pair is the server with rrhealth, and the one without.
type pair struct {
	*lab.Lab
	client        *lab.Host
	with, without string
}

func (p pair) ask(server string, q dns.Question) *dns.Msg {
	p.T.Helper()
	m := &dns.Msg{MsgHdr: dns.MsgHdr{Id: dns.Id()}, Question: []dns.Question{q}}
	r, err := p.client.Exchange(m, server, 5*time.Second)
	if err != nil {
		p.T.Fatalf("%v: %v", q, err)
	}
	return r
}

// compare sends all questions to both servers, and returns how many answers
// differ in more than order, TTLs and addresses that are down.
func (p pair) compare(asked []dns.Question) (different int) {
	p.T.Helper()
	for _, q := range asked {
		got, want := text(p.ask(p.with, q), false), text(thinned(p.ask(p.without, q)), false)
		if got == want {
			continue
		}
		if different++; different <= 3 {
			p.T.Errorf("%v:\n%s\nwant\n%s", q, got, want)
		}
	}
	return different
}

// same reports whether all answers are the same except for the order, and the
// TTL of probed addresses is that of a set without one that is down.
func (p pair) same(asked []dns.Question) bool {
	p.T.Helper()
	return !slices.ContainsFunc(asked, func(q dns.Question) bool {
		return text(p.ask(p.with, q), true) != text(capped(p.ask(p.without, q)), true)
	})
}

// out reports whether no answer has an address that is down beside one that is
// up.
func (p pair) out(asked []dns.Question) bool {
	p.T.Helper()
	return !slices.ContainsFunc(asked, func(q dns.Question) bool {
		return q.Qtype == dns.TypeA && text(p.ask(p.with, q), false) != text(thinned(p.ask(p.without, q)), false)
	})
}

// text returns the content of a message, without its ID and the order of
// records.
func text(m *dns.Msg, ttl bool) string {
	b := new(strings.Builder)
	fmt.Fprintf(b, "%s aa=%v tc=%v ra=%v\n", dns.RcodeToString[m.Rcode], m.Authoritative, m.Truncated, m.RecursionAvailable)
	for i, section := range [][]dns.RR{m.Answer, m.Ns, m.Extra} {
		var lines []string
		for _, rr := range section {
			rr = dns.Copy(rr)
			if !ttl {
				rr.Header().Ttl = 0
			}
			lines = append(lines, rr.String())
		}
		slices.Sort(lines)
		fmt.Fprintf(b, "section %d\n%s\n", i, strings.Join(lines, "\n"))
	}
	return b.String()
}

// settledTTL is the maximum TTL of a set with an interval of two seconds, while
// all of it is up.
const settledTTL = 4

// capped returns m with the TTLs that the filter sets while all is up.
func capped(m *dns.Msg) *dns.Msg {
	if referral(m) {
		return m
	}
	m = m.Copy()
	for _, section := range [...][]dns.RR{m.Answer, m.Extra} {
		for _, rr := range section {
			if probed(rr) {
				rr.Header().Ttl = min(rr.Header().Ttl, settledTTL)
			}
		}
	}
	return m
}

// probed reports whether rr has addresses of the machines, or services on them.
// All services of the zone are on the machines.
func probed(rr dns.RR) bool {
	switch rr := rr.(type) {
	case *dns.A:
		return watched.Contains(netip.AddrFrom4([4]byte(rr.A.To4())))
	case *dns.HTTPS, *dns.SRV:
		return true
	}
	return false
}

// referral reports whether m is a referral to a child zone, whose addresses the
// filter does not change.
func referral(m *dns.Msg) bool {
	return len(m.Answer) == 0 && len(m.Ns) > 0 && m.Ns[0].Header().Rrtype == dns.TypeNS
}

// thinned returns m without what the filter removes when the machine is down.
func thinned(m *dns.Msg) *dns.Msg {
	m = m.Copy()
	if referral(m) {
		return m
	}
	// A service is removed if its target is down, with the additional
	// addresses.
	up := map[string]bool{}
	for _, rr := range m.Extra {
		if a, ok := rr.(*dns.A); ok {
			up[a.Hdr.Name] = up[a.Hdr.Name] || !isDown(a.A)
		}
	}
	services := func(rr dns.RR) bool { srv, ok := rr.(*dns.SRV); return ok && !up[srv.Target] }
	if slices.ContainsFunc(m.Answer, services) {
		m.Answer = slices.DeleteFunc(m.Answer, services)
		m.Extra = slices.DeleteFunc(m.Extra, func(rr dns.RR) bool { return !up[rr.Header().Name] })
	}
	m.Answer, m.Extra = removeDown(m.Answer), removeDown(m.Extra)
	return m
}

// removeDown removes addresses that are down from each set that has others.
func removeDown(section []dns.RR) []dns.RR {
	hasUp := map[string]bool{}
	for _, rr := range section {
		if a, ok := rr.(*dns.A); ok && !isDown(a.A) {
			hasUp[a.Hdr.Name] = true
		}
	}
	return slices.DeleteFunc(section, func(rr dns.RR) bool {
		switch rr := rr.(type) {
		case *dns.A:
			return isDown(rr.A) && hasUp[rr.Hdr.Name]
		case *dns.HTTPS:
			dropHints(&rr.SVCB)
		}
		return false
	})
}

// dropHints removes hints that are down, and the mandatory key for hints if
// none is left.
func dropHints(rr *dns.SVCB) {
	gone := false
	rr.Value = slices.DeleteFunc(rr.Value, func(kv dns.SVCBKeyValue) bool {
		hint, ok := kv.(*dns.SVCBIPv4Hint)
		if !ok {
			return false
		}
		kept := slices.DeleteFunc(slices.Clone(hint.Hint), func(ip net.IP) bool { return isDown(ip) })
		hint.Hint = kept
		gone = len(kept) == 0
		return gone
	})
	if gone {
		rr.Value = slices.DeleteFunc(rr.Value, func(kv dns.SVCBKeyValue) bool { return kv.Key() == dns.SVCB_MANDATORY })
	}
}
