package rrhealth

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"unsafe"

	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/internal/harness"
)

// What is counted of a backend goes on after a reload, wherever it stands then,
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

// While an instance gives way to the next, both answer, and count as one.
func TestPoolsOfOneNameCountTogether(t *testing.T) {
	const block = "rrhealth www.example.org {\nbackend %s\npolicy sequential\n}"
	l := newLedger()
	var blocks []*Block
	var pools []*served
	for _, backends := range []string{"192.0.2.1 192.0.2.2", "192.0.2.2 192.0.2.1 192.0.2.3", "192.0.2.2 192.0.2.1 192.0.2.3", "192.0.2.9 " + manyBackends(30) + " 192.0.2.1"} {
		h := handler(t, fmt.Sprintf(block, backends))
		l.adopt(h.block)
		l.add(h.block)
		blocks, pools = append(blocks, h.block), append(pools, h.pools[0])
		for range 3 {
			if _, err := h.ServeDNS(t.Context(), nullWriter{}, query("www.example.org.")); err != nil {
				t.Fatal(err)
			}
		}
	}
	c := pools[0].counters
	for i, want := range [][]uint64{{3, 6}, {6, 3, 0}, {6, 3, 0}} {
		for j, n := range want {
			if got := pools[i].tally(j).first.Load(); got != n || pools[i].counters != c {
				t.Errorf("pool %d, backend %d: came first %d times, want %d", i, j, got, n)
			}
		}
	}
	last := pools[3]
	if got := last.tally(31).first.Load(); got != 3 || last.tally(0).first.Load() != 3 || c.answers[0].Load() != 12 || c.latest != last {
		t.Errorf("the last pool counts %d for the backend that it has in common with the first, want 3", got)
	}
	for _, step := range []struct{ gone, latest int }{{1, 3}, {3, 2}, {2, 0}} {
		if l.remove(blocks[step.gone]); c.latest != pools[step.latest] {
			t.Errorf("pool %d is gone, and the wrong one is the latest", step.gone)
		}
	}
	if !l.remove(blocks[0]) || len(l.counters) != 0 {
		t.Error("the counters outlive their last pool")
	}
}

// The sizes are pinned: what a query needs of a pool is to be in few cache
// lines, and there may be a hundred thousand.
func TestPoolsFillWholeCacheLines(t *testing.T) {
	if unsafe.Sizeof(uintptr(0)) != 8 {
		t.Skip("pointers are shorter here")
	}
	const line = 64
	var p served
	if got, want := unsafe.Sizeof(p), uintptr(2*line); got != want {
		t.Errorf("a served has %d bytes, want %d", got, want)
	}
	if got := unsafe.Offsetof(p.bundle); got > line {
		t.Errorf("what a query reads ends at %d, want %d at the most", got, line)
	}
	if got, want := unsafe.Sizeof(counters{}), uintptr(3*line); got != want {
		t.Errorf("counters have %d bytes, want %d", got, want)
	}
	// The runtime's header may stand in front of the first counters.
	const header = 8
	if end := header + unsafe.Offsetof(counters{}.answers) + 8; end > line {
		t.Errorf("what the usual query writes to ends at %d, want %d at the most", end, line)
	}
}
