package pool

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/rrhealth/rrhealth/plugin/verdict"
)

// Policy is how the members that are up are ordered.
type Policy uint8

// The policies.
const (
	Rotate     Policy = iota // the list moves on by one with each query
	Shuffle                  // a random order for each query
	Weighted                 // each is first in exact proportion to its weight
	Sticky                   // an order for each client network, which never changes
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

// PolicyNames returns the names that ParsePolicy accepts, without the alias.
func PolicyNames() []string { return policyNames[:] }

// Action is what is answered when every backend of both families is down.
type Action uint8

// The actions.
const (
	ActAnswer    Action = iota // the full set of the first tier: fail open
	ActServfail                // SERVFAIL
	ActRefused                 // REFUSED
	ActNoData                  // an empty answer
	ActDrop                    // no reply, so that the resolver asks another name server
	ActAddresses               // Settings.Fallback
)

var actionNames = [...]string{
	ActAnswer: "answer", ActServfail: "servfail", ActRefused: "refused", ActNoData: "nodata", ActDrop: "drop",
}

// AllDownForm returns the option all_down as the Corefile has it.
func (s *Settings) AllDownForm() string {
	if s.AllDown != ActAddresses {
		return actionNames[s.AllDown]
	}
	addrs := make([]string, len(s.Fallback))
	for i, a := range s.Fallback {
		addrs[i] = a.String()
	}
	return strings.Join(addrs, " ")
}

// Settings are what a stanza sets for the answers of a pool or a filter. They
// are immutable.
type Settings struct {
	Policy     Policy
	MaxAnswers int    // the most addresses in an answer; 0 for all
	TTL        uint32 // seconds, while all members are up and nothing changes
	ShortTTL   uint32 // seconds, while a member is down, held down or unknown: the interval
	FastTTL    uint32 // seconds, while the next result may change a state: about fast
	AllDown    Action
	Fallback   []netip.Addr // for ActAddresses
	MinUp      MinUp
}

// Config is a pool as the Corefile describes it, without its name. It is
// immutable, and shared by the pools of one stanza.
type Config struct {
	Settings
	Backends []Backend
	Networks Networks // under Sticky
	Recovery Recovery
}

// Has reports whether c has backends of the family f that are not drained.
func (c *Config) Has(f Family) bool {
	return slices.ContainsFunc(c.Backends, func(b Backend) bool { return !b.Drain && FamilyOf(b.Addr) == f })
}

// Networks are the lengths of the client networks under Sticky, by the family
// of the client's address.
type Networks [len(Families)]int

// MinUp is how many members must be up for a tier to be answered without the
// next one: N members, or N percent of the members of the first tier.
type MinUp struct {
	N       int
	Percent bool
}

// String returns m as the Corefile has it.
func (m MinUp) String() string {
	if m.Percent {
		return strconv.Itoa(m.N) + "%"
	}
	return strconv.Itoa(m.N)
}

// Of returns m as a number of members, for a first tier of size members.
func (m MinUp) Of(size int) int {
	if !m.Percent {
		return m.N
	}
	return max((m.N*size+99)/100, 1)
}

// Lifetime returns the longest TTL that a backend of this health allows.
// Resolvers keep an answer until its TTL has passed, also if a state changes a
// moment after they fetched it. So the TTL is FastTTL while the next result may
// change the state. It is ShortTTL while the backend is down, since it may come
// up with the next probe, an interval later.
func (s *Settings) Lifetime(h Health) uint32 {
	switch {
	case h.changing():
		return min(s.TTL, s.FastTTL)
	case !h.ready() || h.Effective() == verdict.Unknown:
		return min(s.TTL, s.ShortTTL)
	default:
		return s.TTL
	}
}
