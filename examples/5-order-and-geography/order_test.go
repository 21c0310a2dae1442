//go:build linux

// Package order tests the example in this folder.
package order

import (
	"slices"
	"testing"
	"time"

	"github.com/rrhealth/rrhealth/examples/internal/lab"
)

// bound is interval + 2 × fast + timeout of the Corefile.
const bound = 2*time.Second + 2*500*time.Millisecond + 400*time.Millisecond

// places has a host and its address for each place.
var places = [][2]string{{"frankfurt", "10.5.1.1"}, {"virginia", "10.5.2.1"}, {"tokyo", "10.5.3.1"}}

type set struct {
	*lab.Lab
	ns, client *lab.Host
	web        []*lab.Host
}

// build sets up a server at each place, a name server and a client.
func build(t *testing.T, programs ...string) set {
	t.Helper()
	l := lab.New(t, programs...)
	s := set{Lab: l, ns: l.Host("ns", "10.0.0.53"), client: l.Host("client", "10.9.0.1")}
	for _, p := range places {
		h := l.Host(p[0], p[1])
		h.Web(80)
		s.web = append(s.web, h)
	}
	return s
}

func TestAServerThatIsDownLeavesTheOrderWithNoEdit(t *testing.T) {
	s := build(t)
	s.ns.CoreDNS("Corefile")
	s.Hold("dig @10.0.0.53 +short order.example.org")
	const name = "order.example.org."

	s.Eventually("all three are answered", func() bool { a, _ := s.client.Lookup(s.ns.Addr(), name); return len(a) == 3 })
	s.turns(name, 3)

	down := s.web[1]
	stream := s.client.Stream(s.ns.Addr(), name, 80)
	cut := time.Now()
	s.Cut(down)
	detection := stream.Gone(down.Addr(), cut)
	gone := time.Now()
	stream.After(20)
	all, failed := stream.Requests(gone, time.Now())
	stream.Stop()
	s.turns(name, 2)

	stream = s.client.Stream(s.ns.Addr(), name, 80)
	back := time.Now()
	s.Restore()
	t.Logf("answered again %v after its return", stream.Back(down.Addr(), back))
	stream.Stop()
	s.turns(name, 3)
	lab.Report(t, lab.Row{
		Scenario: "5 order", Killed: "one server of three, packets dropped",
		Detection: detection, Bound: bound, Failed: len(failed), Of: len(all),
	})
}

// turns checks that each answer is the one before, rotated by one.
func (s set) turns(name string, n int) {
	s.T.Helper()
	var before []string
	for i := range 2 * n {
		got, err := s.client.Lookup(s.ns.Addr(), name)
		if err != nil || len(got) != n {
			s.T.Fatalf("%s: %v (%v), want %d addresses", name, got, err, n)
		}
		if i > 0 {
			if want := append(slices.Clone(before[1:]), before[0]); !slices.Equal(got, want) {
				s.T.Errorf("%v after %v, want %v", got, before, want)
			}
		}
		before = got
	}
}
