package test

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rrhealth/rrhealth/internal/harness"
	"github.com/rrhealth/rrhealth/internal/lease"
)

// Some tasks of TestABusyMachineTakesNoHealthyBackendOut are processes of their
// own. starvedRole names the task of each, starvedNet the beginning of the
// backends' addresses, starvedPort the port that they listen on, and starvedNice
// how nice the server is.
const (
	starvedRole = "RRHEALTH_TEST_STARVED"
	starvedNet  = "RRHEALTH_TEST_STARVED_NET"
	starvedPort = "RRHEALTH_TEST_STARVED_PORT"
	starvedNice = "RRHEALTH_TEST_STARVED_NICE"
)

// The last numbers of the backends' addresses: a hundred for which the kernel
// answers, one that refuses, one that is silent.
const (
	starvedHealthy = 100
	starvedRefuses = 101
	starvedSilent  = 102
)

const (
	// starvedListens is the line by which the backends report that they listen.
	starvedListens = "they listen"
	// starvedWithin is how long it may take, beside busy loops, to know that a
	// backend is down: a second and a half with nothing beside.
	starvedWithin = 10 * time.Second
)

// TestABusyMachineTakesNoHealthyBackendOut: busy loops hold every core while a
// hundred backends that answer at once are probed with a timeout of 100 ms. None
// may go down. One that refuses and one that is silent go down all the same.
//
// In the second run the loops have priority, and the server stands still for
// hundreds of milliseconds at a time. There it may take any time to know that a
// backend is down, but none that is healthy may be taken for it.
//
// It takes the machine from everything else, so it runs where STARVE says for
// how long.
func TestABusyMachineTakesNoHealthyBackendOut(t *testing.T) {
	switch os.Getenv(starvedRole) {
	case "burn":
		for { //nolint:staticcheck,revive // its task
		}
	case "listen":
		listenStarved(t)
		return
	case "probe":
		probeStarved(t)
		return
	}
	if os.Getenv("STARVE") == "" {
		t.Skip("holds every core: run it with make starve")
	}
	host := lease.Net(t)
	port := lease.Port(t, host+"1")
	overflowing(t, fmt.Sprint(host, starvedSilent), port)
	listeners := starvedTask(t, "listen", host, port)
	out, err := listeners.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	inBackground(t, listeners)
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != starvedListens+"\n" {
		t.Fatalf("the backends: %q, %v", line, err)
	}
	for range runtime.NumCPU() {
		inBackground(t, starvedTask(t, "burn", host, port))
	}
	for _, nice := range []string{"0", "19"} {
		t.Run("nice "+nice, func(t *testing.T) {
			c := starvedTask(t, "probe", host, port)
			c.Env = append(c.Env, starvedNice+"="+nice)
			c.Args = append([]string{"nice", "-n", nice}, append(c.Args, "-test.v")...)
			if c.Path, err = exec.LookPath("nice"); err != nil {
				t.Fatal(err)
			}
			output, err := c.CombinedOutput()
			t.Logf("%s", output)
			if err != nil {
				t.Error(err)
			}
		})
	}
}

// starvedTask returns this test as a process with another task.
func starvedTask(t *testing.T, role, host, port string) *exec.Cmd {
	t.Helper()
	name, _, _ := strings.Cut(t.Name(), "/")
	c := exec.Command(os.Args[0], "-test.run", "^"+name+"$", "-test.timeout", "1h") // #nosec G204 -- this test itself
	c.Env = append(os.Environ(), starvedRole+"="+role, starvedNet+"="+host, starvedPort+"="+port)
	return c
}

// inBackground runs c until the test ends.
func inBackground(t *testing.T, c *exec.Cmd) {
	t.Helper()
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Process.Kill()
		_ = c.Wait()
	})
}

// probeStarved is the server. It runs for as long as STARVE says.
func probeStarved(t *testing.T) {
	t.Helper()
	length, err := time.ParseDuration(os.Getenv("STARVE"))
	if err != nil {
		t.Fatal(err)
	}
	host := os.Getenv(starvedNet)
	backends := ""
	for i := range starvedSilent {
		backends += fmt.Sprint(" ", host, i+1)
	}
	began := time.Now()
	harness.Start(t, harness.Corefile(fmt.Sprintf("rrhealth www.example.org {\nbackend%s\ninterval 500ms fast 200ms\ntimeout 100ms\ncheck tcp://:%s\n}\n", backends, os.Getenv(starvedPort))))
	refuses, silent := fmt.Sprint(host, starvedRefuses), fmt.Sprint(host, starvedSilent)
	downAfter := make(map[string]time.Duration)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for time.Since(began) < length {
		<-tick.C
		for _, addr := range []string{refuses, silent} {
			if downAfter[addr] == 0 && isDown(t, addr) {
				downAfter[addr] = time.Since(began).Round(time.Millisecond)
			}
		}
	}
	t.Logf("%v: probes %v; down after: refuses %v, silent %v", length, counted(t, "probes_total", "result"), downAfter[refuses], downAfter[silent])
	if os.Getenv(starvedNice) == "0" {
		for _, addr := range []string{refuses, silent} {
			if downAfter[addr] == 0 || downAfter[addr] > starvedWithin {
				t.Errorf("%s is down after %v, want within %v", addr, downAfter[addr], starvedWithin)
			}
		}
	}
	for addr, n := range counted(t, "transitions_total", "backend", "to", "down") {
		if addr != refuses && addr != silent && n > 0 {
			t.Errorf("%s is healthy, and was taken out %v times", addr, n)
		}
	}
}

// isDown reports whether the backend addr is down.
func isDown(t *testing.T, addr string) bool {
	t.Helper()
	return harness.Metric(t, "coredns_rrhealth_backend_state", "backend", addr, "state", "down") == 1
}

// counted sums up a counter by one of its labels, where another has a value.
func counted(t *testing.T, name, by string, where ...string) map[string]float64 {
	t.Helper()
	families, err := prometheus.DefaultGatherer.Gather()
	if err != nil {
		t.Fatal(err)
	}
	sums := make(map[string]float64)
	for _, f := range families {
		if f.GetName() != "coredns_rrhealth_"+name {
			continue
		}
		for _, m := range f.GetMetric() {
			labels := make(map[string]string)
			for _, l := range m.GetLabel() {
				labels[l.GetName()] = l.GetValue()
			}
			if len(where) == 0 || labels[where[0]] == where[1] {
				sums[labels[by]] += m.GetCounter().GetValue()
			}
		}
	}
	return sums
}

// listenStarved is the healthy backends, until it is killed.
func listenStarved(t *testing.T) {
	t.Helper()
	for i := range starvedHealthy {
		l, err := net.Listen("tcp", fmt.Sprintf("%s%d:%s", os.Getenv(starvedNet), i+1, os.Getenv(starvedPort)))
		if err != nil {
			t.Fatal(err)
		}
		accept(l, func(net.Conn) {})
	}
	fmt.Println(starvedListens)
	select {}
}
