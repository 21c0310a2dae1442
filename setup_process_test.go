package rrhealth

import (
	"path/filepath"
	"testing"

	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/internal/harness"
)

// processStanzas returns the states that the process stanzas of all running
// instances set.
func processStanzas() (states []string) {
	process.mu.Lock()
	defer process.mu.Unlock()
	seen := make(map[*instance]bool)
	for h := range process.handlers {
		if i := h.instance; i.process != nil && !seen[i] {
			seen[i] = true
			states = append(states, i.process.State)
		}
	}
	return states
}

// A server block may consist of the process stanza alone. A reload with the same
// stanza is none with two of them.
func TestTheProcessStanzaIsThatOfOneInstance(t *testing.T) {
	dir := t.TempDir()
	alone := "example.net:0 {\nbind 127.0.0.1\nrrhealth {\nstate " + filepath.Join(dir, "a") + "\n}\nwhoami\n}\n"
	pool := harness.Corefile("rrhealth www.example.org {\nbackend 192.0.2.1\n}")
	s := harness.Start(t, alone+pool)
	for _, step := range []struct{ corefile, state string }{
		{pool + alone, filepath.Join(dir, "a")},
		{harness.Corefile("rrhealth {\nstate " + filepath.Join(dir, "b") + "\n}\nrrhealth www.example.org {\nbackend 192.0.2.1\n}"), filepath.Join(dir, "b")},
		{pool, ""},
		{alone + pool, filepath.Join(dir, "a")},
	} {
		if err := s.Reload(step.corefile); err != nil {
			t.Fatal(err)
		}
		switch got := processStanzas(); {
		case step.state == "" && len(got) > 0, step.state != "" && (len(got) != 1 || got[0] != step.state):
			t.Errorf("states %q, want %q alone of\n%s", got, step.state, step.corefile)
		}
		if got := harness.Addrs(s.Ask("www.example.org.", dns.TypeA)); len(got) != 1 {
			t.Errorf("answers %v, want 192.0.2.1 with\n%s", got, step.corefile)
		}
	}
}
