// Package pool decides what is answered: which backends of a pool, in which
// order, for how long.
//
// The decisions that depend on verdicts (tiers, all down, min_up, TTL) are
// made when verdicts change: Build turns the states of the backends into a
// Snapshot, once for each address family. A query loads the pool's latest
// snapshot, asks Order for the members' order under the pool's policy, and is
// done; it takes no lock and decides nothing.
//
// A family is judged on its own as far as possible: A records of the second
// tier are answered when the first tier has none up, whatever AAAA does. Both
// families together count only for the question whether all is down: a family
// without members up beside one that has some is answered with NODATA, so that
// clients use the living one.
package pool

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync/atomic"

	"github.com/rrhealth/rrhealth/plugin/verdict"
)

// A Backend is one address of a pool.
type Backend struct {
	Addr      netip.Addr // what is answered
	CheckAddr netip.Addr // what is probed; the same unless the Corefile says otherwise
	Weight    int        // share of the first answers under Weighted and Sticky; 1 unless set
	Tier      int        // 1 is answered first; 1 unless set
	Drain     bool       // still probed, no longer answered
	Place     Place      // where it is, under Nearest
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

// Policy is how the members that are up are ordered.
type Policy uint8

// The policies.
const (
	Rotate     Policy = iota // the list turns by one with each query
	Shuffle                  // a random order for each query
	Weighted                 // the first is dealt in exact proportion to the weights
	Sticky                   // an order of its own for each client network, always the same
	Nearest                  // by distance from the client
	Sequential               // the Corefile's order
)

var policyNames = [...]string{
	Rotate: "rotate", Shuffle: "shuffle", Weighted: "weighted", Sticky: "sticky", Nearest: "nearest", Sequential: "sequential",
}

// String returns the Corefile's word.
func (p Policy) String() string { return policyNames[p] }

// ParsePolicy returns the policy called name. For round_robin, CoreDNS's word,
// it returns Rotate.
func ParsePolicy(name string) (Policy, bool) {
	if name == "round_robin" {
		return Rotate, true
	}
	for p, n := range policyNames {
		if n == name {
			return Policy(p), true
		}
	}
	return 0, false
}

// PolicyNames returns the words that ParsePolicy takes, but for the alias.
func PolicyNames() []string { return policyNames[:] }

// Action is what is answered when every backend of both families is down.
type Action uint8

// The actions.
const (
	ActAnswer    Action = iota // the full set of the first tier: fail open
	ActServfail                // SERVFAIL
	ActRefused                 // REFUSED
	ActNoData                  // an empty answer
	ActDrop                    // nothing at all, so that the resolver asks another name server
	ActAddresses               // Config.Fallback
)

// Config is a pool as the Corefile describes it, but for its name. It is
// immutable, and shared by the pools of one stanza.
type Config struct {
	Backends   []Backend
	Policy     Policy
	MaxAnswers int    // the most addresses in an answer; 0 for all
	TTL        uint32 // seconds, while all members are up and nothing changes
	ShortTTL   uint32 // seconds, while a member is down, held down or unknown: the interval
	FastTTL    uint32 // seconds, while a verdict may change soon: about fast
	AllDown    Action
	Fallback   []netip.Addr // for ActAddresses
	MinUp      MinUp
	Networks   Networks // under Sticky
	Patience   Patience
}

// Has reports whether c has backends of the family f that are not drained.
func (c *Config) Has(f Family) bool {
	return slices.ContainsFunc(c.Backends, func(b Backend) bool { return !b.Drain && FamilyOf(b.Addr) == f })
}

// Networks are the lengths of the client networks under Sticky, by the family
// of the client's address.
type Networks [len(Families)]int

// MinUp is how many members must be up for a tier to be answered alone: N of
// them, or N percent of the first tier's.
type MinUp struct {
	N       int
	Percent bool
}

// of returns the number of members meant where the first tier has size members.
func (m MinUp) of(size int) int {
	if !m.Percent {
		return m.N
	}
	return max((m.N*size+99)/100, 1)
}

// A Pool is a Config at work: the latest snapshot, and where the rotation
// stands. There may be a hundred thousand.
type Pool struct {
	*Config
	snapshot atomic.Pointer[Snapshot]
	cursors  *Cursors
	turns    *turns // under Nearest
}

// Cursors say where the rotation of a pool stands, for each family. They
// outlive a pool: its successor after a reload goes on from there.
type Cursors [len(Families)]atomic.Uint64

// Scatter makes c start anywhere: replicas that start together would otherwise
// all favour the same backend.
func (c *Cursors) Scatter() {
	for i := range c {
		c[i].Store(uint64(rand.Uint32()))
	}
}

// turns count the answers of each group of neighbours, see spots.nearest.
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

// Init makes p what c describes, with a first snapshot. Before p serves it must
// Adopt cursors too.
func (p *Pool) Init(c *Config, first *Snapshot) {
	p.Config = c
	if c.Policy == Nearest {
		p.turns = newTurns(len(c.Backends))
	}
	p.Store(first)
}

// Adopt makes p go on where cursors stand. Call it before p serves.
func (p *Pool) Adopt(c *Cursors) { p.cursors = c }

// Store makes s the snapshot that queries see. Nobody changes s afterwards.
func (p *Pool) Store(s *Snapshot) { p.snapshot.Store(s) }

// Snapshot returns the latest snapshot.
func (p *Pool) Snapshot() *Snapshot { return p.snapshot.Load() }

// Health is what is known of one backend.
type Health struct {
	State    verdict.State
	Changing bool  // the next result may change the state
	HeldDown bool  // up, but not to be answered yet while others suffice; see Past
	Growth   uint8 // of fullGrowth, the share that a recovered member has; 0 is all of it
}

// ready reports whether a backend of this health may be answered.
func (h Health) ready() bool { return h.State != verdict.Down && !h.HeldDown }

// A Member is a backend that may be answered.
type Member struct {
	Addr  netip.Addr
	Index int // in Config.Backends, or -1 for a fallback address
}
