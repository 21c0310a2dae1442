package live

import (
	"sync/atomic"
	"time"

	"github.com/rrhealth/rrhealth/plugin/pool"
)

// A Pool is a pool.Pool with its name, its counters and its stanza. With many
// pools each access to other memory misses the cache, so what a query reads stands
// in front, in one cache line, and the whole fills two.
type Pool struct {
	// Read by queries.
	pool.Pool
	counters *counters // set before it serves
	spilled  []tally   // one for each backend, or nil if counters has room for them; set before it serves

	// Fixed when the Corefile is parsed.
	stanza *Stanza
	Name   string // in lower case, with the final dot; may start with "*."
	Zone   string // the owner of the SOA in negative answers; package live does not use it

	// Written and read by the monitor's loop.
	wake *time.Timer // settles a patient pool

	// Written by queries.
	signed atomic.Uint64 // addresses that it does not answer and that had to stay, for their signatures

	_ [8]byte // fills the second cache line
}

// newPools returns n pools in one slab, each with counters of its own.
func newPools(n int) []Pool {
	slab := make([]Pool, n)
	for i, c := range newCounters(n) {
		slab[i].counters = c
	}
	return slab
}

// state returns the snapshot that has the health of the backends. Under dry_run
// it is not the one that is answered.
func (p *Pool) state() *pool.Snapshot {
	s := p.Snapshot()
	if s.Judged != nil {
		return s.Judged
	}
	return s
}

// Order is pool.Pool.Order for an answer that is counted: it also counts the
// backend that comes first.
func (p *Pool) Order(dst []int, s *pool.Snapshot, f pool.Family, c pool.Client) []int {
	dst = p.Pool.Order(dst, s, f, c)
	choice := &s.Choices[f]
	if first := choice.Members[dst[0]].Index; first >= 0 {
		p.tally(first).first.Add(1)
	}
	if p.Policy == pool.Nearest && !choice.Places(c.Place) {
		p.counters.unlocated.Add(1)
	}
	return dst
}

// CountAnswer counts an answer.
func (p *Pool) CountAnswer(o pool.Outcome) { p.counters.answers[o].Add(1) }

// CountSigned counts n addresses that had to stay because another key has signed
// them.
func (p *Pool) CountSigned(n int) { p.signed.Add(uint64(n)) } // #nosec G115 -- not negative

// CountDryRun counts the addresses that an answer from s would lack, were it not
// for dry_run.
func (p *Pool) CountDryRun(s *pool.Snapshot, f pool.Family) {
	withheld := len(s.Choices[f].Members) - len(s.Judged.Choices[f].Members)
	p.counters.dryRun.Add(uint64(max(withheld, 0))) // #nosec G115 -- not negative
}
