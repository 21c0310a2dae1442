//go:build linux

// Package lab builds networks for the examples' tests: hosts in network
// namespaces, joined by a switch that can drop all packets of a host.
//
// Loopback addresses would not do: a host that is cut off must send nothing, and
// a closed port of loopback sends "connection refused".
package lab

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A Lab is one network. It is removed when its test ends.
type Lab struct {
	T      *testing.T
	Dir    string // for files of the programs
	prefix string // of its namespaces
	hosts  []*Host

	mu     sync.Mutex
	output bytes.Buffer // of the programs, shown if the test fails
}

// New makes a network without hosts. It skips the test unless EXAMPLES is set,
// so that `go test ./...` is quick and needs no privileges. It also skips the
// test without root or one of the programs; if CI is set it fails instead.
func New(t *testing.T, programs ...string) *Lab {
	t.Helper()
	if os.Getenv("EXAMPLES") == "" {
		t.Skip("needs root and other programs: run it with ./run, or all with make examples")
	}
	if held {
		t.Skip("another network was held")
	}
	lack := func(what string) {
		t.Helper()
		if os.Getenv("CI") != "" {
			t.Fatal(what)
		}
		t.Skip(what)
	}
	if os.Getuid() != 0 {
		lack("needs root, for network namespaces")
	}
	for _, p := range append([]string{"ip", "nft"}, programs...) {
		if _, err := exec.LookPath(p); err != nil {
			lack("needs " + p + " (examples/README.md lists the packages)")
		}
	}
	sweep()
	// Not t.TempDir: programs that drop root cannot read there.
	dir, err := os.MkdirTemp("", "rrh-lab-") //nolint:usetesting // see above
	if err != nil {
		t.Fatal(err)
	}
	l := &Lab{T: t, Dir: dir, prefix: fmt.Sprintf("rrh-%d-", os.Getpid())}
	if err := os.Chmod(dir, 0o755); err != nil { // #nosec G302 -- programs that drop root read here
		t.Fatal(err)
	}
	t.Cleanup(l.close)
	l.must("ip", "netns", "add", l.prefix+"sw")
	l.inSwitch("ip", "link", "add", "name", "sw0", "type", "bridge")
	l.inSwitch("ip", "link", "set", "sw0", "up")
	l.inSwitch("nft", "add table bridge cut; add chain bridge cut forward { type filter hook forward priority 0; }")
	return l
}

// close ends every program, removes every namespace, and logs the output of the
// programs if the test failed.
func (l *Lab) close() {
	for _, h := range l.hosts {
		h.kill()
	}
	for _, h := range l.hosts {
		remove(l.prefix + h.Name)
	}
	remove(l.prefix + "sw")
	_ = os.RemoveAll(l.Dir)
	if l.T.Failed() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.T.Logf("output of the programs:\n%s", l.output.String())
	}
}

var ours = regexp.MustCompile(`^rrh-(\d+)-`)

// sweep removes the namespaces of tests that were killed.
func sweep() {
	out, _ := exec.Command("ip", "netns", "list").Output()
	for line := range strings.Lines(string(out)) {
		name := strings.Fields(line + " -")[0]
		m := ours.FindStringSubmatch(name)
		if m == nil {
			continue
		}
		pid, _ := strconv.Atoi(m[1])
		if syscall.Kill(pid, 0) != nil {
			pids, _ := exec.Command("ip", "netns", "pids", name).Output() // #nosec G204 -- our own names
			for p := range strings.FieldsSeq(string(pids)) {
				if n, err := strconv.Atoi(p); err == nil {
					_ = syscall.Kill(n, syscall.SIGKILL)
				}
			}
			remove(name)
		}
	}
}

func remove(namespace string) {
	_ = exec.Command("ip", "netns", "delete", namespace).Run() // #nosec G204 -- our own names
	_ = os.RemoveAll(filepath.Join("/etc/netns", namespace))
}

// must runs a program, and fails the test if the program fails.
func (l *Lab) must(name string, args ...string) {
	l.T.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil { // #nosec G204 -- our own arguments
		l.T.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}

func (l *Lab) inSwitch(args ...string) {
	l.T.Helper()
	l.must("ip", append([]string{"netns", "exec", l.prefix + "sw"}, args...)...)
}

// File writes a file for a program, and returns its path.
func (l *Lab) File(name, content string) string {
	l.T.Helper()
	path := filepath.Join(l.Dir, name)
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil { // #nosec G306 -- programs that drop root read it
		l.T.Fatal(err)
	}
	return path
}

// Path returns the absolute path of a file of the example, for programs that
// need one.
func (l *Lab) Path(name string) string {
	l.T.Helper()
	path, err := filepath.Abs(name)
	if err != nil {
		l.T.Fatal(err)
	}
	return path
}

// Hold keeps the network until Ctrl-C, for `./run hold`, and prints how to
// enter its hosts and the command try.
func (l *Lab) Hold(try string) {
	if os.Getenv("HOLD") == "" {
		return
	}
	fmt.Println("\nThe network is up. Try, from another shell:")
	for _, h := range l.hosts {
		fmt.Printf("  sudo ip netns exec %s%s sh     # %s, %s\n", l.prefix, h.Name, h.Name, strings.Join(h.Addrs, " "))
	}
	fmt.Printf("and in that shell:\n  %s\nCtrl-C ends it.\n", try)
	c := make(chan os.Signal, 1)
	signal.Notify(c, os.Interrupt, syscall.SIGTERM)
	<-c
	held = true
	l.T.SkipNow()
}

// held is true after a network was held: then no further one is built.
var held bool

// Write keeps the output of programs. It implements io.Writer.
func (l *Lab) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.output.Write(p)
}

// Eventually waits until ok returns true, for up to 30 s because the machine
// may be slow.
func (l *Lab) Eventually(what string, ok func() bool) {
	l.T.Helper()
	deadline := time.Now().Add(30 * time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		if time.Now().After(deadline) {
			l.T.Fatalf("condition not met within 30 s: %s", what)
		}
		<-tick.C
	}
}
