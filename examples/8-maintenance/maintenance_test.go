//go:build linux

// Package maintenance tests the example in this folder.
package maintenance

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rrhealth/rrhealth/examples/internal/lab"
	"github.com/rrhealth/rrhealth/internal/ctl"
)

const (
	name = "www.example.org."
	// quiet is the longest wait: the TTL of the Corefile, and a second.
	quiet = 5 * time.Second
)

// A shop is a web server that notes when clients arrive. Checks are no clients.
type shop struct {
	host *lab.Host
	web  *lab.Web
	last atomic.Int64 // in Unix nanoseconds
}

func newShop(l *lab.Lab, name, addr string) *shop {
	s := &shop{host: l.Host(name, addr)}
	s.web = s.host.Serve(80, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/" {
			s.last.Store(time.Now().UnixNano())
		}
		fmt.Fprintln(w, name)
	})
	return s
}

// arrived returns when the last client arrived.
func (s *shop) arrived() time.Time { return time.Unix(0, s.last.Load()) }

// rrhealthctl runs the command and returns its exit code and what it printed.
func rrhealthctl(l *lab.Lab, args ...string) (int, string) {
	l.T.Helper()
	var out bytes.Buffer
	code := ctl.Run(l.T.Context(), ctl.IO{
		Out: &out, Err: &out, In: strings.NewReader(""), Zone: time.UTC, Version: "test",
		Getenv: func(key string) string { return map[string]string{ctl.ControlVariable: l.Dir + "/control"}[key] },
	}, args)
	l.T.Logf("rrhealthctl %s: exit code %d\n%s", strings.Join(args, " "), code, out.String())
	return code, out.String()
}

// must runs a command that succeeds.
func must(l *lab.Lab, args ...string) {
	l.T.Helper()
	if code, out := rrhealthctl(l, args...); code != ctl.ExitDone {
		l.T.Fatalf("exit code %d\n%s", code, out)
	}
}

// dnsmasq starts a cache on the host that asks the server.
func dnsmasq(h *lab.Host, server string) {
	h.Answers(h.Start("dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--pid-file", "--user=root",
		"--bind-interfaces", "--listen-address="+h.Addr(), "--server="+server, "--log-facility=-"))
}

func TestNoClientArrivesAfterTheWait(t *testing.T) {
	l := lab.New(t, "unbound", "dnsmasq")
	ns, client := l.Host("ns", "10.0.0.53"), l.Host("client", "10.9.0.1")
	resolver, home := l.Host("resolver", "10.0.0.1"), l.Host("home", "10.0.0.2")
	shops := []*shop{newShop(l, "web1", "10.1.0.1"), newShop(l, "web2", "10.2.0.1"), newShop(l, "web3", "10.3.0.1")}
	web := shops[0]
	if err := os.Mkdir(l.Dir+"/state", 0o700); err != nil {
		t.Fatal(err)
	}
	server := ns.CoreDNS("Corefile", "DIR="+l.Dir)
	resolver.Unbound("stub-zone:\n name: example.org\n stub-addr: " + ns.Addr() + "\n")
	dnsmasq(home, ns.Addr())
	l.Hold("../../build/rrhealthctl --control " + l.Dir + "/control drain 10.1.0.1 --for 1h --wait")
	l.Eventually("all are up", func() bool {
		_, out := rrhealthctl(l, "status")
		return strings.Contains(out, "3: 3 up")
	})
	streams := []*lab.Stream{client.Stream(resolver.Addr(), name, 80), client.Stream(home.Addr(), name, 80)}
	for _, s := range streams {
		s.After(100)
	}

	drained := time.Now()
	must(l, "drain", web.host.Addr(), "--for", "1h", "--reason", "new kernel", "--wait")
	waited := time.Now()
	if !web.arrived().After(drained) {
		t.Error("no client arrived after the drain: there was nothing to wait for")
	}
	if took := waited.Sub(drained); took > quiet+time.Second {
		t.Errorf("the wait took %v, want at most %v", took, quiet)
	}
	if code, out := rrhealthctl(l, "drain", shops[1].host.Addr(), "--for", "1h"); code != ctl.ExitFailed || !strings.Contains(out, "refused") {
		t.Errorf("a second drain: exit code %d\n%s", code, out)
	}
	for _, s := range streams {
		s.After(100)
	}
	if late := web.arrived(); late.After(waited) {
		t.Errorf("a client arrived %v after the wait", late.Sub(waited))
	}

	web.web.Stop()
	server.Kill()
	ns.CoreDNS("Corefile", "DIR="+l.Dir)
	restarted := time.Now()
	row := lab.Row{
		Scenario: "8 maintenance", Killed: "a drained web server, behind unbound and dnsmasq",
		Detection: web.arrived().Sub(drained), Bound: quiet,
	}
	for _, s := range streams {
		s.After(100)
		all, failed := s.Requests(restarted, time.Now())
		row.Failed, row.Of = row.Failed+len(failed), row.Of+len(all)
	}
	lab.Report(t, row)

	web.web.Start()
	l.Eventually("the web server is up", func() bool {
		_, out := rrhealthctl(l, "status")
		return strings.Contains(out, "3: 2 up, 1 drained")
	})
	must(l, "auto", web.host.Addr())
	back := time.Now()
	l.Eventually("clients arrive again", func() bool { return web.arrived().After(back) })
}
