//go:build linux

// Package centers tests the example in this folder.
package centers

import (
	"testing"
	"time"

	"github.com/rrhealth/rrhealth/examples/internal/lab"
)

// bound is interval + 2 × fast + timeout of the Corefile.
const bound = 2*time.Second + 2*500*time.Millisecond + 400*time.Millisecond

func TestTheOtherDataCenterServes(t *testing.T) {
	l := lab.New(t, "nginx")
	ns := l.Host("ns", "10.0.0.53")
	client := l.Host("client", "10.9.0.1")
	var centers [2][]*lab.Host
	for i, names := range [][]string{{"proxy1", "app11", "app12"}, {"proxy2", "app21", "app22"}} {
		net := []string{"10.1.0.", "10.2.0."}[i]
		for j, suffix := range []string{"1", "11", "12"} {
			centers[i] = append(centers[i], l.Host(names[j], net+suffix))
		}
		centers[i][1].Web(8080)
		centers[i][2].Web(8080)
		centers[i][0].Start("nginx", "-c", l.Path("nginx.conf"))
	}
	ns.CoreDNS("Corefile")
	l.Hold("dig @10.0.0.53 +short www.example.org")

	const one = "10.1.0.1"
	s := client.Stream(ns.Addr(), "www.example.org.", 80)
	s.Back(one, time.Now())
	s.Back("10.2.0.1", time.Now())

	cut := time.Now()
	l.Cut(centers[0]...)
	detection := s.Gone(one, cut)
	gone := time.Now()
	s.After(20) // requests

	back := time.Now()
	l.Restore()
	recovery := s.Back(one, back)
	s.After(20)
	s.Stop()

	if recovery < 500*time.Millisecond {
		t.Errorf("answered again %v after its return, want at least 500ms for two passes", recovery)
	}
	all, failed := s.Requests(gone, time.Now())
	during, lost := s.Requests(cut, gone)
	for _, r := range failed {
		t.Errorf("a request at %v failed: %v", r.At.Sub(cut), r.Err)
	}
	t.Logf("back after %v; before detection, %d of %d requests failed, the slowest took %v", recovery, len(lost), len(during), lab.Slowest(during))
	lab.Report(t, lab.Row{
		Scenario: "1 two data centers", Killed: "a data center: proxy and servers, packets dropped",
		Detection: detection, Bound: bound, Failed: len(failed), Of: len(all),
	})
}
