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
	failures = 200
	interval = time.Second // a tenth of 10s, 2s and 3s, as are fast and timeout
	fast     = 200 * time.Millisecond
	timeout  = 300 * time.Millisecond
	fall     = 3
)

// detect makes 200 servers fail, at random times of their interval, and prints
// how long it took until each verdict was down. Half of the servers then refuse
// connections, half accept them and do not answer.
func detect(ctx context.Context) error {
	servers, port, err := fleet(failures)
	if err != nil {
		return err
	}
	check, asks, err := checkOf("http://:"+strconv.Itoa(port)+"/", interval, fast, timeout)
	if err != nil {
		return err
	}
	d := &detector{failed: make(map[netip.Addr]time.Time), took: make(map[netip.Addr]time.Duration)}
	m := monitor.New(d)
	defer m.Stop()
	m.Do(func() {
		for i := range servers {
			m.Acquire(serverAddr(i), check, asks)
		}
	})
	sleep(ctx, 3*interval)
	for i, s := range servers {
		sleep(ctx, rand.N(2*interval/failures*2))
		d.fail(serverAddr(i), s, i%2 == 0)
	}
	sleep(ctx, 3*interval)
	m.Do(func() {}) // wait for the changes that are queued
	fmt.Println("| 200 failures, interval 1s fast 200ms timeout 300ms fall 3 | detected | min | median | p99 | max | bound |")
	fmt.Println("|---|---|---|---|---|---|---|")
	refused := interval*11/10 + (fall-1)*fast*11/10
	hung := interval*11/10 + (fall-1)*max(fast*11/10, timeout) + timeout
	d.report("refuses: 1.1 interval + 2 × 1.1 fast", 0, refused)
	d.report("hangs: 1.1 interval + 2 × max(1.1 fast, timeout) + timeout", 1, hung)
	return ctx.Err()
}

// serverAddr returns the i-th server's address.
func serverAddr(i int) netip.Addr { return netip.AddrFrom4([4]byte{127, 200, byte(i >> 8), byte(i)}) } // #nosec G115 -- truncation is intended

// A server answers HTTP on one address until it fails.
type server struct {
	listener net.Listener
	hung     chan struct{} // closed when it stops answering
}

// fleet starts n servers on one port.
func fleet(n int) ([]*server, int, error) {
	var all []*server
	port := 0
	for i := range n {
		l, err := net.Listen("tcp4", net.JoinHostPort(serverAddr(i).String(), strconv.Itoa(port)))
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

// A detector records when each server failed, and how long the engine took to
// report it as down.
type detector struct {
	mu     sync.Mutex
	failed map[netip.Addr]time.Time
	took   map[netip.Addr]time.Duration
}

func (d *detector) fail(addr netip.Addr, s *server, refuse bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.failed[addr] = time.Now()
	if refuse {
		_ = s.listener.Close()
		return
	}
	close(s.hung)
}

// Probed implements monitor.Sink.
func (d *detector) Probed(monitor.Result) {}

// Changed implements monitor.Sink.
func (d *detector) Changed(changes []monitor.Change) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, change := range changes {
		addr := change.Target.Addr
		if failed, ok := d.failed[addr]; ok && change.After.State == verdict.Down {
			d.took[addr] = time.Since(failed)
		}
	}
}

// report prints the line of the servers with odd, or with even, addresses.
func (d *detector) report(how string, odd int, bound time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var took []time.Duration
	for addr, t := range d.took {
		if int(addr.As4()[3])%2 == odd {
			took = append(took, t.Round(time.Millisecond))
		}
	}
	if len(took) == 0 {
		fmt.Printf("| %s | 0 | – | – | – | – | %v |\n", how, bound)
		return
	}
	slices.Sort(took)
	n := len(took)
	fmt.Printf("| %s | %d of %d | %v | %v | %v | %v | %v |\n", how, n, failures/2, took[0], took[n/2], took[n*99/100], took[n-1], bound)
}
