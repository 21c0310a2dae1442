// Package pool decides what is answered: which backends of a pool, in which
// order, for how long.
//
// Build decides what depends on verdicts (tiers, all_down, min_up, TTL), once
// for each change of a verdict. It turns the states of the backends into a
// Snapshot with a choice for each address family. A query loads the pool's
// latest snapshot and calls Order, which applies the pool's policy; it takes no
// lock and decides nothing else.
//
// Each family is decided on its own: if the first tier has no IPv4 member up, A
// queries get the second tier, and AAAA queries do not change. Only all_down
// looks at both families. If one family has no member up and the other has
// some, the first is answered with NODATA, so that clients use the other.
package pool

import (
	"math/rand/v2"
	"net/netip"
	"sync/atomic"

	"github.com/rrhealth/rrhealth/plugin/verdict"
)

// A Backend is one address of a pool.
type Backend struct {
	Addr      netip.Addr // what is answered
	CheckAddr netip.Addr // what is probed; the same as Addr without check_addr
	Weight    int        // share of the first answers under Weighted and Sticky; 1 unless set
	Tier      int        // 1 is answered first; 1 unless set
	Drain     bool       // still probed, no longer answered
	Place     Place      // its location, under Nearest
}

// Family is an address family, and with it a record type.
type Family uint8

// The families.
const (
	V4 Family = iota // A
	V6               // AAAA
)

// Families lists both.
var Families = [...]Family{V4, V6}

// FamilyOf returns the family of addr.
func FamilyOf(addr netip.Addr) Family {
	if addr.Is4() {
		return V4
	}
	return V6
}

// A Pool is what queries use: a Config, the latest snapshot, and the cursors of
// the rotation. A process may have 100,000 of them.
type Pool struct {
	*Config
	snapshot atomic.Pointer[Snapshot]
	cursors  *Cursors
	turns    *turns // under Nearest
}

// Cursors count the steps of a pool's rotation, for each family. They outlive a
// pool: after a reload the new pool continues with them.
type Cursors [len(Families)]atomic.Uint64

// Scatter sets c to random steps: replicas that start together would otherwise
// all answer with the same backend first.
func (c *Cursors) Scatter() {
	for i := range c {
		c[i].Store(uint64(rand.Uint32()))
	}
}

// Turns returns the steps, to be kept across a restart.
func (c *Cursors) Turns() (steps [len(Families)]uint64) {
	for i := range c {
		steps[i] = c[i].Load()
	}
	return steps
}

// Continue sets c to steps that Turns has returned.
func (c *Cursors) Continue(steps [len(Families)]uint64) {
	for i := range c {
		c[i].Store(steps[i])
	}
}

// turns count the steps of each group of neighbors, see nearest.order.
type turns [len(Families)][]atomic.Uint64

func newTurns(size int) *turns {
	t := new(turns)
	for f := range t {
		t[f] = make([]atomic.Uint64, size)
		for i := range t[f] {
			t[f][i].Store(uint64(rand.Uint32()))
		}
	}
	return t
}

// Init sets p's config and its first snapshot. Call Adopt before p serves.
func (p *Pool) Init(c *Config, first *Snapshot) {
	p.Config = c
	if c.Policy == Nearest {
		p.turns = newTurns(len(c.Backends))
	}
	p.Store(first)
}

// Adopt sets the cursors that p continues with. Call it before p serves.
func (p *Pool) Adopt(c *Cursors) { p.cursors = c }

// Store makes s the snapshot that queries use. s must not change afterwards.
func (p *Pool) Store(s *Snapshot) { p.snapshot.Store(s) }

// Snapshot returns the latest snapshot.
func (p *Pool) Snapshot() *Snapshot { return p.snapshot.Load() }

// Health is the state of one backend, what follows from its history, and what
// operators have set for it.
type Health struct {
	State    verdict.State // by its checks
	Changing bool          // the next result may change the state
	HeldDown bool          // up, but answered only if the others are too few; see History
	Growth   uint8         // the share of a recovered member, in parts of fullGrowth; 0 is its whole share
	Admin    Admin
}

// Admin is what operators have set for a backend at run time. The zero value is
// nothing.
type Admin struct {
	State   verdict.State // Up or Down in place of the state by the checks; Unknown for none
	Drained bool          // not answered, as with Backend.Drain
	Weight  uint16        // in place of Backend.Weight; 0 for none
}

// Effective returns the state that counts: that of an operator, or that by the
// checks.
func (h Health) Effective() verdict.State {
	if h.Admin.State != verdict.Unknown {
		return h.Admin.State
	}
	return h.State
}

// ready reports whether h is neither down nor held down. An operator's up ends
// holding down.
func (h Health) ready() bool {
	return h.Effective() != verdict.Down && (!h.HeldDown || h.Admin.State == verdict.Up)
}

// able reports whether h is neither down nor held down by its checks, independent of operators.
func (h Health) able() bool { return h.State != verdict.Down && !h.HeldDown }

// changing reports whether the next result may change what counts.
func (h Health) changing() bool { return h.Changing && h.Admin.State == verdict.Unknown }

// drained reports whether b, which has health h, is drained by the Corefile or an
// operator.
func (b *Backend) drained(h Health) bool { return b.Drain || h.Admin.Drained }

// weight returns the weight of b, which has health h.
func (b *Backend) weight(h Health) int {
	if h.Admin.Weight > 0 {
		return int(h.Admin.Weight)
	}
	return b.Weight
}

// A Member is an address that may be answered: a backend that is not drained,
// or a fallback address.
type Member struct {
	Addr  netip.Addr
	Index int // in Config.Backends, or -1 for a fallback address
}
