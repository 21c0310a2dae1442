package harness

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/coredns/coredns/coremain"
	"github.com/miekg/dns"
)

// Program returns the path of a program that a test needs. Without it the test
// is skipped, but it fails in CI: there a skipped test would not be noticed.
func Program(t testing.TB, name, debianPackage string) string {
	t.Helper()
	for _, candidate := range []string{name, "/usr/sbin/" + name} {
		if path, err := exec.LookPath(candidate); err == nil {
			return path
		}
	}
	message := "no " + name + ": apt-get install " + debianPackage
	if os.Getenv("CI") != "" {
		t.Fatal(message)
	}
	t.Skip(message)
	return ""
}

// Run runs a program in dir and returns what it printed.
func Run(t testing.TB, dir, path string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", path, args, err, out)
	}
	return string(out)
}

// Background starts a program and ends it with the test. If the test fails, the
// end of the program's output is logged.
func Background(t testing.TB, path string, args ...string) {
	t.Helper()
	var out bytes.Buffer
	cmd := exec.Command(path, args...) // #nosec G204 -- a test's own
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("output of %s:\n%s", path, tail(out.String()))
		}
	})
}

// tail returns the end of a long text.
func tail(text string) string {
	const most = 4000
	return text[max(0, len(text)-most):]
}

// An Asker sends queries over one UDP socket.
type Asker struct {
	Conn *dns.Conn
	t    testing.TB
}

// NewAsker returns an Asker for the server at addr.
func NewAsker(t testing.TB, addr string) *Asker {
	t.Helper()
	c := dns.Client{UDPSize: dns.MaxMsgSize, Timeout: patience}
	conn, err := c.Dial(addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &Asker{conn, t}
}

// Exchange sends m and returns the reply.
func (a *Asker) Exchange(m *dns.Msg) *dns.Msg {
	a.t.Helper()
	c := dns.Client{UDPSize: dns.MaxMsgSize, Timeout: patience}
	r, _, err := c.ExchangeWithConn(m, a.Conn)
	if err != nil {
		a.t.Fatalf("asking for %s: %v", m.Question[0].String(), err)
	}
	return r
}

// Since reports whether the CoreDNS under test is at least of this version (see
// scripts/compat).
func Since(major, minor int) bool {
	var haveMajor, haveMinor int
	_, _ = fmt.Sscanf(coremain.CoreVersion, "%d.%d", &haveMajor, &haveMinor)
	return haveMajor > major || haveMajor == major && haveMinor >= minor
}
