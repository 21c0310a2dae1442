package rrhealth

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// program returns the path of a program that a test needs. A person who lacks
// it sees the test skipped; in CI that would be a test that nobody misses.
func program(t *testing.T, name, debianPackage string) string {
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

// run runs a program in dir and returns what it printed.
func run(t *testing.T, dir, path string, args ...string) string {
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

// A daemon is a program in the background.
type daemon struct {
	cmd *exec.Cmd
	out bytes.Buffer
}

// background starts a program and has it ended with the test.
func background(t *testing.T, path string, args ...string) *daemon {
	t.Helper()
	d := &daemon{cmd: exec.Command(path, args...)} // #nosec G204 -- a test's own
	d.cmd.Stdout, d.cmd.Stderr = &d.out, &d.out
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = d.cmd.Process.Kill()
		_ = d.cmd.Wait()
		if t.Failed() {
			t.Logf("%s said:\n%s", path, tail(d.out.String()))
		}
	})
	return d
}

// tail returns the end of a long text.
func tail(text string) string {
	const most = 4000
	return text[max(0, len(text)-most):]
}

// An asker sends queries over one UDP socket.
type asker struct {
	t    *testing.T
	conn *dns.Conn
}

func newAsker(t *testing.T, addr string) *asker {
	t.Helper()
	c := dns.Client{UDPSize: dns.MaxMsgSize, Timeout: 20 * time.Second}
	conn, err := c.Dial(addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &asker{t, conn}
}

func (a *asker) exchange(m *dns.Msg) *dns.Msg {
	a.t.Helper()
	c := dns.Client{UDPSize: dns.MaxMsgSize, Timeout: 20 * time.Second}
	r, _, err := c.ExchangeWithConn(m, a.conn)
	if err != nil {
		a.t.Fatalf("asking for %s: %v", m.Question[0].String(), err)
	}
	return r
}
