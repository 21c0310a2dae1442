package test

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/internal/harness"
)

// blocks is a Corefile of three server blocks with a pool each, and the process
// stanza, which has the socket and the state directory in dir, in the nth.
func blocks(dir, pool string, n int) string {
	var text strings.Builder
	for i := range 3 {
		process := ""
		if i == n {
			process = fmt.Sprintf("rrhealth {\ncontrol %s\nstate %s\n}", filepath.Join(dir, "control.sock"), dir)
		}
		fmt.Fprintf(&text, "%[1]c.example.org:0 {\nbind 127.0.0.1\n%[2]s\nrrhealth www.%[1]c.example.org {\n%[3]s\n%[4]s\n}\n}\n", 'a'+i, process, pool, harness.Quick)
	}
	return text.String()
}

// Whichever server block has the process stanza: the state of all of them survives a
// restart. Overrides and what was down are in force with the first answer, rotations
// go on, and histories begin before the restart.
func TestTheStateOfAllServerBlocksSurvivesARestart(t *testing.T) {
	for n, where := range []string{"first", "second", "last"} {
		t.Run(where, func(t *testing.T) {
			backends, port := harness.Fleet(t, 4)
			ips := harness.IPs(backends...)
			dir := t.TempDir()
			corefile := blocks(dir, fmt.Sprintf("backend %s\npolicy rotate\ncheck http://:%s/", strings.Join(ips, " "), port), n)
			names := []string{"www.a.example.org.", "www.b.example.org.", "www.c.example.org."}
			s := harness.Start(t, corefile)
			s.AwaitReady()
			backends[3].Stop()
			o := operate(t, filepath.Join(dir, "control.sock"))
			for _, name := range names {
				s.Settled(name, dns.TypeA, ips[:3]...)
			}
			o.must(drain(ips[2]))
			next := make(map[string][]string)
			for _, name := range names {
				got := harness.Addrs(s.Ask(name, dns.TypeA))
				next[name] = []string{got[1], got[0]}
			}
			s.Stop()

			s = harness.Start(t, corefile)
			for _, name := range names {
				if got := harness.Addrs(s.Ask(name, dns.TypeA)); !slices.Equal(got, next[name]) {
					t.Errorf("%s: first answer %v after a restart, want %v", name, got, next[name])
				}
			}
			var all histories
			o.get("/api/v1/history", url.Values{"address": {ips[3]}}, &all)
			if len(all.Histories) != 3 {
				t.Fatalf("%d histories of a backend of three pools", len(all.Histories))
			}
			for _, h := range all.Histories {
				if first := h.Events[len(h.Events)-1]; len(h.Events) == 0 || !slices.ContainsFunc(h.Events, func(e event) bool { return e.State == "down" }) || first.State == "" {
					t.Errorf("history after a restart: %+v", h.Events)
				}
			}
			o.get("/api/v1/history", url.Values{"address": {ips[2]}}, &all)
			for _, h := range all.Histories {
				set := 0
				for _, e := range h.Events {
					if e.Kind == "overridden" {
						set++
					}
				}
				if set != 1 || !slices.ContainsFunc(h.Events, func(e event) bool { return e.State == "up" && e.Kind == "state" }) {
					t.Errorf("history of a drained backend after a restart: %+v", h.Events)
				}
			}
		})
	}
}

// What is down is saved when it goes down: a process that is killed does not save at
// its end.
func TestVerdictsAreSavedWhenTheyChange(t *testing.T) {
	backends, port := harness.Fleet(t, 2)
	ips := harness.IPs(backends...)
	dir := t.TempDir()
	s := harness.Start(t, operated(dir, fmt.Sprintf("backend %s\ncheck http://:%s/", strings.Join(ips, " "), port)))
	s.AwaitReady()
	backends[1].Stop()
	s.Settled("www.example.org.", dns.TypeA, ips[0])
	harness.Eventually(t, "the state file has "+ips[1]+" as down", func() bool {
		text, err := os.ReadFile(filepath.Join(dir, "rrhealth.json"))
		return err == nil && strings.Contains(string(text), `"address":"`+ips[1]+`","down":true`)
	})
}

// A reload without the process stanza ends overrides: no operator could remove them.
func TestAReloadWithoutTheProcessStanzaEndsOverrides(t *testing.T) {
	backends, port := harness.Fleet(t, 2)
	ips := harness.IPs(backends...)
	dir := t.TempDir()
	pool := fmt.Sprintf("backend %s\ncheck http://:%s/", strings.Join(ips, " "), port)
	s := harness.Start(t, operated(dir, pool))
	s.Settled("www.example.org.", dns.TypeA, ips...)
	operate(t, filepath.Join(dir, "control.sock")).must(drain(ips[1]))
	logged := harness.CaptureLog(t)
	if err := s.Reload(harness.Corefile("rrhealth www.example.org {\n" + pool + "\n" + harness.Quick + "\n}")); err != nil {
		t.Fatal(err)
	}
	s.Settled("www.example.org.", dns.TypeA, ips...)
	if text := logged(); !strings.Contains(text, "1 overrides dropped: the Corefile has no process stanza") {
		t.Errorf("logged %q", text)
	}
	if _, err := os.Stat(filepath.Join(dir, "control.sock")); err == nil {
		t.Error("the control socket is still there")
	}
}

// A backend that is held down when the server stops is held down when it starts: a
// restart is no reason to trust one that flaps.
func TestHoldDownSurvivesARestart(t *testing.T) {
	backends, port := harness.Fleet(t, 2)
	ips := harness.IPs(backends...)
	dir := t.TempDir()
	corefile := operated(dir, fmt.Sprintf("backend %s\ncheck http://:%s/\nhold_down 5m", strings.Join(ips, " "), port))
	s := harness.Start(t, corefile)
	s.AwaitReady() // they are up, and not only answered like those that are
	for range 2 {
		backends[1].Stop()
		s.Settled("www.example.org.", dns.TypeA, ips[0])
		backends[1].Start()
		o := operate(t, filepath.Join(dir, "control.sock"))
		harness.Eventually(t, "the backend is up or held down", func() bool {
			var shown struct {
				Backends []struct {
					Address string `json:"address"`
					Probed  string `json:"probed"`
				} `json:"backends"`
			}
			o.get("/api/v1/backends", url.Values{"state": {""}}, &shown)
			for _, b := range shown.Backends {
				if b.Address == ips[1] {
					return b.Probed == "up"
				}
			}
			return false
		})
	}
	s.Settled("www.example.org.", dns.TypeA, ips[0])
	s.Stop()
	s = harness.Start(t, corefile)
	s.AwaitReady()
	var e explanation
	operate(t, filepath.Join(dir, "control.sock")).get("/api/v1/explain", url.Values{"name": {"www.example.org"}}, &e)
	if got := harness.Addrs(s.Ask("www.example.org.", dns.TypeA)); !slices.Equal(got, ips[:1]) || !slices.ContainsFunc(e.Members, func(m member) bool {
		return m.Address == ips[1] && m.Rule == "held_down" && !m.Answered
	}) {
		t.Errorf("answer %v after a restart with %s held down: %+v", got, ips[1], e.Members)
	}
}

// Below a filter, explain shows what other plugins answer and which of it is left out.
func TestExplainBelowAFilter(t *testing.T) {
	backends, port := harness.Fleet(t, 2)
	ips := harness.IPs(backends...)
	dir := t.TempDir()
	zone := filepath.Join(dir, "zone")
	text := "$ORIGIN example.org.\n@ 300 IN SOA ns admin 1 2 3 4 5\n@ 300 IN NS ns\nns 300 IN A 192.0.2.53\n"
	for _, ip := range ips {
		text += "www 300 IN A " + ip + "\n"
	}
	if err := os.WriteFile(zone, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s := harness.Start(t, fmt.Sprintf("example.org:0 {\nbind 127.0.0.1\nrrhealth {\ncontrol %s\n}\nrrhealth {\nwatch %s/32 %s/32\ncheck http://:%s/\n%s\n}\nfile %s\n}", filepath.Join(dir, "control.sock"), ips[0], ips[1], port, harness.Quick, zone))
	s.AwaitReady()
	backends[1].Stop()
	s.Settled("www.example.org.", dns.TypeA, ips[0])
	o := operate(t, filepath.Join(dir, "control.sock"))
	var e explanation
	o.get("/api/v1/explain", url.Values{"name": {"www.example.org"}}, &e)
	if len(e.Members) != 2 || !slices.Equal(e.Answer, ips[:1]) {
		t.Fatalf("%+v", e)
	}
	for _, m := range e.Members {
		if up := m.Address == ips[0]; m.Answered != up || (m.Rule == "up") != up || !up && !strings.HasPrefix(m.Text, "down: http "+ips[1]) {
			t.Errorf("%+v", m)
		}
	}
	o.must(drain(ips[1]))
	o.get("/api/v1/explain", url.Values{"name": {"www.example.org"}}, &e)
	for _, m := range e.Members {
		if m.Address == ips[1] && (m.Rule != "override" || !strings.Contains(m.Text, "drain")) {
			t.Errorf("%+v after a drain", m)
		}
	}
}

// While the servers end (lameduck) a drained backend stays out, and what operators
// have set is no business of the next server in the same process.
func TestADrainHoldsWhileTheServerEndsAndNoLonger(t *testing.T) {
	backends, port := harness.Fleet(t, 2)
	ips := harness.IPs(backends...)
	dir := t.TempDir()
	pool := fmt.Sprintf("backend %s\ncheck http://:%s/", strings.Join(ips, " "), port)
	s := harness.Start(t, operated(dir, pool))
	s.Settled("www.example.org.", dns.TypeA, ips...)
	operate(t, filepath.Join(dir, "control.sock")).must(drain(ips[1]))
	s.LameDuck()
	if got := harness.Addrs(s.Ask("www.example.org.", dns.TypeA)); !slices.Equal(got, ips[:1]) {
		t.Errorf("answer %v while the server ends, want %s alone", got, ips[0])
	}
	s.Stop()
	logged := harness.CaptureLog(t)
	s = harness.Start(t, harness.Corefile("rrhealth www.example.org {\n"+pool+"\n"+harness.Quick+"\n}"))
	s.Settled("www.example.org.", dns.TypeA, ips...)
	if text := logged(); strings.Contains(text, "override") {
		t.Errorf("the next server has logged %q", text)
	}
}
