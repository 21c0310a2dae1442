//go:build linux

package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A Host is a machine of the network, with its own addresses and programs.
type Host struct {
	Name  string
	Addrs []string // IPv4, in 10.0.0.0/8 or 192.0.2.0/24, which all hosts reach directly
	// Subnet is the client subnet in the host's queries (RFC 7871), as in those
	// of a resolver. With the zero value the queries have no such option.
	Subnet netip.Prefix

	lab  *Lab
	port string // of the switch
	programs
}

// Host adds a machine.
func (l *Lab) Host(name string, addrs ...string) *Host {
	l.T.Helper()
	h := &Host{Name: name, Addrs: addrs, lab: l, port: fmt.Sprintf("port%d", len(l.hosts))}
	l.hosts = append(l.hosts, h)
	ns := l.prefix + name
	l.must("ip", "netns", "add", ns)
	l.inSwitch("ip", "link", "add", "name", h.port, "type", "veth", "peer", "name", "eth0", "netns", ns)
	l.inSwitch("ip", "link", "set", h.port, "master", "sw0", "up")
	for _, dev := range []string{"lo", "eth0"} {
		l.must("ip", "-n", ns, "link", "set", dev, "up")
	}
	for _, a := range addrs {
		l.must("ip", "-n", ns, "address", "add", a+"/8", "dev", "eth0")
	}
	l.must("ip", "-n", ns, "route", "add", "default", "dev", "eth0")
	return h
}

// Addr is the first address.
func (h *Host) Addr() string { return h.Addrs[0] }

// Resolver makes programs on h resolve names through the server at addr.
func (h *Host) Resolver(addr string) {
	h.lab.T.Helper()
	dir := filepath.Join("/etc/netns", h.lab.prefix+h.Name)
	if err := os.MkdirAll(dir, 0o755); err != nil { // #nosec G301 -- as /etc itself
		h.lab.T.Fatal(err)
	}
	conf := "nameserver " + addr + "\noptions timeout:2 attempts:2\n"
	if err := os.WriteFile(filepath.Join(dir, "resolv.conf"), []byte(conf), 0o644); err != nil { // #nosec G306 -- as /etc/resolv.conf
		h.lab.T.Fatal(err)
	}
}

// Cut drops every packet from and to hosts, at the switch, all at one time.
// Clients get no answer, as from a machine without power. ARP passes: so no
// client gets "no route to host", as with a router in between.
func (l *Lab) Cut(hosts ...*Host) {
	l.T.Helper()
	var rules strings.Builder
	for _, h := range hosts {
		fmt.Fprintf(&rules, "add rule bridge cut forward iifname %q ether type != arp drop\n", h.port)
		fmt.Fprintf(&rules, "add rule bridge cut forward oifname %q ether type != arp drop\n", h.port)
	}
	l.inSwitch("nft", "-f", l.File("cut.nft", rules.String()))
}

// Restore lets all packets pass again.
func (l *Lab) Restore() {
	l.T.Helper()
	l.inSwitch("nft", "flush chain bridge cut forward")
}

// inside calls f on a thread in the network of the host. Sockets that f opens
// stay in that network.
func (h *Host) inside(f func() error) error {
	runtime.LockOSThread()
	home, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return err
	}
	defer home.Close()
	there, err := os.Open(filepath.Join("/run/netns", h.lab.prefix+h.Name))
	if err != nil {
		return err
	}
	defer there.Close()
	if err := unix.Setns(int(there.Fd()), unix.CLONE_NEWNET); err != nil {
		return err
	}
	err = f()
	if back := unix.Setns(int(home.Fd()), unix.CLONE_NEWNET); back != nil {
		return back // still locked, so that the thread ends with its goroutine
	}
	runtime.UnlockOSThread()
	return err
}

// Dial connects from the host.
func (h *Host) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	var conn net.Conn
	err := h.inside(func() (err error) {
		conn, err = (&net.Dialer{}).DialContext(ctx, network, addr)
		return err
	})
	return conn, err
}

// A Web is an HTTP server on a host.
type Web struct {
	host *Host
	addr string
	h    http.HandlerFunc
	srv  *http.Server
}

// Web starts an HTTP server on the host's first address that answers each
// request with the host's name.
func (h *Host) Web(port int) *Web {
	h.lab.T.Helper()
	return h.Serve(port, func(rw http.ResponseWriter, _ *http.Request) { fmt.Fprintln(rw, h.Name) })
}

// Serve starts an HTTP server with the given handler.
func (h *Host) Serve(port int, handler http.HandlerFunc) *Web {
	h.lab.T.Helper()
	w := &Web{host: h, addr: fmt.Sprintf("%s:%d", h.Addr(), port), h: handler}
	w.Start()
	h.lab.T.Cleanup(w.Stop)
	return w
}

// WebEverywhere works as Web, on all of the addresses of the host.
func (h *Host) WebEverywhere(port int) {
	h.lab.T.Helper()
	for _, a := range h.Addrs {
		w := *h
		w.Addrs = []string{a}
		w.Web(port)
	}
}

// Start starts the server, again after Stop.
func (w *Web) Start() {
	t := w.host.lab.T
	t.Helper()
	err := w.host.inside(func() error {
		l, err := net.Listen("tcp", w.addr)
		if err != nil {
			return err
		}
		w.srv = &http.Server{Handler: w.h, ReadHeaderTimeout: 5 * time.Second, ErrorLog: log.New(io.Discard, "", 0)}
		go func() { _ = w.srv.Serve(l) }()
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Stop stops the server. Its machine then refuses connections.
func (w *Web) Stop() { _ = w.srv.Close() }

// Run runs a program on the host to its end, for at most a minute, and returns
// what it printed.
func (h *Host) Run(name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	out, err := h.command(ctx, name, args...).Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		err = fmt.Errorf("%s: %w: %s", name, err, exit.Stderr)
	}
	return strings.TrimSpace(string(out)), err
}

func (h *Host) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	args = append([]string{"netns", "exec", h.lab.prefix + h.Name, name}, args...)
	return exec.CommandContext(ctx, "ip", args...) // #nosec G204 -- arguments of the tests
}
