//go:build linux

package main

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// haproxyConfig is the smallest configuration that HAProxy accepts: an unused
// frontend, and the servers. HAProxy reserves a descriptor for each check; with
// strict limits it would refuse to start if the system allows fewer, although
// it never uses all at once.
const haproxyConfig = `global
    maxconn 100
    no strict-limits
    stats socket %s
    stats timeout 30s
defaults
    mode %s
    timeout connect 3s
    timeout client 3s
    timeout server 3s
    timeout check 3s
%sfrontend unused
    bind unix@%s
    default_backend b0
`

const haproxyHTTP = `    option httpchk GET /
    http-check send hdr User-Agent bench hdr Host bench.example
    http-check expect status 200-399
`

// perBackend is the number of servers in one backend of HAProxy. With 100,000
// servers in one backend HAProxy reads its configuration for minutes.
const perBackend = 1000

func haproxyVersion(ctx context.Context) string {
	out, err := exec.CommandContext(ctx, "haproxy", "-v").Output()
	if err != nil {
		return "no HAProxy"
	}
	words := strings.Fields(string(out))
	if len(words) < 3 {
		return "HAProxy"
	}
	return "HAProxy " + words[2]
}

// startHAProxy starts an HAProxy that checks the same servers at the same
// interval.
func startHAProxy(ctx context.Context, l load, back *peer) (*peer, error) {
	binary, err := exec.LookPath("haproxy")
	if err != nil {
		return nil, fmt.Errorf("not measured: haproxy is not installed (Debian: apt-get install haproxy)")
	}
	dir, err := os.MkdirTemp("", "bench-engine")
	if err != nil {
		return nil, err
	}
	p := &peer{cleanup: func() { _ = os.RemoveAll(dir) }, stats: filepath.Join(dir, "stats.sock")}
	file := filepath.Join(dir, "haproxy.cfg")
	if err := writeConfig(file, p.stats, filepath.Join(dir, "unused.sock"), l, back.ports); err != nil {
		p.cleanup()
		return nil, err
	}
	p.cmd = exec.CommandContext(ctx, binary, "-db", "-f", file) // #nosec G204 -- our own arguments
	p.cmd.Stderr = &p.errors
	return p, p.cmd.Start()
}

// servers returns how many servers HAProxy reports as up.
func (p *peer) servers() int {
	c, err := net.Dial("unix", p.stats)
	if err != nil {
		return 0
	}
	defer c.Close()
	fmt.Fprintln(c, "show stat -1 4 -1")
	n := 0
	for in := bufio.NewScanner(c); in.Scan(); {
		if strings.Contains(in.Text(), "L4OK") || strings.Contains(in.Text(), "L7OK") {
			n++
		}
	}
	return n
}

func writeConfig(file, stats, unused string, l load, ports string) error {
	f, err := os.Create(file) // #nosec G304 -- in a directory of our own
	if err != nil {
		return err
	}
	defer f.Close()
	w := bufio.NewWriter(f)
	port, other, _ := strings.Cut(ports, " ")
	options := ""
	if l.kind == "http" {
		port, options = other, haproxyHTTP
	}
	fmt.Fprintf(w, haproxyConfig, stats, l.kind, options, unused)
	for i := range l.targets {
		if i%perBackend == 0 {
			fmt.Fprintf(w, "backend b%d\n", i/perBackend)
		}
		fmt.Fprintf(w, "    server s%d %s:%s check inter %dms\n", i, address(i), port, l.interval.Milliseconds())
	}
	return w.Flush()
}
