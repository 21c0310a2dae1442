//go:build linux

// Command engine measures what probing costs: CPU, memory, goroutines and
// lateness of plugin/monitor with plugin/probe, beside HAProxy's checks of the
// same servers at the same interval, and how long a death goes unnoticed.
//
// It starts three kinds of processes, one after another: a backend, which is
// every server at once; a prober, which is our engine and nothing else; and
// HAProxy. What a process used is read from /proc over a window that begins
// after the first round; how many probes it made in that time is counted by
// the backend, for both alike where it can be. Only addresses in 127.0.0.0/8 are asked, and the
// backend listens on the loopback interface alone.
//
// With QUICK=1 in the environment it takes less than a minute, else less than
// six.
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

// A load is one line of the table: how many servers, how often.
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
		fmt.Fprintf(os.Stderr, "engine: %q: unknown argument, want none\n", os.Args[1])
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
		for _, who := range []struct {
			name  string
			start func(context.Context, load, *peer) (*peer, error)
		}{{"rrhealth", startProber}, {"HAProxy", startHAProxy}} {
			row, err := l.measure(ctx, back, who.start)
			if err != nil {
				row = []string{err.Error()}
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
			fmt.Printf("| %s | %d | %v | %s | %s |\n", l.kind, l.targets, l.interval, who.name, strings.Join(row, " | "))
		}
	}
	fmt.Println()
	return detect(ctx)
}

// measure starts one prober and looks at it once its first round is over.
//
// HAProxy resets a tcp check before the handshake is through, so the backend
// never hears of it. There its probes are reckoned from the interval (marked ≈,
// and HAProxy has said that the servers are up).
func (l load) measure(ctx context.Context, back *peer, start func(context.Context, load, *peer) (*peer, error)) ([]string, error) {
	p, err := start(ctx, l, back)
	if err != nil {
		return nil, err
	}
	defer p.stop()
	// The first round, and what a process takes to read its configuration.
	sleep(ctx, l.interval+time.Second+time.Duration(l.targets)*50*time.Microsecond)
	if p.command != nil {
		p.ask("begin")
	}
	cpu0, probes0, began := p.cpu(), back.count(l.kind), time.Now()
	sleep(ctx, l.window)
	cpu1, probes1, took := p.cpu(), back.count(l.kind), time.Since(began)
	rss := p.rss()
	if p.command == nil {
		switch well := p.servers(); {
		case well < l.targets/2:
			return nil, fmt.Errorf("only %d of the servers are up: %s", well, p.complaint())
		case well < l.targets:
			fmt.Fprintf(os.Stderr, "HAProxy: %d of %d servers are up: %s\n", well, l.targets, p.complaint())
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
