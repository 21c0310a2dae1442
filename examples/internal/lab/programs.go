//go:build linux

package lab

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// programs are the running programs of a host.
type programs struct{ running []*Process }

// A Process is a program that runs on a host.
type Process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when it has exited
}

// Start starts a program that runs until the test ends.
func (h *Host) Start(name string, args ...string) *Process {
	h.lab.T.Helper()
	cmd := h.command(context.Background(), name, args...)
	out := &prefixed{to: h.lab, prefix: h.Name + ": "}
	cmd.Stdout, cmd.Stderr = out, out
	// A process group of its own: Kill ends it with its workers, and Ctrl-C
	// goes to the test only.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		h.lab.T.Fatal(err)
	}
	p := &Process{cmd: cmd, done: make(chan struct{})}
	go func() {
		_ = cmd.Wait()
		close(p.done)
	}()
	h.running = append(h.running, p)
	return p
}

// Kill ends the program and its children at once, as a crash does.
func (p *Process) Kill() {
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	select {
	case <-p.done:
	case <-time.After(10 * time.Second):
	}
}

func (p *programs) kill() {
	for _, r := range p.running {
		r.Kill()
	}
}

// A prefixed writer puts the host's name before each line.
type prefixed struct {
	to     *Lab
	prefix string
}

func (w *prefixed) Write(b []byte) (int, error) {
	for line := range bytes.Lines(b) {
		if _, err := w.to.Write(append([]byte(w.prefix), line...)); err != nil {
			return 0, err
		}
	}
	return len(b), nil
}

// CoreDNS starts CoreDNS with rrhealth on the host, with the Corefile at path,
// and waits until it answers.
func (h *Host) CoreDNS(path string, env ...string) *Process {
	t := h.lab.T
	t.Helper()
	path, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	args := append(env, program(t), "-conf", path)
	p := h.Start("env", args...)
	h.Answers(p)
	return p
}

// Answers waits until a DNS server replies at the first address of the host.
func (h *Host) Answers(p *Process) {
	h.lab.T.Helper()
	m := new(dns.Msg).SetQuestion("version.server.", dns.TypeTXT)
	m.Question[0].Qclass = dns.ClassCHAOS
	h.lab.Eventually(h.Name+" answers", func() bool {
		select {
		case <-p.done:
			h.lab.T.Fatalf("the DNS server on %s has exited", h.Name)
		default:
		}
		_, err := h.Exchange(m, h.Addr(), 200*time.Millisecond)
		return err == nil
	})
}

// Unbound starts a resolver on the host. It appends conf to the configuration,
// which ends in the server clause.
func (h *Host) Unbound(conf string) *Process {
	h.lab.T.Helper()
	path := h.lab.File("unbound-"+h.Name+".conf", fmt.Sprintf(`server:
	interface: %s
	access-control: 10.0.0.0/8 allow
	do-daemonize: no
	use-syslog: no
	logfile: ""
	username: ""
	chroot: ""
	directory: %q
	pidfile: ""
	do-ip6: no
	do-not-query-localhost: no
%s`, h.Addr(), h.lab.Dir, conf))
	p := h.Start("unbound", "-p", "-d", "-c", path)
	h.Answers(p)
	return p
}

// program returns the CoreDNS of this repository.
func program(t *testing.T) string {
	t.Helper()
	path := os.Getenv("RRHEALTH_COREDNS")
	if path == "" {
		t.Fatal("RRHEALTH_COREDNS is not set: start the test with ./run or make examples, which build CoreDNS")
	}
	return path
}
