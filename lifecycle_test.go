package rrhealth

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/internal/harness"
	"github.com/rrhealth/rrhealth/internal/lease"
)

// targets returns how many targets the process watches.
func targets() int {
	return process.live.Targets()
}

func TestReloadsUnderLoadLoseNothing(t *testing.T) {
	backends, port := harness.Fleet(t, 3)
	stanza := fmt.Sprintf(`rrhealth www.example.org {
		backend %s
		check tcp://:%s
		interval 5s fast 100ms
		timeout 4s
	}`, strings.Join(harness.IPs(backends...), " "), port)
	backends[2].Stop()
	s := harness.Start(t, harness.Corefile(stanza))
	up := harness.IPs(backends[0], backends[1])
	s.Settled("www.example.org.", dns.TypeA, up...)

	reload := func() {
		if err := s.Reload(harness.Corefile(stanza)); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 { // what the first reloads allocate for good
		reload()
	}
	goroutines, files := runtime.NumGoroutine(), openFiles(t)

	addr := s.Addr // the same after each reload
	var asked, lost, wrong atomic.Int64
	stop := make(chan struct{})
	var clients sync.WaitGroup
	for range 2 {
		clients.Go(func() {
			tick := time.NewTicker(4 * time.Millisecond) // 250 a second each
			defer tick.Stop()
			for {
				select {
				case <-stop:
					return
				case <-tick.C:
				}
				m := new(dns.Msg)
				m.SetQuestion("www.example.org.", dns.TypeA)
				asked.Add(1)
				switch r, err := harness.Exchange(m, "udp", addr); {
				case err != nil:
					lost.Add(1)
				case !harness.IsShift(harness.Addrs(r), up):
					wrong.Add(1)
					t.Logf("want the two that are up, %v, got\n%v", up, r)
				}
			}
		})
	}
	for i := range int64(100) {
		harness.Eventually(t, "clients go on asking", func() bool { return asked.Load() >= 20*i })
		reload()
	}
	close(stop)
	clients.Wait()
	t.Logf("%d queries during 100 reloads", asked.Load())
	if lost.Load() != 0 || wrong.Load() != 0 {
		t.Errorf("of %d queries %d were lost and %d had other answers than the two backends that are up", asked.Load(), lost.Load(), wrong.Load())
	}
	defer func() {
		if t.Failed() { // who they are is all that tells why they are too many
			stacks := make([]byte, 1<<20)
			t.Logf("%s", stacks[:runtime.Stack(stacks, true)])
		}
	}()
	harness.Eventually(t, fmt.Sprintf("no more than %d goroutines", goroutines), func() bool { return runtime.NumGoroutine() <= goroutines })
	harness.Eventually(t, fmt.Sprintf("no more than %d open files", files), func() bool { return openFiles(t) <= files })
}

func openFiles(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("no /proc to count open files in")
	}
	return len(entries)
}

func TestTheRotationGoesOnAfterAReload(t *testing.T) {
	corefile := harness.Corefile("rrhealth www.example.org {\nbackend 192.0.2.1 192.0.2.2 192.0.2.3\n}")
	s := harness.Start(t, corefile)
	got := harness.Addrs(s.Ask("www.example.org.", dns.TypeA))
	for range 7 {
		if err := s.Reload(corefile); err != nil {
			t.Fatal(err)
		}
		want := slices.Concat(got[1:], got[:1])
		if got = harness.Addrs(s.Ask("www.example.org.", dns.TypeA)); !slices.Equal(got, want) {
			t.Fatalf("first answer after a reload %v, want %v", got, want)
		}
	}
}

// A reload that changes how often is asked, but not what, remembers who is
// down: the new targets start with what was known of the old ones.
func TestABackendKnownDownStaysDownWhenThePaceChanges(t *testing.T) {
	closed := lease.Closed(t)
	corefileWith := func(interval string) string {
		return harness.Corefile(fmt.Sprintf("rrhealth down.example.org {\nbackend %s\ncheck tcp://:%s\ninterval %s\nall_down nodata\n}", harness.NoServer, closed, interval))
	}
	s := harness.Start(t, corefileWith("1s"))
	s.Settled("down.example.org.", dns.TypeA)
	for i := range 20 {
		if err := s.Reload(corefileWith(fmt.Sprintf("%ds", i+2))); err != nil {
			t.Fatal(err)
		}
		if got := harness.Addrs(s.Ask("down.example.org.", dns.TypeA)); len(got) != 0 {
			t.Fatalf("answer %v right after reload %d, want none: it is known to be down", got, i)
		}
	}
}

func TestABadReloadChangesNothing(t *testing.T) {
	backends, port := harness.Fleet(t, 2)
	stanza := fmt.Sprintf("rrhealth www.example.org {\nbackend %s\ncheck tcp://:%s\n%s\n}", strings.Join(harness.IPs(backends...), " "), port, harness.Quick)
	backends[0].Stop()
	s := harness.Start(t, harness.Corefile(stanza))
	s.Settled("www.example.org.", dns.TypeA, backends[1].IP())
	for range 5 {
		if err := s.Reload(harness.Corefile(stanza + "\nrrhealth other.example.org {\nbackend nonsense\n}")); err == nil {
			t.Fatal("a wrong Corefile was loaded")
		}
		if got := harness.Addrs(s.Ask("www.example.org.", dns.TypeA)); !slices.Equal(got, harness.IPs(backends[1])) {
			t.Fatalf("answer %v after a bad reload, want %v", got, backends[1].IP())
		}
	}
	backends[0].Start() // still watched
	s.Settled("www.example.org.", dns.TypeA, harness.IPs(backends...)...)
}

// The new instance has started its plugins when listening fails. Nobody tells
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
			t.Errorf("%d targets after the failed reload, want the 2 of the instance that lives on", n)
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

// Pools, views, server blocks and sockets that ask the same of an address
// share one target: it is probed once.
func TestTargetsAreShared(t *testing.T) {
	backends, port := harness.Fleet(t, 1)
	var probes atomic.Int64
	backends[0].Stop()
	backends[0].Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { probes.Add(1); harness.Healthy(w, r) })
	backends[0].Start()
	stanza := fmt.Sprintf("rrhealth a.example.org b.example.org {\nbackend %s\ncheck http://www.example.org:%s/\ninterval 1h\n}", backends[0].IP(), port)
	s := harness.Start(t, fmt.Sprintf(`example.org:0 {
    bind 127.0.0.1
    multisocket 2
    view one {
        expr type() == 'A'
    }
    %[1]s
}
example.org:0 {
    bind 127.0.0.1
    multisocket 2
    %[1]s
}
example.org:0 {
    bind 127.0.0.2
    %[1]s
}
`, stanza))
	s.AwaitReady()
	for _, name := range []string{"a.example.org.", "b.example.org."} {
		if got := harness.Addrs(s.Ask(name, dns.TypeA)); !slices.Equal(got, harness.IPs(backends[0])) {
			t.Errorf("%s: %v", name, got)
		}
	}
	if n := probes.Load(); n != 1 {
		t.Errorf("%d probes for six pools and five sockets, want 1", n)
	}
}

func TestReadyWaitsForFirstResultsAndNotForBackendsToBeUp(t *testing.T) {
	release := make(chan struct{})
	backends, port := harness.Fleet(t, 1)
	backends[0].Stop()
	backends[0].Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	backends[0].Start()
	s := harness.Start(t, harness.Corefile(fmt.Sprintf("ready 127.0.0.1:0\nrrhealth www.example.org {\nbackend %s\ncheck http://:%s/\ninterval 1h\ntimeout 1m\n}", backends[0].IP(), port)))
	if s.Ready() {
		t.Error("ready before the first result")
	}
	close(release)
	harness.Eventually(t, "ready after a first result, though it is a failure", s.Ready)
	harness.Eventually(t, "the backend is down", func() bool {
		return harness.Metric(t, "coredns_rrhealth_backend_state", "state", "down") == 1
	})
	if !s.Ready() {
		t.Error("not ready because a backend is down")
	}
}

// handlerOf returns the one handler that lives.
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
