package deploy_test

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// A composed is a running composition.
type composed struct {
	t       *testing.T
	project string
}

// testTheComposeFile starts the composition, and stops one server in each of
// three ways. The image of rrhealth is already built.
func testTheComposeFile(t *testing.T) {
	t.Setenv("TAG", tag)
	t.Setenv("DNS_PORT", "10053")
	t.Setenv("METRICS_PORT", "19153")
	c := composed{t: t, project: fmt.Sprintf("rrh%d", os.Getpid())}
	t.Cleanup(func() { _, _ = c.try("down", "--volumes", "--timeout", "5") })
	c.run("build", "web1")
	c.run("up", "--detach", "--no-build")

	const (
		server = "172.30.53.53:53"
		name   = "www.example.org."
		web1   = "172.30.53.11"
		web2   = "172.30.53.12"
		web3   = "172.30.53.13"
	)
	settled(t, server, name, web1, web2, web3)
	settled(t, "127.0.0.1:10053", name, web1, web2, web3)
	if metrics := run(t, time.Minute, "curl", "--silent", "--fail", "http://127.0.0.1:19153/metrics"); !strings.Contains(metrics, "coredns_rrhealth_backend_up") {
		t.Error("the published metrics have no coredns_rrhealth_backend_up")
	}

	for _, tc := range []struct {
		what       string
		away, back func()
		left       []string
	}{
		{"stopped", func() { c.run("stop", "--timeout", "1", "web1") }, func() { c.run("start", "web1") }, []string{web2, web3}},
		{"paused", func() { c.run("pause", "web2") }, func() { c.run("unpause", "web2") }, []string{web1, web3}},
		{
			"cut off the network", func() { docker(t, "network", "disconnect", c.network(), c.id("web3")) },
			func() { docker(t, "network", "connect", "--ip", web3, c.network(), c.id("web3")) },
			[]string{web1, web2},
		},
	} {
		tc.away()
		gone := settled(t, server, name, tc.left...)
		tc.back()
		t.Logf("a server %s: gone after %v, back after %v", tc.what, gone, settled(t, server, name, web1, web2, web3))
	}
	ok, failed := c.requests()
	t.Logf("the client's requests: %d answered, %d failed", ok, failed)
	if ok == 0 {
		t.Errorf("no request of the client succeeded:\n%s", c.run("logs", "client"))
	}
}

func (c composed) try(args ...string) (string, error) {
	words := append(composeCommand(), "--project-name", c.project, "--file", "compose/compose.yaml")
	return try(10*time.Minute, words[0], append(words[1:], args...)...)
}

// composeCommand returns the command of Compose: docker-compose, or else the
// plugin of docker.
func composeCommand() []string {
	if _, err := exec.LookPath("docker-compose"); err == nil {
		return []string{"docker-compose"}
	}
	return []string{"docker", "compose"}
}

func (c composed) run(args ...string) string {
	c.t.Helper()
	out, err := c.try(args...)
	if err != nil {
		c.t.Fatalf("compose %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

func (c composed) network() string { return c.project + "_servers" }

// id returns the container of a service.
func (c composed) id(service string) string {
	c.t.Helper()
	return c.run("ps", "--quiet", service)
}

// requests returns the numbers of the client's requests from its log.
func (c composed) requests() (ok, failed int) {
	out := docker(c.t, "logs", c.id("client"))
	return strings.Count(out, "ok "), strings.Count(out, "FAILED ")
}
