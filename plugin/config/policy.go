package config

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/rrhealth/rrhealth/plugin/pool"
)

// defaultNetworks are the networks by which sticky distinguishes clients: what
// resolvers send of a client's address (RFC 7871, section 11.1), and what a
// household is given.
var defaultNetworks = pool.Networks{pool.V4: 24, pool.V6: 56}

// parsePolicy reads the policy and, for sticky, the lengths of client networks.
func (p *parser) parsePolicy(l Line) error {
	names := strings.Join(pool.PolicyNames(), ", ")
	args := l.args()
	if len(args) == 0 {
		return l.Errorf("policy: got nothing, want one of %s", names)
	}
	var ok bool
	if p.Pool.Policy, ok = pool.ParsePolicy(args[0]); !ok {
		return l.Errorf("policy: got %q, want one of %s", args[0], names)
	}
	if p.Pool.Policy == pool.Sticky {
		return p.parseNetworks(l, args[1:])
	}
	if len(args) > 1 {
		return l.Errorf("policy: unexpected %s behind %s, want one of %s", quoted(args[1:]), args[0], names)
	}
	return nil
}

// parseNetworks reads the two lengths behind policy sticky, IPv4 first. A slash
// before a length is allowed.
func (p *parser) parseNetworks(l Line, args []string) error {
	p.Pool.Networks = defaultNetworks
	if len(args) == 0 {
		return nil
	}
	if len(args) != 2 {
		return l.Errorf("policy: got %s behind sticky, want sticky [V4LEN V6LEN]", quoted(args))
	}
	for f, most := range [...]int{pool.V4: 32, pool.V6: 128} {
		n, err := number(strings.TrimPrefix(args[f], "/"), 1, most)
		if err != nil {
			return l.Errorf("policy: sticky: length of an IPv%d network: %v", 4+2*f, err)
		}
		p.Pool.Networks[f] = n
	}
	return nil
}

// checkPolicy reports options that have no effect under the policy of the
// stanza, and what the policy lacks.
func (p *parser) checkPolicy() {
	if !p.IsFilter() {
		for _, l := range p.at.Block {
			p.report(p.checkEffect(l))
		}
	}
	if p.Pool.Policy == pool.Nearest {
		p.checkPlaces()
	}
}

// checkEffect returns an error if the option on l has no effect in the pool. It is
// an error rather than a warning, since the user expects an effect; a weight that
// the policy does not use is a warning, so that the policy can be changed alone.
func (p *parser) checkEffect(l Line) error {
	named := !p.broken["policy"]
	switch policy := p.Pool.Policy; {
	case l.word() == "slow_start" && named && !p.broken["backend"] && policy != pool.Weighted: // a weight makes it weighted
		return l.Errorf("slow_start: the policy is %s, want policy weighted: only there a share can grow", policy)
	case l.word() == "failback" && !p.broken["backend"] && !p.tiered():
		return l.Errorf("failback: every backend is of one tier, want backends of several")
	case l.word() == "backend" && named && policy != pool.Nearest && slices.Contains(l.args(), "location"):
		return l.Errorf("backend: location: the policy is %s, want policy nearest: only there it has a meaning", policy)
	}
	return nil
}

// checkPlaces reports backends without a location, and locations of two kinds:
// one error for each backend line.
func (p *parser) checkPlaces() {
	nowhere := pool.Place{}
	var first pool.Place // the first that is given
	if i := slices.IndexFunc(p.Pool.Backends, func(b pool.Backend) bool { return b.Place != nowhere }); i >= 0 {
		first = p.Pool.Backends[i].Place
	}
	reported := make(map[string]bool)
	for _, b := range p.Pool.Backends {
		l := p.lineOf(b)
		var err error
		switch {
		case b.Place == nowhere:
			err = l.Errorf("backend %q: no location, want one under policy nearest: %s", b.Addr, placeForm)
		case b.Place.OnGlobe() != first.OnGlobe():
			err = l.Errorf("backend %q: location by codes and by coordinates in one stanza, want one or the other", b.Addr)
		}
		if err != nil && !reported[l.pos()] {
			reported[l.pos()] = true
			p.report(err)
		}
	}
}

// lineOf returns the backend line that has b.
func (p *parser) lineOf(b pool.Backend) Line {
	i := slices.IndexFunc(p.at.Block, func(l Line) bool {
		return l.word() == "backend" && slices.ContainsFunc(l.args(), func(arg string) bool {
			addr, err := netip.ParseAddr(arg)
			return err == nil && addr == b.Addr
		})
	})
	if i < 0 {
		return p.at
	}
	return p.at.Block[i]
}
