package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"
)

// answerTimeout is how long dnsperf waits for an answer.
const answerTimeout = time.Second

// clients is how many clients dnsperf simulates: sockets, each with a port.
const clients = 8

// needDnsperf installs dnsperf if it is missing and this process may do so.
func needDnsperf(ctx context.Context) error {
	if _, err := exec.LookPath("dnsperf"); err == nil {
		return nil
	}
	const advice = "dnsperf is missing; install it (Debian: apt-get install dnsperf) and start again"
	if _, err := exec.LookPath("apt-get"); err != nil || os.Geteuid() != 0 {
		return errors.New(advice)
	}
	progress("installing dnsperf")
	cmd := exec.CommandContext(ctx, "apt-get", "install", "--yes", "--no-install-recommends", "dnsperf")
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	out, err := cmd.CombinedOutput()
	if err == nil {
		_, err = exec.LookPath("dnsperf")
	}
	if err != nil {
		return fmt.Errorf("%s: apt-get: %w\n%s", advice, err, bytes.TrimSpace(out))
	}
	return nil
}

// An outcome has the statistics that dnsperf prints.
type outcome struct {
	sent, completed, lost int
	failed                int // completed with another rcode than NOERROR
	rate                  float64
	latencies             []time.Duration // only if load.verbose
}

// A load describes one run of dnsperf.
type load struct {
	port    int
	queries string // a file
	length  time.Duration
	rate    int  // queries a second; 0 for as many as possible
	verbose bool // print the latency of each query
}

// args returns the arguments for dnsperf.
func (l load) args() []string {
	args := []string{
		"-s", "127.0.0.1", "-p", strconv.Itoa(l.port), "-d", l.queries, "-e",
		"-c", strconv.Itoa(clients), "-T", "1", "-t", strconv.Itoa(int(answerTimeout.Seconds())),
		"-l", strconv.FormatFloat(l.length.Seconds(), 'f', -1, 64),
	}
	if l.rate > 0 {
		// At a fixed rate late answers must not delay further queries, or the
		// latencies would be those of a lighter load. With more than 250 in
		// flight, queries would be lost in the socket buffer of the server.
		args = append(args, "-Q", strconv.Itoa(l.rate), "-q", "250")
	}
	if l.verbose {
		args = append(args, "-v")
	}
	return args
}

// perf runs dnsperf on the client's cores.
func perf(ctx context.Context, c cores, l load) (outcome, error) {
	// A server that hangs must not block the bench: a run takes its length, and
	// the timeout of its last queries.
	ctx, cancel := context.WithTimeout(ctx, l.length+10*time.Second)
	defer cancel()
	cmd := c.client.command(ctx, append([]string{"dnsperf"}, l.args()...))
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		return outcome{}, fmt.Errorf("dnsperf: %w: %s", err, bytes.TrimSpace(errs.Bytes()))
	}
	res, err := parsePerf(bytes.NewReader(out))
	if l.verbose {
		// A lost query counts with the time that its client waited.
		res.latencies = append(res.latencies, slices.Repeat([]time.Duration{answerTimeout}, res.lost)...)
	}
	return res, err
}

// parsePerf reads the output of dnsperf.
func parsePerf(r io.Reader) (outcome, error) {
	var res outcome
	found := 0
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		line := lines.Text()
		if strings.HasPrefix(line, "> ") {
			if d, ok := latency(line); ok {
				res.latencies = append(res.latencies, d)
			}
			continue
		}
		known, err := res.take(line)
		if err != nil {
			return res, fmt.Errorf("dnsperf: line %q: %w", line, err)
		}
		if known {
			found++
		}
	}
	if err := lines.Err(); err != nil {
		return res, err
	}
	// If there was no answer, dnsperf prints no response codes.
	if want := 5; found < want && res.completed > 0 || found < want-1 {
		return res, fmt.Errorf("dnsperf: got %d of the %d lines of its statistics", found, want)
	}
	return res, nil
}

// take reads one line of the statistics, and reports whether it is one of those
// that the bench needs.
func (o *outcome) take(line string) (known bool, err error) {
	key, value, _ := strings.Cut(strings.TrimSpace(line), ":")
	fields := strings.Fields(value)
	if len(fields) == 0 {
		return false, nil
	}
	switch key {
	case "Queries sent":
		o.sent, err = strconv.Atoi(fields[0])
	case "Queries completed":
		o.completed, err = strconv.Atoi(fields[0])
	case "Queries lost":
		o.lost, err = strconv.Atoi(fields[0])
	case "Queries per second":
		o.rate, err = strconv.ParseFloat(fields[0], 64)
	case "Response codes":
		o.failed, err = failures(fields)
	default:
		return false, nil
	}
	return true, err
}

// latency reads a line such as "> NOERROR www.example.org A 0.000123".
func latency(line string) (time.Duration, bool) {
	fields := strings.Fields(line)
	s, err := strconv.ParseFloat(fields[len(fields)-1], 64)
	return time.Duration(s * float64(time.Second)), err == nil
}

// failures returns how many are not NOERROR in "NOERROR 9 (90.00%), SERVFAIL 1
// (10.00%)".
func failures(fields []string) (int, error) {
	n := 0
	for i := 0; i+1 < len(fields); i += 3 {
		count, err := strconv.Atoi(fields[i+1])
		if err != nil {
			return 0, err
		}
		if fields[i] != "NOERROR" {
			n += count
		}
	}
	return n, nil
}
