//go:build linux

package balancers

import (
	"fmt"
	"math"
	"net/netip"
	"testing"
	"time"

	"github.com/rrhealth/rrhealth/examples/internal/lab"
)

const sticky = "sticky.example.org"

// networks is the number of client networks in the queries.
const networks = 8000

// TestLosingOneMovesOnlyItsClients is about policy sticky: each client network
// has one address.
func TestLosingOneMovesOnlyItsClients(t *testing.T) {
	s := build(t)
	s.Eventually("all four are up", func() bool { return len(count(s.mapping(t, 100))) == 4 && s.up("list.example.org.") == 4 })
	before := s.mapping(t, networks)
	for addr, n := range count(before) {
		fair(t, "clients of "+addr, n, len(s.lbs))
	}

	// The load balancer of the client that makes real requests.
	own, err := s.client.Lookup(s.ns.Addr(), sticky+".")
	if err != nil || len(own) != 1 {
		t.Fatalf("%s: %v (%v), want one address", sticky, own, err)
	}
	stream := s.client.Stream(s.ns.Addr(), sticky+".", 80)
	cut := time.Now()
	for _, lb := range s.lbs {
		if lb.Addr() == own[0] {
			s.Cut(lb)
		}
	}
	detection := stream.Gone(own[0], cut)
	gone := time.Now()
	stream.After(20)
	all, failed := stream.Requests(gone, time.Now())

	moved := 0
	for network, addr := range s.mapping(t, networks) {
		switch {
		case before[network] == own[0]:
			moved++
		case before[network] != addr:
			t.Fatalf("clients of %v have %s now, although %s is up", network, addr, before[network])
		}
	}
	fair(t, "clients that moved", moved, len(s.lbs))

	s.Restore()
	stream.Back(own[0], time.Now())
	stream.Stop()
	for network, addr := range s.mapping(t, networks) {
		if before[network] != addr {
			t.Fatalf("clients of %v have %s after its return, want %s again", network, addr, before[network])
		}
	}
	lab.Report(t, lab.Row{
		Scenario: "3b TCP load balancers, sticky", Killed: fmt.Sprintf("a load balancer: %.1f%% of the clients moved", 100*float64(moved)/networks),
		Detection: detection, Bound: bound, Failed: len(failed), Of: len(all),
	})
}

// TestEachClientNetworkOfAResolverHasItsOwnAddress queries through unbound,
// which forwards the subnet of its clients.
func TestEachClientNetworkOfAResolverHasItsOwnAddress(t *testing.T) {
	s := build(t)
	resolver := s.Host("resolver", "10.0.0.1")
	var own []string
	for i := range 8 {
		own = append(own, fmt.Sprintf("10.7.%d.1", i))
	}
	clients := s.Host("clients", own...)
	resolver.Unbound(fmt.Sprintf(`	module-config: "subnetcache iterator"
	send-client-subnet: %[1]s
	max-client-subnet-ipv4: 24
stub-zone:
	name: example.org
	stub-addr: %[1]s
`, s.ns.Addr()))
	s.Eventually("all four are up", func() bool { return s.up("list.example.org.") == 4 })

	seen := map[string]int{}
	for _, addr := range own {
		through, err := clients.Run("dig", "-b", addr, "@"+resolver.Addr(), "+short", sticky)
		if err != nil {
			t.Fatal(err)
		}
		direct, err := clients.Run("dig", "-b", addr, "@"+s.ns.Addr(), "+short", sticky)
		if err != nil {
			t.Fatal(err)
		}
		if through != direct || through == "" {
			t.Errorf("the client %s gets %q through the resolver, %q directly", addr, through, direct)
		}
		seen[through]++
	}
	// The chance that all eight networks have the same of four servers is 1 in
	// 16,384, and the result is the same on every run.
	if len(seen) < 2 {
		t.Errorf("all clients have %v: want at least two addresses", seen)
	}
}

// up returns the number of addresses in the answer for the name. With the TTL
// of the Corefile no member is down or changing.
func (s set) up(name string) int {
	addrs, _ := s.client.Lookup(s.ns.Addr(), name)
	return len(addrs)
}

// mapping returns the address that each of n client networks gets.
func (s set) mapping(t *testing.T, n int) map[netip.Prefix]string {
	t.Helper()
	client := *s.client // with a subnet of its own
	all := make(map[netip.Prefix]string, n)
	for i := range n {
		client.Subnet = netip.PrefixFrom(netip.AddrFrom4([4]byte{byte(100 + i/65536), byte(i / 256), byte(i), 0}), 24)
		addrs, err := client.Lookup(s.ns.Addr(), sticky+".")
		if err != nil || len(addrs) != 1 {
			t.Fatalf("%v: %v (%v), want one address", client.Subnet, addrs, err)
		}
		all[client.Subnet] = addrs[0]
	}
	return all
}

func count(mapping map[netip.Prefix]string) map[string]int {
	n := map[string]int{}
	for _, addr := range mapping {
		n[addr]++
	}
	return n
}

// fair checks a share of 1/of, within two percent of all.
func fair(t *testing.T, what string, n, of int) {
	t.Helper()
	share := float64(n) / networks
	if math.Abs(share-1/float64(of)) > 0.02 {
		t.Errorf("%s: %.1f %%, want %.1f ± 2 %%", what, 100*share, 100/float64(of))
	}
}
