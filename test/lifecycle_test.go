package test

import (
	"fmt"
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
		if t.Failed() { // their stacks show why they are too many
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
