package test

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/internal/harness"
)

// The counters of a backend go on after a reload, at any place in the stanza,
// for as long as there is a pool that has it.
func TestCountsFollowTheirBackends(t *testing.T) {
	stanza := func(backends string) string {
		return harness.Corefile("rrhealth www.example.org {\nbackend " + backends + "\npolicy sequential\n}")
	}
	var s *harness.Server
	for i, step := range []struct {
		backends string
		want     string // how often each came first, after one more answer
	}{
		{"192.0.2.1 192.0.2.2", "1 0"},
		{"192.0.2.2 192.0.2.1", "1 1"},
		{"192.0.2.2 192.0.2.3 192.0.2.1", "2 0 1"},
		{"192.0.2.2", "3"},
		{"192.0.2.1 192.0.2.2", "1 3"}, // the first had been forgotten
		{"192.0.2.5 192.0.2.4 192.0.2.3 192.0.2.2 192.0.2.1", "1 0 0 3 1"},
		{"192.0.2.1 192.0.2.2 192.0.2.3 192.0.2.4 192.0.2.5 192.0.2.6", "2 3 0 0 1 0"},
		{"192.0.2.5", "2"},
	} {
		if i == 0 {
			s = harness.Start(t, stanza(step.backends))
		} else if err := s.Reload(stanza(step.backends)); err != nil {
			t.Fatal(err)
		}
		s.Ask("www.example.org.", dns.TypeA)
		want := make(map[string]float64)
		firsts := strings.Fields(step.want)
		for j, b := range strings.Fields(step.backends) {
			var n float64
			_, _ = fmt.Sscan(firsts[j], &n)
			if n > 0 { // else it is left out
				want["first_answers_total{backend="+b+",pool=www.example.org.}"] = n
			}
		}
		got := harness.Series(t)
		maps.DeleteFunc(got, func(name string, _ float64) bool { return !strings.HasPrefix(name, "first_answers_total{") })
		if !maps.Equal(got, want) {
			t.Errorf("with %s: got %v, want %v", step.backends, got, want)
		}
	}
}
