//go:build linux

// Package balancers tests the example in this folder.
package balancers

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rrhealth/rrhealth/examples/internal/lab"
)

// bound is interval + 2 × fast + timeout of the Corefile.
const bound = 2*time.Second + 2*500*time.Millisecond + 400*time.Millisecond

type set struct {
	*lab.Lab
	ns, client *lab.Host
	lbs        []*lab.Host
}

// build sets up four load balancers before two servers, a name server and a
// client that resolves through it.
func build(t *testing.T) set {
	t.Helper()
	l := lab.New(t, "haproxy", "curl")
	s := set{Lab: l, ns: l.Host("ns", "10.0.0.53"), client: l.Host("client", "10.9.0.1")}
	l.Host("app1", "10.3.1.1").Web(8080)
	l.Host("app2", "10.3.1.2").Web(8080)
	for i := range 4 {
		lb := l.Host(fmt.Sprintf("lb%d", i+1), fmt.Sprintf("10.3.0.%d", i+1))
		lb.Start("haproxy", "-db", "-f", l.Path("haproxy.cfg"))
		s.lbs = append(s.lbs, lb)
	}
	s.ns.CoreDNS("Corefile")
	s.client.Resolver(s.ns.Addr())
	l.Hold("curl -v http://list.example.org/")
	return s
}

// TestCurlTriesTheNextAddress has a client with the whole list: it uses the
// next address until the detection.
func TestCurlTriesTheNextAddress(t *testing.T) {
	s := build(t)
	const name = "list.example.org"
	down := s.lbs[1]
	stream := s.client.Stream(s.ns.Addr(), name+".", 80)
	stream.Back(down.Addr(), time.Now())

	cut := time.Now()
	s.Cut(down)
	met := s.meet(name, down.Addr())
	detection := stream.Gone(down.Addr(), cut)
	gone := time.Now()
	stream.Stop()
	if lost := met(); lost == 0 {
		t.Error("no curl tried the address that is down before the detection: the test shows nothing")
	} else {
		t.Logf("%d requests tried the address that is down first, and succeeded with the next", lost)
	}

	const requests = 30
	failed := 0
	for range requests {
		first, err := s.curl(name)
		if err != nil {
			t.Errorf("curl, after detection: %v", err)
			failed++
		}
		if first == down.Addr() {
			t.Errorf("curl tried the address that is down %v after the detection", time.Since(gone))
		}
	}
	lab.Report(t, lab.Row{
		Scenario: "3a TCP load balancers, list", Killed: "a load balancer, packets dropped",
		Detection: detection, Bound: bound, Failed: failed, Of: requests,
	})
}

// meet starts so many curls that some get the address that is down first. It
// returns a function that waits for them, and counts those.
func (s set) meet(name, down string) func() int {
	var running sync.WaitGroup
	var met atomic.Int32
	tick := time.NewTicker(25 * time.Millisecond)
	defer tick.Stop()
	for range 40 {
		running.Go(func() {
			first, err := s.curl(name)
			if err != nil {
				s.T.Errorf("curl, before detection: %v", err)
			}
			if first == down {
				met.Add(1)
			}
		})
		<-tick.C
	}
	return func() int {
		running.Wait()
		return int(met.Load())
	}
}

// curl fetches from name, and returns the address that it tried first. It gives
// half of the rest of --connect-timeout to each address, and version 7.88 fails
// to try the next if that is less than a second.
func (s set) curl(name string) (first string, err error) {
	out, err := s.client.Run("sh", "-c", "curl --silent --show-error --verbose --ipv4 --connect-timeout 8 --max-time 20 http://"+name+"/ 2>&1")
	if err != nil {
		return "", fmt.Errorf("%w:\n%s", err, out)
	}
	_, after, found := strings.Cut(out, "Trying ")
	if !found {
		return "", fmt.Errorf("no line \"Trying\" in the output of curl:\n%s", out)
	}
	first, _, _ = strings.Cut(after, ":")
	return first, nil
}
