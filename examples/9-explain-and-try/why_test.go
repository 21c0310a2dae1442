//go:build linux

// Package why tests the example in this folder.
package why

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/rrhealth/rrhealth/examples/internal/lab"
)

const name = "www.example.org."

// A server is the name server's machine, on which rrhealthctl runs.
type server struct {
	*lab.Lab
	ns, client *lab.Host
	program    string
}

// rrhealthctl runs the command on the machine of the name server. The error is that
// of a command that failed, with what it printed to stderr.
func (s server) rrhealthctl(args ...string) (string, error) {
	s.T.Helper()
	out, err := s.ns.Run("env", append([]string{"DIR=" + s.Dir, s.program, "--control", s.Dir + "/control"}, args...)...)
	s.T.Logf("rrhealthctl %s: %v\n%s", strings.Join(args, " "), err, out)
	return out, err
}

// explained returns the addresses that explain prints for the next answer, and the
// words of the line about each backend.
func (s server) explained() (answer []string, backends map[string][]string) {
	s.T.Helper()
	out, err := s.rrhealthctl("explain", name, "--client", s.client.Addr())
	if err != nil {
		s.T.Fatal(err)
	}
	backends = make(map[string][]string)
	for line := range strings.Lines(out) {
		words := strings.Fields(line)
		switch {
		case len(words) > 1 && words[0] == "answer":
			answer = words[1:]
		case len(words) > 2 && strings.HasPrefix(words[0], "10."):
			backends[words[0]] = words[1:]
		}
	}
	return answer, backends
}

func TestExplainIsRightAndTryChangesNothing(t *testing.T) {
	l := lab.New(t)
	s := server{Lab: l, ns: l.Host("ns", "10.0.0.53"), client: l.Host("client", "10.9.0.1"), program: l.Dir + "/rrhealthctl"}
	if out, err := exec.Command("go", "build", "-o", s.program, "../../cmd/rrhealthctl").CombinedOutput(); err != nil { // #nosec G204 -- our own arguments
		t.Fatalf("%v\n%s", err, out)
	}
	webs := []*lab.Web{l.Host("web1", "10.1.0.1").Web(80), l.Host("web2", "10.2.0.1").Web(80), l.Host("web3", "10.3.0.1").Web(80)}
	s.ns.CoreDNS("Corefile", "DIR="+l.Dir)
	l.Hold(s.program + " --control " + l.Dir + "/control explain www.example.org")

	same, asked := 0, 0
	expect := func(what string, want []string, rules map[string]string) {
		t.Helper()
		l.Eventually(what, func() bool {
			got, err := s.client.Lookup(s.ns.Addr(), name)
			slices.Sort(got)
			return err == nil && slices.Equal(got, want)
		})
		for range 3 {
			next, backends := s.explained()
			got, err := s.client.Lookup(s.ns.Addr(), name)
			if asked++; err == nil && slices.Equal(got, next) {
				same++
			} else {
				t.Errorf("%s: the client gets %v (%v), explain printed %v", what, got, err, next)
			}
			for addr, rule := range rules {
				if words := backends[addr]; len(words) < 2 || words[1] != rule {
					t.Errorf("%s: %s is explained by %v, want the rule %s", what, addr, words, rule)
				}
			}
		}
	}
	expect("both are up", []string{"10.1.0.1", "10.2.0.1"}, map[string]string{"10.1.0.1": "up", "10.2.0.1": "up", "10.3.0.1": "tier"})
	webs[0].Stop()
	expect("one is down", []string{"10.2.0.1"}, map[string]string{"10.1.0.1": "down", "10.2.0.1": "up", "10.3.0.1": "tier"})
	if out, err := s.rrhealthctl("whatif", "--down", "10.2.0.1"); err != nil || !strings.Contains(out, "10.3.0.1") {
		t.Errorf("whatif: %v\n%s", err, out)
	}
	if _, err := s.rrhealthctl("drain", "10.2.0.1", "--for", "1h"); err != nil {
		t.Error(err)
	}
	expect("the other is drained", []string{"10.3.0.1"}, map[string]string{"10.1.0.1": "down", "10.2.0.1": "override", "10.3.0.1": "up"})
	lab.Report(t, lab.Row{Scenario: "9 explain and try", Killed: "one web server, the other drained; explain before each answer", Detection: -1, Failed: asked - same, Of: asked})

	out, err := s.rrhealthctl("try", "Corefile.next")
	if err == nil {
		t.Error("try of a Corefile whose backends are all down succeeds")
	}
	for _, want := range []string{"http://:8080/health", "connection refused", "shop.example.org."} {
		if !strings.Contains(out, want) {
			t.Errorf("try prints no %q", want)
		}
	}
	if got, err := s.client.Lookup(s.ns.Addr(), name); err != nil || !slices.Equal(got, []string{"10.3.0.1"}) {
		t.Errorf("the client gets %v (%v) after try", got, err)
	}
}
