// Package server runs rrhealthctl against a real server: the tests of package ctl
// have a fake one, which is only as true as its author.
package server

import (
	"bytes"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/internal/ctl"
	"github.com/rrhealth/rrhealth/internal/harness"
	"github.com/rrhealth/rrhealth/internal/lease"

	_ "github.com/coredns/coredns/plugin/bind"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/rrhealth/rrhealth"
)

func TestMain(m *testing.M) { harness.Main(m) }

// An operator types commands for the server at a socket.
type operator struct {
	t      *testing.T
	socket string
}

// types runs a command line, checks its exit code, and returns what it prints.
func (o operator) types(code int, line ...string) (out, err string) {
	o.t.Helper()
	var stdout, stderr bytes.Buffer
	got := ctl.Run(o.t.Context(), ctl.IO{
		Out: &stdout, Err: &stderr, In: strings.NewReader(""), Zone: time.UTC, Version: "test",
		Getenv: func(key string) string { return map[string]string{ctl.ControlVariable: o.socket}[key] },
	}, line)
	if got != code {
		o.t.Errorf("%v: exit code %d, want %d\n%s%s", line, got, code, stdout.String(), stderr.String())
	}
	return stdout.String(), stderr.String()
}

// prints checks that a command succeeds, and prints each of wants.
func (o operator) prints(line string, wants ...string) {
	o.t.Helper()
	out, _ := o.types(ctl.ExitDone, strings.Fields(line)...)
	for _, want := range wants {
		if !strings.Contains(strings.Join(strings.Fields(out), " "), want) {
			o.t.Errorf("%s: no %q in\n%s", line, want, out)
		}
	}
}

// start starts a server with a pool of two backends that are up and one that is
// down.
func start(t *testing.T) (*harness.Server, operator, string) {
	t.Helper()
	ip := lease.Net(t)
	for _, host := range []string{"1", "2"} {
		l, err := net.Listen("tcp", ip+host+":443")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
	}
	socket := filepath.Join(t.TempDir(), "s")
	stanzas := "rrhealth {\ncontrol " + socket + "\nstate " + t.TempDir() + "\n}\nrrhealth www.example.org shop.example.org {\n" +
		"backend 192.0.2.1 check_addr " + ip + "1\nbackend 192.0.2.2 check_addr " + ip + "2\nbackend 192.0.2.3 check_addr " + ip + "3 tier 2\n" +
		"check tcp://:443\nttl 1s\n" + harness.Quick + "}\n"
	corefile := harness.Corefile(stanzas)
	s := harness.Start(t, corefile)
	o := operator{t, socket}
	harness.Eventually(t, "verdicts on all backends", func() bool {
		out, _ := o.types(ctl.ExitDone, "status")
		return strings.Contains(out, "3: 2 up, 1 down")
	})
	return s, o, corefile
}

func TestAnOperatorLooks(t *testing.T) {
	_, o, corefile := start(t)
	o.prints("status", "state degraded", "pools 1: 0 all down, 0 short")
	o.prints("pools", "www.example.org. +1 degraded 3: 2 up, 1 down")
	o.prints("pools --state ok")
	o.prints("show SHOP.example.org", "pool www.example.org. shop.example.org.", "192.0.2.1 weight 1 auto up", "192.0.2.3 weight 1, tier 2 auto down")
	o.prints("show 192.0.2.3", "no (down)", "connection refused", "tcp://:443 down")
	o.prints("history www.example.org 192.0.2.3", "192.0.2.3 down tcp ")
	o.prints("explain shop.example.org --client 198.51.100.7", "decided by pool shop.example.org.", "192.0.2.3 no down")
	o.prints("whatif --down 192.0.2.1 192.0.2.2", "www.example.org. A served all_down (unsafe) 0 1")
	o.prints("version", "rrhealthctl test")
	o.prints("__completeNoDesc show 192.0.2.", "192.0.2.1 192.0.2.2 192.0.2.3")
	if out, _ := o.types(1, "status", "--nagios"); !strings.HasPrefix(out, "RRHEALTH WARNING - www.example.org. is degraded, 2 of 3 backends up") {
		t.Error(out)
	}
	for _, line := range []string{"status", "pools", "show www.example.org", "history", "explain www.example.org", "whatif --down *"} {
		if out, _ := o.types(ctl.ExitDone, append(strings.Fields(line), "-o", "json")...); strings.Contains(out, "null") || !strings.HasPrefix(out, "{\n") {
			t.Errorf("%s -o json:\n%s", line, out)
		}
	}
	file := filepath.Join(t.TempDir(), "Corefile")
	if err := os.WriteFile(file, []byte(corefile), 0o600); err != nil {
		t.Fatal(err)
	}
	o.prints("try "+file, "A served 192.0.2.1 192.0.2.2", "has the same names and backends")
}

func TestAnOperatorDrains(t *testing.T) {
	s, o, _ := start(t)
	answers := func() []string { return harness.Addrs(s.Ask("www.example.org.", dns.TypeA)) }
	o.prints("drain 192.0.2.1 --for 1h --reason test --wait", "drain 192.0.2.1 all", "www.example.org. A 192.0.2.1 50.0 % 0.0 %")
	if got := answers(); !slices.Equal(got, []string{"192.0.2.2"}) {
		t.Errorf("answers %v after drain --wait, want 192.0.2.2", got)
	}
	o.prints("show 192.0.2.1", "www.example.org. weight 1 drain up", "drained no (override)")
	o.prints("history www.example.org 192.0.2.1", "set drain")
	if _, err := o.types(ctl.ExitFailed, "drain", "192.0.2.2", "--forever"); !strings.Contains(err, "all_down (unsafe)") || !strings.HasSuffix(err, "; --force overrides it\n") {
		t.Errorf("refusal:\n%s", err)
	}
	o.prints("drain 192.0.2.2 --forever --dry-run --force", "www.example.org. A served all_down (unsafe)")
	if got := answers(); !slices.Equal(got, []string{"192.0.2.2"}) {
		t.Errorf("answers %v after a refusal and a dry run, want 192.0.2.2", got)
	}
	o.prints("auto 192.0.2.*", "drain 192.0.2.1 all")
	if got := answers(); len(got) != 2 {
		t.Errorf("answers %v after auto, want two", got)
	}
	if _, err := o.types(ctl.ExitFailed, "drain", "203.0.113.1", "--for", "1h"); !strings.Contains(err, "no backend or watched address is selected") {
		t.Error(err)
	}
}
