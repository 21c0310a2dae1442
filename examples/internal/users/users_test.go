//go:build linux

// Package users measures the effect on clients when one of three servers is cut
// off: for how long requests through a caching resolver (unbound) are slow.
package users

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/examples/internal/lab"
)

const (
	name = "www.example.org."
	// slow is the duration from which a request counts as slow: it tried the
	// server that is cut off.
	slow = time.Second
)

// A setting is a configuration of the checks, and the times that must follow
// from it.
type setting struct {
	title, lines string
	ttl          uint32        // of answers with all up
	interval     time.Duration // the phase of the probes is anywhere in it
	bar          time.Duration // the latest start of a slow request
	phases       []uint32      // of unbound's cache: the TTL that is left
}

var (
	fast = setting{
		title: "interval 2s fast 500ms timeout 500ms", lines: "interval 2s fast 500ms\ntimeout 500ms\n",
		ttl: 4, interval: 2 * time.Second, bar: 8 * time.Second,
	}
	defaults = setting{title: "defaults", ttl: 7, interval: 5 * time.Second, bar: 20 * time.Second}
)

// TestTheLastSlowRequest drops the packets of one of three servers at several
// phases of unbound's cache. With USERS=all it measures every phase of both
// settings, for some minutes; otherwise two phases of the fast setting.
func TestTheLastSlowRequest(t *testing.T) {
	settings := []setting{fast}
	if os.Getenv("USERS") == "all" {
		settings = append(settings, defaults)
	}
	for _, s := range settings {
		s.phases = []uint32{s.ttl, 1}
		if os.Getenv("USERS") == "all" {
			for s.phases = nil; len(s.phases) <= int(s.ttl); {
				s.phases = append(s.phases, s.ttl-uint32(len(s.phases))) // #nosec G115 -- a handful
			}
		}
		t.Run(s.title, func(t *testing.T) { s.measure(t) })
	}
}

// A network is three servers, the name server, unbound before it, and a client.
type network struct {
	*lab.Lab
	ns, resolver, client *lab.Host
	servers              []*server
}

// A server is one of the three. It records when it was last probed.
type server struct {
	*lab.Host
	probed atomic.Int64
}

// serve answers requests, including the checks of the name server.
func (s *server) serve(ns string) {
	s.Serve(80, func(w http.ResponseWriter, r *http.Request) {
		if host, _, _ := net.SplitHostPort(r.RemoteAddr); host == ns {
			s.probed.Store(time.Now().UnixNano())
		}
		fmt.Fprintln(w, s.Name)
	})
}

// lastProbed returns the server whose last probe is the most recent: if it
// fails now, its detection takes the longest of the three.
func (n *network) lastProbed() *lab.Host {
	last := slices.MaxFunc(n.servers, func(a, b *server) int { return cmp.Compare(a.probed.Load(), b.probed.Load()) })
	return last.Host
}

func build(t *testing.T, lines string) *network {
	t.Helper()
	l := lab.New(t, "unbound")
	n := &network{Lab: l, ns: l.Host("ns", "10.0.0.53"), resolver: l.Host("resolver", "10.0.0.1"), client: l.Host("client", "10.9.0.1")}
	var addrs []string
	for i := range 3 {
		s := &server{Host: l.Host(fmt.Sprintf("web%d", i+1), fmt.Sprintf("10.1.0.%d", i+1))}
		s.serve(n.ns.Addr())
		n.servers, addrs = append(n.servers, s), append(addrs, s.Addr())
	}
	n.ns.CoreDNS(l.File("Corefile", "example.org {\nrrhealth www.example.org {\nbackend "+strings.Join(addrs, " ")+"\ncheck http://:80/\n"+lines+"}\nerrors\n}\n"))
	n.resolver.Unbound("stub-zone:\n name: example.org\n stub-addr: " + n.ns.Addr() + "\n")
	return n
}

func (s setting) measure(t *testing.T) {
	t.Helper()
	n := build(t, s.lines)
	for _, phase := range s.phases {
		n.settled(s)
		time.Sleep(rand.N(s.interval))
		c := n.crowd()
		n.phase(phase)
		gone := n.lastProbed()
		cut := time.Now()
		n.Cut(gone)
		// The test measures times: it runs until the bar, and 4 s longer.
		time.Sleep(s.bar + 4*time.Second)
		n.Restore()
		c.stop()
		s.report(t, c, phase, gone.Addr(), cut)
	}
}

// settled waits until all servers are in the answers, also in those of the
// resolver.
func (n *network) settled(s setting) {
	n.T.Helper()
	for _, server := range []string{n.ns.Addr(), n.resolver.Addr()} {
		n.Eventually("all three addresses are answered by "+server, func() bool {
			r, err := n.client.Ask(server, name, dns.TypeA)
			return err == nil && len(lab.Addrs(r)) == 3 && (server != n.ns.Addr() || ttl(r) == s.ttl)
		})
	}
}

func ttl(r *dns.Msg) uint32 {
	if len(r.Answer) == 0 {
		return 0
	}
	return r.Answer[0].Header().Ttl
}

// phase waits until the TTL in the cache of the resolver has just become left.
func (n *network) phase(left uint32) {
	n.T.Helper()
	before := left
	n.Eventually(fmt.Sprintf("a TTL of %d is left", left), func() bool {
		r, err := n.client.Ask(n.resolver.Addr(), name, dns.TypeA)
		if err != nil {
			return false
		}
		now := ttl(r)
		just := now == left && before != left
		before = now
		return just
	})
}

// A crowd is clients that make fifty requests a second, each with a lookup and
// a connection of its own, independent of the results of earlier ones.
type crowd struct {
	network  *network
	cancel   context.CancelFunc
	running  sync.WaitGroup
	mu       sync.Mutex
	requests []request
}

// A request is one request of the crowd.
type request struct {
	at    time.Time
	first string // the address that it tried first
	addrs int    // how many the answer had
	ttl   uint32 // of the answer
	took  time.Duration
	err   error
}

func (n *network) crowd() *crowd {
	ctx, cancel := context.WithCancel(context.Background())
	c := &crowd{network: n, cancel: cancel}
	n.T.Cleanup(c.stop)
	c.running.Go(func() {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for ctx.Err() == nil {
			c.running.Go(c.request)
			select {
			case <-tick.C:
			case <-ctx.Done():
			}
		}
	})
	return c
}

func (c *crowd) stop() {
	c.cancel()
	c.running.Wait()
}

// request works as curl does: a lookup, then one address after the other.
func (c *crowd) request() {
	client := c.network.client
	r := request{at: time.Now()}
	answer, err := client.Ask(c.network.resolver.Addr(), name, dns.TypeA)
	if r.err = err; err == nil {
		addrs := lab.Addrs(answer)
		r.ttl, r.addrs = ttl(answer), len(addrs)
		for i, a := range addrs {
			if i == 0 {
				r.first = a
			}
			if _, r.err = client.Get(net.JoinHostPort(a, "80"), name); r.err == nil {
				break
			}
		}
	}
	r.took = time.Since(r.at)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.requests = append(c.requests, r)
}

// report logs, and checks, the requests after one server was cut off.
func (s setting) report(t *testing.T, c *crowd, phase uint32, gone string, cut time.Time) {
	t.Helper()
	slices.SortFunc(c.requests, func(a, b request) int { return a.at.Compare(b.at) })
	var last time.Duration
	var all, slowed, failed, stalled int
	fetched, before := "", ^uint32(0)
	for _, r := range c.requests {
		if r.at.Before(cut) {
			continue
		}
		all++
		since := r.at.Sub(cut)
		if r.err == nil && r.ttl > before {
			fetched += fmt.Sprintf(" %.1f s: %d addresses, TTL %d;", since.Seconds(), r.addrs, r.ttl)
		}
		before = r.ttl
		switch {
		case r.err != nil:
			failed++
			last = since
		case r.took > slow && r.first == gone:
			slowed++
			last = since
		case r.took > slow:
			stalled++ // the machine was busy
		}
	}
	t.Logf("%s, %d s left in the cache: last slow request begins after %.1f s; %d requests, %d slow, %d failed, %d slow for other reasons; then unbound fetched, after%s",
		s.title, phase, last.Seconds(), all, slowed, failed, stalled, fetched)
	if slowed == 0 {
		t.Errorf("no request was slow: the server was not cut off")
	}
	if last > s.bar {
		t.Errorf("the last slow request begins after %v, want %v at most", last, s.bar)
	}
	lab.Report(t, lab.Row{
		Scenario: "users, " + s.title, Killed: fmt.Sprintf("one of three, packets dropped, %d s left in unbound's cache", phase),
		Detection: last, Bound: s.bar, Failed: failed, Of: all,
	})
}
