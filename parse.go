package rrhealth

import (
	"net/netip"
	"slices"
	"time"

	"github.com/coredns/caddy"

	"github.com/rrhealth/rrhealth/plugin/pool"
	"github.com/rrhealth/rrhealth/plugin/verdict"
)

// What a stanza says where it says nothing. The reasons are in docs/detection.md.
const (
	defaultInterval   = 5 * time.Second
	defaultFast       = time.Second
	defaultTimeout    = 2 * time.Second
	defaultRise       = 2
	defaultFall       = 3
	defaultMaxAnswers = 8
)

// The limits of what a stanza may say.
const (
	minInterval = 100 * time.Millisecond
	maxInterval = 24 * time.Hour
	maxStreak   = 100
	maxWeight   = 65535
	maxTier     = 100
	mostAnswers = 1000
	// maxWatchedMinUp is how many A records a DNS message can hold: 16 bytes each.
	maxWatchedMinUp = 4094
	minRecovery     = time.Second // of slow_start, hold_down and failback
	maxRecovery     = 24 * time.Hour
)

// A stanza is one rrhealth stanza: a pool for each of its names.
type stanza struct {
	at       line
	names    []string
	pool     pool.Config
	backends map[netip.Addr]bool // those of pool, to find them by
	watch    scope               // of a filter
	dryRun   bool
	checks   []check
	pace     pace

	detection time.Duration // of the quickest check; 0 without checks

	// What was found wrong while the stanza was read.
	found   problems
	broken  map[string]bool // options that could not be read, by name
	unknown bool            // some options are unknown
}

// parse reads all stanzas of a server block. Its error is of type problems.
func parse(c *caddy.Controller, root string) ([]stanza, error) {
	zones := zonesOf(c)
	var (
		stanzas []stanza
		found   problems
	)
	claimed := map[bool]map[string]line{false: {}, true: {}}
	for c.Next() {
		l, err := readLine(c)
		if err == nil && l.word() != pluginName {
			err = l.errorf("unexpected %q, want %s", l.word(), pluginName)
		}
		if err != nil {
			if n := len(stanzas); n > 0 && stanzas[n-1].at.block == nil {
				// That it has no block is the same error: a brace on a line of its own.
				found = found[:len(found)-len(stanzas[n-1].found)]
			}
			found.add(l, err)
			break // where the next stanza begins is not certain
		}
		s := parseStanza(l, zones, root)
		for _, name := range s.names {
			// The same name may be served and stand at the top of a filter.
			claimed := claimed[s.filters()]
			if first, ok := claimed[name]; ok {
				s.report(l.errorf("name %q is claimed by the stanza at %s already, want each name once", name, first.pos()))
				continue
			}
			claimed[name] = l
		}
		found = append(found, s.found...)
		stanzas = append(stanzas, s)
	}
	if err := found.err(); err != nil {
		return nil, err
	}
	return stanzas, nil
}

// parseStanza reads a stanza. What was wrong with it is in its field found.
func parseStanza(l line, zones []string, root string) stanza {
	s := stanza{
		at: l, backends: make(map[netip.Addr]bool), broken: make(map[string]bool),
		pool: pool.Config{
			MaxAnswers: defaultMaxAnswers, MinUp: pool.MinUp{N: 1},
		},
		pace: pace{rule: verdict.Rule{Rise: defaultRise, Fall: defaultFall}},
	}
	s.parseNames(zones)
	if len(l.block) == 0 {
		s.report(l.errorf("%s: no backend given, want a block { backend ADDRESS... } or { watch CIDR... }", pluginName))
		return s
	}
	seen := make(map[string]line)
	for _, inner := range l.block {
		if err := s.parseOption(inner, seen); err != nil {
			s.report(err)
			s.broken[inner.word()] = true
		}
	}
	if s.broken["watch"] {
		s.watch.any = true // so that the rest is checked as that of a filter
	}
	s.complete(root)
	return s
}

// report notes err, which may be nil.
func (s *stanza) report(err error) { s.found.add(s.at, err) }

// parseOption reads one line of the stanza. seen are the lines before it.
func (s *stanza) parseOption(l line, seen map[string]line) error {
	if err := l.readable(); err != nil {
		return err
	}
	w := l.word()
	i := slices.IndexFunc(options, func(o option) bool { return o.name == w })
	if i < 0 {
		s.unknown = true
		if err := l.notExpanded(); err != nil {
			return err
		}
		return l.errorf("unknown option %q; use one of %s", w, optionNames())
	}
	if first, ok := seen[w]; ok && !options[i].many {
		return l.errorf("%s: given at %s already, want it once", w, first.pos())
	}
	seen[w] = l
	switch read := options[i].read; {
	case read == nil: // a check
		return nil
	case l.block != nil:
		return l.errorf("%s: unexpected block { ... }, only check has one", w)
	default:
		return read(s, l)
	}
}

// complete fills in what depends on several options, and checks the whole.
// What follows from an option that could not be read is not reported: fixing
// that one may be all there is to do.
func (s *stanza) complete(root string) {
	switch mixed := s.filters() && (len(s.pool.Backends) > 0 || s.broken["backend"]); {
	case mixed:
		s.report(s.at.find("backend").errorf("backend: beside watch at %s, want one of them: backend to answer addresses, watch to judge those that other plugins answer", s.at.find("watch").pos()))
		s.completeChecks(root, true)
		return
	case s.filters():
		s.completeFilter()
		s.completeChecks(root, false)
	default:
		s.completePool()
		s.completeChecks(root, true)
	}
	s.checkPolicy()
}

// completePool checks what a pool's stanza says as a whole.
func (s *stanza) completePool() {
	all := !s.broken["backend"] // the backends are known
	drained := func(b pool.Backend) bool { return b.Drain }
	switch {
	case all && len(s.pool.Backends) == 0:
		if !s.unknown { // backend may be among them
			s.report(s.at.errorf("%s: no backend given, want at least one line backend ADDRESS..., or watch CIDR... to judge what other plugins answer", pluginName))
		}
		all = false
	case all && !slices.ContainsFunc(s.pool.Backends, func(b pool.Backend) bool { return !drained(b) }):
		s.report(s.at.errorf("%s: every backend is drained, want at least one that may be answered", pluginName))
	}
	for _, a := range s.pool.Fallback {
		if s.backends[a] {
			s.report(s.at.find("all_down").errorf("all_down: %s is a backend of the pool too, want an address that is not", a))
		}
	}
	if most := s.largestFamily(); all && !s.pool.MinUp.Percent && s.pool.MinUp.N > most {
		s.report(s.at.find("min_up").errorf("min_up: got %d, want at most %d, the backends of one address family: with fewer up than that all are answered, up or down", s.pool.MinUp.N, most))
	}
}

// largestFamily returns how many backends the family with the most of them has.
func (s *stanza) largestFamily() int {
	var n [len(pool.Families)]int
	for _, b := range s.pool.Backends {
		n[pool.FamilyOf(b.Addr)]++
	}
	return slices.Max(n[:])
}
