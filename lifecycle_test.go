package rrhealth

import (
	"fmt"
	"net"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/internal/harness"
	"github.com/rrhealth/rrhealth/internal/lease"
)

// targets returns how many targets the process watches.
func targets() int {
	return process.live.Targets()
}

// The new instance has started its plugins when listening fails. Nothing tells
// it to stop.
func TestAReloadThatFailsAtListenLeaksNothing(t *testing.T) {
	backends, port := harness.Fleet(t, 2)
	stanza := fmt.Sprintf("rrhealth www.example.org {\nbackend %s\ncheck tcp://:%s\n%s\n}", strings.Join(harness.IPs(backends...), " "), port, harness.Quick)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	_, takenPort, _ := net.SplitHostPort(taken.Addr().String())

	s := harness.Start(t, harness.Corefile(stanza))
	s.Settled("www.example.org.", dns.TypeA, harness.IPs(backends...)...)
	goroutines := runtime.NumGoroutine()
	for range 5 {
		err := s.Reload(harness.Corefile(stanza) + fmt.Sprintf("example.net:%s {\nbind 127.0.0.1\nrrhealth www.example.net {\nbackend 127.0.63.7 127.0.63.8\ncheck tcp://:1\n%s\n}\n}\n", takenPort, harness.Quick))
		if err == nil {
			t.Fatal("a reload onto a port that is taken succeeded")
		}
		if n := targets(); n != 2 {
			t.Errorf("%d targets after the failed reload, want the 2 of the instance that stays", n)
		}
	}
	harness.Eventually(t, fmt.Sprintf("no more than %d goroutines", goroutines), func() bool { return runtime.NumGoroutine() <= goroutines })
	backends[0].Stop()
	s.Settled("www.example.org.", dns.TypeA, backends[1].IP())
}

// The instance that goes on has no rrhealth that could hear of the failure: the
// listener, or another plugin of the new one, finds its port taken.
func TestAFailedReloadToTheFirstPoolsLeavesNoOrphan(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	backends, port := harness.Fleet(t, 2)
	stanza := fmt.Sprintf("rrhealth www.example.org {\nbackend %s\ncheck tcp://:%s\n%s\n}", strings.Join(harness.IPs(backends...), " "), port, harness.Quick)
	_, takenPort, _ := net.SplitHostPort(taken.Addr().String())
	s := harness.Start(t, harness.Corefile("whoami"))
	goroutines := runtime.NumGoroutine()
	listener := harness.Corefile(stanza) + "example.net:" + takenPort + " {\nbind 127.0.0.1\nwhoami\n}\n"
	plugin := harness.Corefile(stanza + "\nhealth " + taken.Addr().String())
	for i, text := range []string{listener, plugin, listener, plugin} {
		if err := s.Reload(text); err == nil {
			t.Fatalf("reload %d onto a port that is taken succeeded", i)
		}
		process.mu.Lock()
		if n := len(process.handlers); n != 0 || process.live.Targets() != 0 {
			t.Errorf("after the failed reload %d: %d handlers, monitor %t, want none", i, n, process.live.Targets() != 0)
		}
		process.mu.Unlock()
	}
	harness.Eventually(t, fmt.Sprintf("no more than %d goroutines", goroutines), func() bool { return runtime.NumGoroutine() <= goroutines })
	if n := s.RestartCallbacks(); n != 1 {
		t.Errorf("%d callbacks for a failed reload after four of them, want 1", n)
	}
	if err := s.Reload(harness.Corefile(stanza)); err != nil { // and now that nothing is in the way
		t.Fatal(err)
	}
	s.Settled("www.example.org.", dns.TypeA, harness.IPs(backends...)...)
}

func TestAReloadThatDropsPoolsStopsWatchingThem(t *testing.T) {
	backends, port := harness.Fleet(t, 2)
	pool := func(name string, b *harness.Backend) string {
		return fmt.Sprintf("rrhealth %s.example.org {\nbackend %s\ncheck tcp://:%s\n%s\n}\n", name, b.IP(), port, harness.Quick)
	}
	s := harness.Start(t, harness.Corefile(pool("a", backends[0])+pool("b", backends[1])))
	for range 20 {
		if err := s.Reload(harness.Corefile(pool("a", backends[0]) + pool("b", backends[1]))); err != nil {
			t.Fatal(err)
		}
	}
	if n := targets(); n != 2 {
		t.Fatalf("%d targets after reloads, want 2", n)
	}
	if err := s.Reload(harness.Corefile(pool("a", backends[0]))); err != nil {
		t.Fatal(err)
	}
	if n := targets(); n != 1 {
		t.Errorf("%d targets after a pool was dropped, want 1", n)
	}
	if err := s.Reload(harness.Corefile("")); err != nil {
		t.Fatal(err)
	}
	process.mu.Lock()
	defer process.mu.Unlock()
	if n := targets(); n != 0 || len(process.handlers) != 0 {
		t.Errorf("without a stanza there are still %d targets and %d handlers", n, len(process.handlers))
	}
}

// While CoreDNS waits for its lame duck, queries still come in.
func TestAfterShutdownTheLastAnswersStand(t *testing.T) {
	backends, port := harness.Fleet(t, 2)
	backends[0].Stop()
	s := harness.Start(t, harness.Corefile(fmt.Sprintf("rrhealth www.example.org {\nbackend %s\ncheck tcp://:%s\n%s\n}", strings.Join(harness.IPs(backends...), " "), port, harness.Quick)))
	s.Settled("www.example.org.", dns.TypeA, backends[1].IP())
	s.LameDuck()
	if n := targets(); n != 0 {
		t.Errorf("%d targets after shutdown, want none", n)
	}
	for range 4 {
		if got := harness.Addrs(s.Ask("www.example.org.", dns.TypeA)); !slices.Equal(got, harness.IPs(backends[1])) {
			t.Errorf("answer %v during the lame duck, want %v", got, backends[1].IP())
		}
	}
}

// handlerOf returns the one handler that runs.
func handlerOf(t *testing.T, _ *harness.Server) *RRHealth {
	t.Helper()
	process.mu.Lock()
	defer process.mu.Unlock()
	if len(process.handlers) != 1 {
		t.Fatalf("%d handlers, want 1", len(process.handlers))
	}
	for h := range process.handlers {
		return h
	}
	return nil
}

func TestALimitOfWatchedAddresses(t *testing.T) {
	limit := process.live.WatchLimit
	process.live.WatchLimit = 4
	t.Cleanup(func() { process.live.WatchLimit = limit }) // after the server's own
	host := lease.Net(t)
	var records strings.Builder
	for i := range 6 {
		fmt.Fprintf(&records, "www IN A %s%d\n", host, i+1)
	}
	refused := harness.Metric(t, "coredns_rrhealth_watch_rejected_total")
	filter := fmt.Sprintf("rrhealth {\nwatch 127.0.0.0/8\ncheck tcp://:%s\n%s\n}\n", lease.Port(t, host+"1"), harness.Quick)
	s := harness.Start(t, harness.Corefile(filter+"file "+harness.Zone(t, harness.SOA+records.String())+" example.org"))
	harness.Eventually(t, "the two that there is no room to watch are answered", func() bool {
		return len(s.Ask("www.example.org.", dns.TypeA).Answer) == 2
	})
	if got := harness.Metric(t, "coredns_rrhealth_watch_rejected_total") - refused; got < 2 {
		t.Errorf("%v sightings counted, want at least 2", got)
	}
}

func TestTheListingOfAFilterHasTheStates(t *testing.T) {
	backends, port := harness.Fleet(t, 2)
	backends[0].Stop()
	zone := harness.Zone(t, harness.SOA+fmt.Sprintf("www IN A %s\nwww IN A %s\n", backends[0].IP(), backends[1].IP()))
	s := harness.Start(t, harness.Corefile(fmt.Sprintf("rrhealth {\nwatch 127.0.0.0/8\ncheck tcp://:%s\n%s\n}\nfile %s example.org", port, harness.Quick, zone)))
	s.Settled("www.example.org.", dns.TypeA, backends[1].IP())
	want := fmt.Sprintf("%s down, %s up", backends[0].IP(), backends[1].IP())
	for h := range process.handlers {
		harness.Eventually(t, "the listing has "+want, func() bool {
			return strings.Contains(strings.Join(watchedLines(h.rules.Filters[0].Watchlist), "\n"), want)
		})
	}
}
