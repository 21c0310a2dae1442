package live

import (
	"fmt"
	"strings"
	"testing"
	"unsafe"

	"github.com/rrhealth/rrhealth/plugin/pool"
)

// answer counts answers of p.
func answer(p *Pool, times int) {
	for range times {
		s := p.Snapshot()
		p.CountAnswer(s.Choices[pool.V4].Outcome)
		p.Order(nil, s, pool.V4, pool.Client{})
	}
}

// manyBackends lists n addresses.
func manyBackends(n int) string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf("10.0.%d.%d", i/250, i%250+1))
	}
	return strings.Join(all, " ")
}

// While an instance gives way to the next, both answer, and count as one.
func TestPoolsOfOneNameCountTogether(t *testing.T) {
	const block = "rrhealth www.example.org {\nbackend %s\npolicy sequential\n}"
	l := newLedger()
	var blocks []*Block
	var pools []*Pool
	for _, backends := range []string{"192.0.2.1 192.0.2.2", "192.0.2.2 192.0.2.1 192.0.2.3", "192.0.2.2 192.0.2.1 192.0.2.3", "192.0.2.9 " + manyBackends(30) + " 192.0.2.1"} {
		b := newBlock(t, fmt.Sprintf(block, backends), passes)
		l.adopt(b)
		l.add(b)
		blocks, pools = append(blocks, b), append(pools, &b.Pools[0])
		answer(&b.Pools[0], 3)
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
	var p Pool
	if got, want := unsafe.Sizeof(p), uintptr(2*line); got != want {
		t.Errorf("a Pool has %d bytes, want %d", got, want)
	}
	if got := unsafe.Offsetof(p.stanza); got > line {
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
