//go:build linux

// Package balancers tests the example in this folder.
package balancers

import (
	"fmt"
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
	// The TTLs follow from the checks: while a backend is down it is the
	// interval.
	settledTTL, unsettledTTL = 4, 2
	// seen is how long HAProxy takes to detect that both its servers are down.
	seen = 2 * 300 * time.Millisecond

	name = "www.example.org."
)

type site struct {
	lb   *lab.Host
	apps [2]*lab.Web
}

func TestALoadBalancerWithoutServersIsDropped(t *testing.T) {
	l := lab.New(t, "haproxy", "unbound", "dig")
	ns, resolver, client := l.Host("ns", "10.0.0.53"), l.Host("resolver", "10.0.0.1"), l.Host("client", "10.9.0.1")
	var sites []site
	for i, net := range []string{"10.1.0", "10.2.0", "10.3.0"} {
		n := string(rune('1' + i))
		s := site{lb: l.Host("lb"+n, net+".1")}
		s.apps[0] = l.Host("app"+n+"1", net+".11").Web(8080)
		s.apps[1] = l.Host("app"+n+"2", net+".12").Web(8080)
		s.lb.Start("env", "NET="+net, "haproxy", "-db", "-f", l.Path("haproxy.cfg"))
		sites = append(sites, s)
	}
	ns.CoreDNS("Corefile")
	resolver.Unbound("stub-zone:\n name: example.org\n stub-addr: " + ns.Addr() + "\n")
	l.Hold("dig @10.0.0.53 +short www.example.org")

	// All three are up, and dig is the only client.
	ttlBecomes(l, client, ns.Addr(), settledTTL)
	turns(t, client, ns.Addr())
	direct := client.Stream(ns.Addr(), name, 80)

	// The second load balancer is up, but both its servers are down.
	empty := sites[1]
	cached := client.Stream(resolver.Addr(), name, 80)
	stopped := time.Now()
	empty.apps[0].Stop()
	empty.apps[1].Stop()
	ttlBecomes(l, client, ns.Addr(), unsettledTTL)
	detection := direct.Gone(empty.lb.Addr(), stopped)
	gone := time.Now()
	direct.After(20)
	all, failed := direct.Requests(gone, time.Now())
	lab.Report(t, lab.Row{
		Scenario: "2 managed load balancers", Killed: "all servers behind one load balancer",
		Detection: detection, Bound: bound + seen, Failed: len(failed), Of: len(all),
	})

	// Through a caching resolver: at most the TTL later.
	through := cached.Gone(empty.lb.Addr(), stopped)
	gone = time.Now()
	cached.After(20)
	all, failed = cached.Requests(gone, time.Now())
	lab.Report(t, lab.Row{
		Scenario: "2 managed load balancers", Killed: "the same, seen through a caching resolver",
		Detection: through, Bound: bound + seen + settledTTL*time.Second, Failed: len(failed), Of: len(all),
	})

	back := time.Now()
	empty.apps[0].Start()
	t.Logf("answered again %v after a server was up again", direct.Back(empty.lb.Addr(), back))
	ttlBecomes(l, client, ns.Addr(), settledTTL)

	// The third load balancer is cut off.
	cut := time.Now()
	l.Cut(sites[2].lb)
	detection = direct.Gone(sites[2].lb.Addr(), cut)
	gone = time.Now()
	direct.After(20)
	all, failed = direct.Requests(gone, time.Now())
	lab.Report(t, lab.Row{
		Scenario: "2 managed load balancers", Killed: "a load balancer, packets dropped",
		Detection: detection, Bound: bound, Failed: len(failed), Of: len(all),
	})
}

// turns checks four answers of dig: each is the one before, rotated by one.
func turns(t *testing.T, client *lab.Host, server string) {
	t.Helper()
	var before []string
	for i := range 4 {
		out, err := client.Run("dig", "@"+server, "+short", name)
		if err != nil {
			t.Fatal(err)
		}
		got := strings.Fields(out)
		if i > 0 {
			if want := append(slices.Clone(before[1:]), before[0]); !slices.Equal(got, want) {
				t.Errorf("dig printed %v after %v, want %v", got, before, want)
			}
		}
		before = got
	}
	if len(before) != 3 {
		t.Errorf("dig printed %v, want all three", before)
	}
}

// ttlBecomes waits until answers have the TTL want, in seconds.
func ttlBecomes(l *lab.Lab, client *lab.Host, server string, want uint32) {
	l.T.Helper()
	l.Eventually(fmt.Sprintf("the TTL is %d s", want), func() bool {
		r, err := client.Ask(server, name, dns.TypeA)
		return err == nil && len(r.Answer) > 0 && r.Answer[0].Header().Ttl == want
	})
}
