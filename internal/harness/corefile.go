package harness

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/coredns/caddy"

	"github.com/rrhealth/rrhealth/internal/lease"
)

// Quick makes probing quick: most tests are about what happens, not about when.
const Quick = "interval 200ms fast 100ms\ntimeout 150ms\n"

// Corefile puts stanza into a server block for example.org on loopback.
func Corefile(stanza string) string {
	return "example.org:0 {\n    bind 127.0.0.1\n    errors\n" + strings.TrimRight(stanza, "\n") + "\n}\n"
}

// Zone writes a zone file for example.org and returns its name.
func Zone(t testing.TB, records string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "db.example.org")
	if err := os.WriteFile(file, []byte("$ORIGIN example.org.\n$TTL 300\n"+records+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// Validate reads a Corefile as CoreDNS does at start, without starting it.
func Validate(corefile string) error {
	return caddy.ValidateAndExecuteDirectives(input(corefile), nil, true)
}

// Refused returns the error that CoreDNS has for corefile when it starts, which
// is about all server blocks. A corefile that is accepted is not started.
func Refused(t testing.TB, corefile string) error {
	t.Helper()
	if Validate(corefile) == nil {
		return nil
	}
	inst, err := caddy.Start(input(corefile))
	if err == nil {
		(&Server{t: t, inst: inst}).Stop()
		t.Errorf("started a Corefile that is refused when it is validated:\n%s", corefile)
	}
	return err
}

func input(corefile string) caddy.Input {
	return caddy.CaddyfileInput{Filepath: "Corefile", Contents: []byte(corefile), ServerTypeName: "dns"}
}

// Heads of server blocks with port 0, and the addresses in them.
var (
	headOnPort0 = regexp.MustCompile(`(?m)^[ \t]*(?:[^ \t]+:0,?[ \t]+)+\{$`)
	onPort0     = regexp.MustCompile(`(?:([a-z]+)://)?([^ \t]+):0\b`)
)

// withPorts gives server blocks on port 0 a port of the test's own, one for each
// transport. CoreDNS sets SO_REUSEPORT: for port 0 the system may give it a UDP
// port on which another test's server listens, and shares the queries out.
func (s *Server) withPorts(corefile string) string {
	return headOnPort0.ReplaceAllStringFunc(corefile, func(head string) string {
		return onPort0.ReplaceAllStringFunc(head, func(addr string) string {
			transport, _, _ := strings.Cut(addr, "://")
			if transport == addr {
				transport = "dns"
			}
			if s.ports[transport] == "" {
				s.ports[transport] = lease.Port(s.t, "127.0.0.1")
			}
			return strings.TrimSuffix(addr, "0") + s.ports[transport]
		})
	})
}
