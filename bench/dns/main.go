// Command dns measures how fast rrhealth answers, compared with other plugins
// of CoreDNS and with other servers, all on this machine.
//
//	go run ./bench/dns            # up to 15 minutes
//	QUICK=1 go run ./bench/dns    # 2 minutes, to see that it works
//
// A rate depends more on the machine and its other users than on the server.
// So the bench starts every server once, each on a port of its own, and
// measures all of them in rounds, in a new random order each time. The report
// has the ratio to the whoami plugin, which is the floor of CoreDNS, in the same
// round: the median, the minimum and the maximum. Servers run on one core and
// the client on the others, if there are others. A server whose answers are not
// as expected is not measured, and the report has a note.
//
// The second part queries at half the greatest rate and measures the latency,
// with and without thousands of probes a second at the same time.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// A plan has the duration of each part.
type plan struct {
	total   time.Duration // of all, the build included
	storm   time.Duration // of that, for the probe storm
	measure time.Duration // one server in one round
	warm    time.Duration // the same, before the first round
	latency time.Duration // one server in one round of the storm
	rounds  int           // at most
}

var (
	fullPlan  = plan{14*time.Minute + 30*time.Second, 150 * time.Second, 2 * time.Second, time.Second, 5 * time.Second, 12}
	quickPlan = plan{110 * time.Second, 35 * time.Second, 400 * time.Millisecond, 200 * time.Millisecond, 2 * time.Second, 3}
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench/dns:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	out := flag.String("out", "", "directory for results.md and results.svg (bench/dns, or build/bench-dns with QUICK=1)")
	binary := flag.String("coredns", "", "measure this CoreDNS instead of building cmd/coredns")
	only := flag.String("only", "", "measure only subjects that have one of these words (comma-separated) in their name; storm is the probe storm; whoami is always measured")
	port := flag.Int("connect", 0, "do not measure; open as many connections a second to this port of loopback as the greatest probe storm")
	flag.Parse()
	if *port != 0 {
		return connect(ctx, *port, slices.Max(stormSizes))
	}
	p, place := fullPlan, "bench/dns"
	if q := os.Getenv("QUICK"); q != "" && q != "0" {
		p, place = quickPlan, "build/bench-dns"
	}
	start := time.Now()
	root, err := moduleRoot(ctx)
	if err != nil {
		return err
	}
	if *out == "" {
		*out = filepath.Join(root, place)
	}
	if *binary == "" {
		if *binary, err = build(ctx, root); err != nil {
			return err
		}
	}
	if err := needDnsperf(ctx); err != nil {
		return err
	}
	b, err := newBench(ctx, *binary, p)
	if err != nil {
		return err
	}
	defer b.close()
	r, err := b.measure(subjects(*only), wanted(*only, "storm"), start.Add(p.total))
	if ctx.Err() != nil {
		return errors.New("interrupted, nothing written")
	}
	if err != nil {
		return err
	}
	r.duration = time.Since(start).Round(time.Second)
	return publish(*r, *out)
}

// moduleRoot returns the directory of go.mod, from any directory of the tree.
func moduleRoot(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	mod := strings.TrimSpace(string(out))
	if err != nil || filepath.Base(mod) != "go.mod" {
		return "", fmt.Errorf("go env GOMOD: got %q, want a go.mod; run this inside the source tree (%v)", mod, err)
	}
	return filepath.Dir(mod), nil
}

// build builds cmd/coredns and returns the path of the binary.
func build(ctx context.Context, root string) (string, error) {
	progress("building cmd/coredns")
	binary := filepath.Join(root, "build", "coredns")
	cmd := exec.CommandContext(ctx, "go", "build", "-o", binary, "./cmd/coredns") // #nosec G204 -- our own tree
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build ./cmd/coredns: %w\n%s", err, out)
	}
	return binary, nil
}

// publish prints the tables and writes the files.
func publish(r report, dir string) error {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	files := map[string]func(io.Writer, report) error{"results.md": writeMarkdown, "results.svg": writeSVG}
	for name, write := range files {
		var text strings.Builder
		if err := write(&text, r); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text.String()), 0o644); err != nil { // #nosec G306 -- for the tree
			return err
		}
	}
	if err := writeTable(os.Stdout, r); err != nil {
		return err
	}
	progress("written: %s, %s", filepath.Join(dir, "results.md"), filepath.Join(dir, "results.svg"))
	return nil
}

// progress prints a line about the progress to standard error.
func progress(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "%s %s\n", time.Now().Format("15:04:05"), fmt.Sprintf(format, args...))
}
