//go:build linux

package main

import (
	"bufio"
	"context"
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/rrhealth/rrhealth/plugin/monitor"
	"github.com/rrhealth/rrhealth/plugin/probe"
	"github.com/rrhealth/rrhealth/plugin/verdict"
)

// address returns the i-th server's address: 127.1.0.0 and up.
func address(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{127, byte(1 + i>>16), byte(i >> 8), byte(i)}) // #nosec G115 -- truncation is intended
}

// url returns the check of a kind at a backend's port.
func url(kind, ports string) string {
	tcp, http, _ := strings.Cut(ports, " ")
	if kind == "http" {
		return "http://:" + http + "/"
	}
	return "tcp://:" + tcp
}

func startProber(ctx context.Context, l load, back *peer) (*peer, error) {
	return startSelf(ctx, "prober", url(l.kind, back.ports), strconv.Itoa(l.targets), l.interval.String())
}

// prober probes a number of servers. The command "begin" starts the recording.
// The command "end" prints the maximum of goroutines, and how late the probes
// were.
func prober(ctx context.Context) error {
	n, err := strconv.Atoi(os.Args[3])
	if err != nil {
		return err
	}
	interval, err := time.ParseDuration(os.Args[4])
	if err != nil {
		return err
	}
	check, asks, err := checkOf(os.Args[2], interval, interval/5, min(3*time.Second, interval*3/10))
	if err != nil {
		return err
	}
	rec := new(recorder)
	m := monitor.New(rec)
	defer m.Stop()
	m.Do(func() {
		for i := range n {
			m.Acquire(address(i), check, asks)
		}
	})
	go rec.watch(ctx)
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		m.Do(func() {
			if in.Text() == "end" {
				fmt.Println(rec.report())
				return
			}
			fmt.Println("begun")
			rec.open, rec.delays = true, rec.delays[:0]
			rec.most.Store(0)
		})
	}
	return nil
}

// checkOf returns the check that the Corefile's parser makes of a check line.
func checkOf(url string, interval, fast, timeout time.Duration) (monitor.Check, monitor.Probe, error) {
	c, err := probe.Parse(probe.Spec{Args: []string{url}, Name: "bench.example."})
	if err != nil {
		return monitor.Check{}, nil, err
	}
	return monitor.Check{
		ID: c.ID, Interval: interval, Fast: fast, Timeout: timeout, Rule: verdict.Rule{Rise: 2, Fall: 3},
	}, monitor.Probe(c.Probe), nil
}

// A recorder records the lateness of probes and the number of goroutines.
type recorder struct {
	open    bool
	delays  []time.Duration
	failed  int
	most    atomic.Int64 // goroutines
	example error
}

// Probed implements monitor.Sink.
func (b *recorder) Probed(r monitor.Result) {
	if !b.open {
		return
	}
	b.delays = append(b.delays, r.Delay)
	if r.Err != nil {
		b.failed++
		b.example = r.Err
	}
}

// Changed implements monitor.Sink.
func (b *recorder) Changed([]monitor.Change) {}

func (b *recorder) watch(ctx context.Context) {
	for ctx.Err() == nil {
		b.most.Store(max(b.most.Load(), int64(runtime.NumGoroutine())))
		sleep(ctx, 5*time.Millisecond)
	}
}

func (b *recorder) report() string {
	if b.failed > 0 {
		fmt.Fprintf(os.Stderr, "%d of %d probes failed: %v\n", b.failed, len(b.delays), b.example)
	}
	if len(b.delays) == 0 {
		return ""
	}
	slices.Sort(b.delays)
	of := func(percent int) string { return b.delays[len(b.delays)*percent/100].Round(time.Microsecond).String() }
	return fmt.Sprintf("%d %s %s", b.most.Load(), of(50), of(99))
}
