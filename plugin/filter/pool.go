package filter

import (
	"slices"

	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/plugin/live"
	"github.com/rrhealth/rrhealth/plugin/pool"
	"github.com/rrhealth/rrhealth/plugin/reply"
)

// Explain adds to m why it is as it is, as an extended error (RFC 8914).
func Explain(p *live.Pool, m, r *dns.Msg, o pool.Outcome, f pool.Family) {
	if o == pool.Served || r.IsEdns0() == nil {
		return
	}
	if why := why(p, o, f); why != "" {
		reply.Explain(m, r, why)
	}
}

// why returns the text for the outcome o of p's addresses of one family, or "" for
// the usual ones.
func why(p *live.Pool, o pool.Outcome, f pool.Family) string {
	down := "all backends of " + p.Name + " are down"
	switch o {
	case pool.ServedMinUp:
		return "fewer backends of " + p.Name + " are up than min_up: all are answered"
	case pool.ServedAllDown:
		return down + ": all are answered"
	case pool.ServedFallback:
		return down + ": the fallback is answered"
	case pool.Servfail, pool.Refused:
		return down
	}
	if o != pool.NoData || !slices.ContainsFunc(p.Backends, func(b pool.Backend) bool { return !b.Drain && pool.FamilyOf(b.Addr) == f }) {
		return ""
	}
	if p.Snapshot().AllDown {
		return down
	}
	return "all backends of " + p.Name + " with an " + [...]string{pool.V4: "IPv4", pool.V6: "IPv6"}[f] + " address are down"
}

// Scope returns the length of the network for which an answer from choice, to a
// query with ecs, is valid. 0 is for all clients.
func Scope(p *live.Pool, choice *pool.Choice, ecs *dns.EDNS0_SUBNET) int {
	if ecs == nil || len(choice.Members) < 2 {
		return 0 // there is no other answer
	}
	source := int(ecs.SourceNetmask)
	switch {
	case source == 0:
		return 0
	case p.Policy == pool.Sticky:
		return min(source, p.Networks[pool.FamilyOf(reply.SubnetAddr(ecs))])
	case p.Policy == pool.Nearest:
		// geoip does not report how many bits of the address it used.
		return source
	}
	return 0
}

// NegativeTTL returns how many seconds resolvers may remember that s has no
// address of one family to answer.
func NegativeTTL(p *live.Pool, s *pool.Snapshot, f pool.Family) uint32 {
	if p.Has(f) {
		return min(reply.NegativeTTL, s.TTL)
	}
	return reply.NegativeTTL
}
