package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"
)

// A fact is one line about the machine in the report.
type fact struct{ name, value string }

// machine returns the hardware and the versions that were measured. A value
// that cannot be read is "unknown".
func machine(ctx context.Context, coredns string, c cores) []fact {
	version := firstOf(output(ctx, coredns, "-version"))
	facts := []fact{
		{"date", time.Now().UTC().Format("2006-01-02")},
		{"processor", fmt.Sprintf("%s, %d cores", processor(), cpus(c))},
		{"pinning", c.String()},
		{"kernel", "Linux " + firstOf(read("/proc/sys/kernel/osrelease"))},
		{"CoreDNS", strings.TrimPrefix(version, "CoreDNS-")},
		{"Go", strings.TrimPrefix(runtime.Version(), "go")},
		{"dnsperf", after(output(ctx, "dnsperf", "-h"), "Version ")},
	}
	for _, p := range []string{"gdnsd", "pdns-server", "bind9"} {
		if v := output(ctx, "dpkg-query", "-W", "-f", "${Version}", p); v != "" {
			facts = append(facts, fact{p, v})
		}
	}
	return facts
}

// cpus returns the number of cores in use: those of c, or all that this process
// may use if nothing is pinned.
func cpus(c cores) int {
	if c.all == "" {
		return runtime.NumCPU()
	}
	return strings.Count(string(c.all), ",") + 1
}

// processor returns the model name of the processor.
func processor() string {
	for line := range strings.Lines(read("/proc/cpuinfo")) {
		if key, value, _ := strings.Cut(line, ":"); strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}

// loadAverage returns the load average of the last minute. If it is above the
// number of cores, rates are random and only CPU times are comparable.
func loadAverage() string {
	load, _, _ := strings.Cut(firstOf(read("/proc/loadavg")), " ")
	return load
}

// read returns the text of a file, or "" if it cannot be read.
func read(path string) string {
	text, err := os.ReadFile(path) // #nosec G304 -- named in this file
	if err != nil {
		return ""
	}
	return string(text)
}

// output returns what a command prints, or "" if it fails.
func output(ctx context.Context, argv ...string) string {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...) // #nosec G204 -- named in this file
	out, _ := cmd.Output()
	return string(out)
}

// firstOf returns the first line of text.
func firstOf(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	if line == "" {
		return "unknown"
	}
	return line
}

// after returns the text between word and the end of its line.
func after(text, word string) string {
	_, rest, _ := strings.Cut(text, word)
	return firstOf(rest)
}
