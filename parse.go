package rrhealth

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/coredns/caddy"
	"github.com/coredns/coredns/plugin"
	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/plugin/pool"
	"github.com/rrhealth/rrhealth/plugin/verdict"
)

// What a stanza says where it says nothing. The reasons are in the README.
const (
	defaultInterval = 10 * time.Second
	defaultFast     = 2 * time.Second
	defaultTimeout  = 3 * time.Second
	defaultRise     = 2
	defaultFall     = 3
	defaultAnswers  = 8
	defaultTTL      = 30
)

// The limits of what a stanza may say.
const (
	minInterval = 100 * time.Millisecond
	maxInterval = 24 * time.Hour
	maxStreak   = 100
	maxWeight   = 65535
	maxTier     = 100
	maxAnswers  = 1000
)

// A stanza is one rrhealth stanza: a pool for each of its names.
type stanza struct {
	at       line
	names    []string
	pool     pool.Config
	backends map[netip.Addr]bool // those of pool, to find them by
	watch    scope               // of a filter
	shadow   bool
	checks   []check
	pace     pace
}

// parse reads all stanzas of a server block.
func parse(c *caddy.Controller, root string) ([]stanza, error) {
	zones := zonesOf(c)
	var stanzas []stanza
	claimed := map[bool]map[string]line{false: {}, true: {}}
	for c.Next() {
		l, err := readLine(c)
		if err != nil {
			return nil, err
		}
		if l.word() != pluginName {
			return nil, l.errorf("unexpected %q, want %s", l.word(), pluginName)
		}
		s, err := parseStanza(l, zones, root)
		if err != nil {
			return nil, err
		}
		for _, name := range s.names {
			// The same name may be served and stand at the top of a filter.
			claimed := claimed[s.filters()]
			if first, ok := claimed[name]; ok {
				return nil, l.errorf("name %q is claimed by the stanza at %s already, want each name once", name, first.pos())
			}
			claimed[name] = l
		}
		stanzas = append(stanzas, s)
	}
	return stanzas, nil
}

// words is what may stand in a stanza, and what reads it. Lines are read in the
// order of the Corefile. Checks are read last: they need the stanza's pace.
var words = map[string]func(*stanza, line) error{
	"backend":    (*stanza).parseBackend,
	"interval":   func(s *stanza, l line) error { return s.pace.parse(l) },
	"timeout":    func(s *stanza, l line) error { return s.pace.parse(l) },
	"rise":       func(s *stanza, l line) error { return s.pace.parse(l) },
	"fall":       func(s *stanza, l line) error { return s.pace.parse(l) },
	"fall_hard":  func(s *stanza, l line) error { return s.pace.parse(l) },
	"policy":     (*stanza).parsePolicy,
	"answers":    (*stanza).parseAnswers,
	"ttl":        (*stanza).parseTTL,
	"all_down":   (*stanza).parseAllDown,
	"min_up":     (*stanza).parseMinUp,
	"slow_start": (*stanza).parsePatience,
	"hold":       (*stanza).parsePatience,
	"failback":   (*stanza).parsePatience,
	"watch":      (*stanza).parseWatch,
	"shadow":     (*stanza).parseShadow,
}

// wordNames lists the words for an error text, in the order of the README.
const wordNames = "backend, watch, check, interval, timeout, rise, fall, fall_hard, policy, answers, ttl, all_down, min_up, slow_start, hold, failback, shadow"

// repeatable are the words that may stand more than once in a stanza.
var repeatable = []string{"backend", "check"}

func parseStanza(l line, zones []string, root string) (stanza, error) {
	s := stanza{
		at: l, backends: make(map[netip.Addr]bool),
		pool: pool.Config{
			Answers: defaultAnswers, TTL: defaultTTL, MinUp: pool.MinUp{N: 1},
		},
		pace: pace{rule: verdict.Rule{Rise: defaultRise, Fall: defaultFall}},
	}
	if len(l.block) == 0 {
		return s, l.errorf("%s: no backend given, want a block { backend ADDRESS... } or { watch CIDR... }", pluginName)
	}
	var err error
	if s.names, err = parseNames(l, zones); err != nil {
		return s, err
	}
	seen := make(map[string]line)
	for _, inner := range l.block {
		w := inner.word()
		if first, ok := seen[w]; ok && !slices.Contains(repeatable, w) {
			return s, inner.errorf("%s: given at %s already, want it once", w, first.pos())
		}
		seen[w] = inner
		if w == "check" {
			continue // needs the pace, wherever that stands
		}
		read, ok := words[w]
		if !ok {
			return s, inner.errorf("unknown word %q, want one of %s", w, wordNames)
		}
		if inner.block != nil {
			return s, inner.errorf("%s: unexpected block { ... }, only check has one", w)
		}
		if err := read(&s, inner); err != nil {
			return s, err
		}
	}
	return s, s.complete(l, root)
}

// complete fills in what depends on several words, and checks the whole.
func (s *stanza) complete(l line, root string) error {
	if s.filters() {
		if err := s.completeFilter(l); err != nil {
			return err
		}
		return s.completeChecks(l, root)
	}
	if len(s.pool.Backends) == 0 {
		return l.errorf("%s: no backend given, want at least one line backend ADDRESS..., or watch CIDR... to judge what other plugins answer", pluginName)
	}
	if !slices.ContainsFunc(s.pool.Backends, func(b pool.Backend) bool { return !b.Drain }) {
		return l.errorf("%s: every backend is drained, want at least one that may be answered", pluginName)
	}
	for _, a := range s.pool.Fallback {
		if s.backends[a] {
			return l.find("all_down").errorf("all_down: %s is a backend of the pool too, want an address that is not", a)
		}
	}
	if most := s.largestFamily(); !s.pool.MinUp.Percent && s.pool.MinUp.N > most {
		return l.find("min_up").errorf("min_up: got %d, want at most %d, the backends of one address family: with fewer up than that all are answered, dead or not", s.pool.MinUp.N, most)
	}
	return s.completeChecks(l, root)
}

// largestFamily returns how many backends the family with the most of them has.
func (s *stanza) largestFamily() int {
	var n [len(pool.Families)]int
	for _, b := range s.pool.Backends {
		n[pool.FamilyOf(b.Addr)]++
	}
	return slices.Max(n[:])
}

// parseNames reads the names behind rrhealth, or takes the server block's.
func parseNames(l line, zones []string) ([]string, error) {
	given := l.args()
	if len(given) == 0 {
		given = zones
	}
	names := make([]string, 0, len(given))
	seen := make(map[string]bool, len(given))
	for _, arg := range given {
		name := strings.ToLower(dns.Fqdn(arg))
		base := strings.TrimPrefix(name, "*.")
		switch _, ok := dns.IsDomainName(name); {
		case !ok || strings.Contains(base, "*") || strings.ContainsAny(name, "/:@\\ "):
			return nil, l.errorf("name %q: want a domain name such as www.example.org or *.example.org", arg)
		case name == "." && l.find("watch").word() != "watch":
			return nil, l.errorf("name %q: nobody asks for the addresses of the root, want rrhealth NAME... { ... }", arg)
		case !plugin.Zones(zones).Contains(base):
			return nil, l.errorf("name %q: not inside the server block (%s), want a full name that is: relative names are not completed", arg, strings.Join(zones, " "))
		case seen[name]:
			return nil, l.errorf("name %q: given twice, want it once", arg)
		}
		seen[name] = true
		names = append(names, name)
	}
	return names, nil
}
