//go:build linux

package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/rrhealth/rrhealth/plugin/monitor"
	"github.com/rrhealth/rrhealth/plugin/verdict"
)

const (
	kills    = 200
	interval = time.Second // these are 10s, 2s and 3s, ten times as fast
	fast     = 200 * time.Millisecond
	timeout  = 300 * time.Millisecond
	fall     = 3
)

// detect kills 200 servers, at any time of their interval, and prints how long
// it took until the verdict was down: half of them refuse from then on, half
// take the connection and do not answer.
func detect(ctx context.Context) error {
	servers, port, err := fleet(kills)
	if err != nil {
		return err
	}
	check, asks, err := checkOf("http://:"+strconv.Itoa(port)+"/", interval, fast, timeout)
	if err != nil {
		return err
	}
	c := &coroner{died: make(map[netip.Addr]time.Time), took: make(map[netip.Addr]time.Duration)}
	m := monitor.New(c)
	defer m.Stop()
	m.Do(func() {
		for i := range servers {
			m.Acquire(victim(i), check, asks)
		}
	})
	sleep(ctx, 3*interval)
	for i, s := range servers {
		sleep(ctx, rand.N(2*interval/kills*2))
		c.kill(victim(i), s, i%2 == 0)
	}
	sleep(ctx, 3*interval)
	m.Do(func() {}) // what the engine has seen is told
	fmt.Println("| 200 deaths, interval 1s fast 200ms timeout 300ms fall 3 | noticed | min | median | p99 | max | bound |")
	fmt.Println("|---|---|---|---|---|---|---|")
	refused := interval*11/10 + (fall-1)*fast*11/10
	hung := interval*11/10 + (fall-1)*max(fast*11/10, timeout) + timeout
	c.report("refuses: 1.1 interval + 2 × 1.1 fast", 0, refused)
	c.report("hangs: 1.1 interval + 2 × max(1.1 fast, timeout) + timeout", 1, hung)
	return ctx.Err()
}

// victim returns the i-th server's address.
func victim(i int) netip.Addr { return netip.AddrFrom4([4]byte{127, 200, byte(i >> 8), byte(i)}) } // #nosec G115 -- it is meant

// A server answers HTTP on one address until it is killed.
type server struct {
	listener net.Listener
	hung     chan struct{} // closed when it answers no more
}

// fleet starts n servers on one port.
func fleet(n int) ([]*server, int, error) {
	var all []*server
	port := 0
	for i := range n {
		l, err := net.Listen("tcp4", net.JoinHostPort(victim(i).String(), strconv.Itoa(port)))
		if err != nil {
			return nil, 0, err
		}
		port = l.Addr().(*net.TCPAddr).Port
		s := &server{l, make(chan struct{})}
		go s.serve()
		all = append(all, s)
	}
	return all, port, nil
}

func (s *server) serve() {
	for {
		c, err := s.listener.Accept()
		if err != nil {
			return
		}
		select {
		case <-s.hung:
			go func() { _, _ = io.Copy(io.Discard, c); _ = c.Close() }()
		default:
			go reply(c)
		}
	}
}

// A coroner notes when who died, and when it was noticed.
type coroner struct {
	mu   sync.Mutex
	died map[netip.Addr]time.Time
	took map[netip.Addr]time.Duration
}

func (c *coroner) kill(addr netip.Addr, s *server, refuse bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.died[addr] = time.Now()
	if refuse {
		_ = s.listener.Close()
		return
	}
	close(s.hung)
}

// Probed implements monitor.Sink.
func (c *coroner) Probed(monitor.Result) {}

// Changed implements monitor.Sink.
func (c *coroner) Changed(changes []monitor.Change) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, change := range changes {
		addr := change.Target.Addr
		if died, ok := c.died[addr]; ok && change.After.State == verdict.Down {
			c.took[addr] = time.Since(died)
		}
	}
}

// report prints the line of the deaths that are odd, or even.
func (c *coroner) report(how string, odd int, bound time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var took []time.Duration
	for addr, d := range c.took {
		if int(addr.As4()[3])%2 == odd {
			took = append(took, d.Round(time.Millisecond))
		}
	}
	if len(took) == 0 {
		fmt.Printf("| %s | 0 | – | – | – | – | %v |\n", how, bound)
		return
	}
	slices.Sort(took)
	n := len(took)
	fmt.Printf("| %s | %d of %d | %v | %v | %v | %v | %v |\n", how, n, kills/2, took[0], took[n/2], took[n*99/100], took[n-1], bound)
}
