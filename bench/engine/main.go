//go:build linux

// Command engine measures what probing costs: CPU, memory, goroutines and
// lateness of plugin/monitor with plugin/probe, compared with HAProxy's checks
// of the same servers at the same interval. It also measures how long the
// detection of a failure takes.
//
// It starts three kinds of processes, one after another: a backend, which is
// every server at once; a prober, which runs only the engine; and HAProxy. The
// CPU time and the memory of a process are read from /proc over a window that
// begins after the first round. The backend counts the probes in that time, if
// possible for both probers. All probes go to addresses in 127.0.0.0/8, and the
// backend listens on the loopback interface only.
//
// With QUICK=1 in the environment it takes less than a minute, otherwise less
// than six.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"time"
)

// A load is one line of the table: how many servers are probed, and how often.
type load struct {
	kind     string
	targets  int
	interval time.Duration
	window   time.Duration
}

func loads() []load {
	sizes := []load{
		{"", 1000, time.Second, 6 * time.Second},
		{"", 10_000, 10 * time.Second, 8 * time.Second},
		{"", 100_000, 30 * time.Second, 12 * time.Second},
	}
	if os.Getenv("QUICK") != "" {
		sizes = []load{{"", 1000, time.Second, 3 * time.Second}, {"", 2000, 2 * time.Second, 3 * time.Second}}
	}
	all := make([]load, 0, 2*len(sizes))
	for _, kind := range []string{"tcp", "http"} {
		for _, l := range sizes {
			l.kind = kind
			all = append(all, l)
		}
	}
	return all
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	run := measure
	if len(os.Args) > 1 {
		run = map[string]func(context.Context) error{"backend": backend, "prober": prober}[os.Args[1]]
	}
	if run == nil {
		fmt.Fprintf(os.Stderr, "engine: unknown argument %q: start it without arguments\n", os.Args[1])
		os.Exit(2)
	}
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "engine:", err)
		os.Exit(1)
	}
}

// measure prints the whole report.
func measure(ctx context.Context) error {
	back, err := startBackend(ctx)
	if err != nil {
		return err
	}
	defer back.stop()
	fmt.Printf("%d × %s, Linux %s, %s, %s, load average before %s\n\n",
		runtime.NumCPU(), cpu(), kernel(), runtime.Version(), haproxyVersion(ctx), proc("loadavg"))
	fmt.Println("| check | servers | interval | prober | probes/s | CPU s per million probes | RSS MiB | goroutines | lateness p50 | p99 |")
	fmt.Println("|---|---|---|---|---|---|---|---|---|---|")
	for _, l := range loads() {
		for _, subject := range []struct {
			name  string
			start func(context.Context, load, *peer) (*peer, error)
		}{{"rrhealth", startProber}, {"HAProxy", startHAProxy}} {
			row, err := l.measure(ctx, back, subject.start)
			if err != nil {
				row = []string{err.Error()}
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
			fmt.Printf("| %s | %d | %v | %s | %s |\n", l.kind, l.targets, l.interval, subject.name, strings.Join(row, " | "))
		}
	}
	fmt.Println()
	return detect(ctx)
}

// measure starts one prober and measures it after its first round.
//
// HAProxy resets a tcp check before the handshake is complete, so the backend
// does not count it. Its number of probes is then computed from the interval
// (marked ≈), provided that HAProxy reports the servers as up.
func (l load) measure(ctx context.Context, back *peer, start func(context.Context, load, *peer) (*peer, error)) ([]string, error) {
	p, err := start(ctx, l, back)
	if err != nil {
		return nil, err
	}
	defer p.stop()
	// The time for the first round, and for reading the configuration.
	sleep(ctx, l.interval+time.Second+time.Duration(l.targets)*50*time.Microsecond)
	if p.command != nil {
		p.ask("begin")
	}
	cpu0, probes0, began := p.cpu(), back.count(l.kind), time.Now()
	sleep(ctx, l.window)
	cpu1, probes1, took := p.cpu(), back.count(l.kind), time.Since(began)
	rss := p.rss()
	if p.command == nil {
		switch up := p.servers(); {
		case up < l.targets/2:
			return nil, fmt.Errorf("only %d of the servers are up: %s", up, p.lastError())
		case up < l.targets:
			fmt.Fprintf(os.Stderr, "HAProxy: %d of %d servers are up: %s\n", up, l.targets, p.lastError())
		}
	}
	mark, probes := "", float64(probes1-probes0)
	if p.command == nil && l.kind == "tcp" {
		mark, probes = "≈", float64(l.targets)*took.Seconds()/l.interval.Seconds()
	}
	row := []string{
		fmt.Sprintf("%s%.0f", mark, probes/took.Seconds()),
		fmt.Sprintf("%s%.0f", mark, (cpu1-cpu0).Seconds()/probes*1e6),
		fmt.Sprintf("%.0f", float64(rss)/(1<<20)),
	}
	if p.command == nil {
		return append(row, "–", "–", "–"), nil
	}
	return append(row, strings.Fields(p.ask("end"))...), nil
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
