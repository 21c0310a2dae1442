package rrhealth

import (
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/coredns/caddy"
	"github.com/coredns/coredns/plugin"
	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/plugin/pool"
	"github.com/rrhealth/rrhealth/plugin/verdict"
)

// What a stanza says where it says nothing. The reasons are in the README.
const (
	defaultInterval = 5 * time.Second
	defaultFast     = time.Second
	defaultTimeout  = 2 * time.Second
	defaultRise     = 2
	defaultFall     = 3
	defaultAnswers  = 8
)

// The limits of what a stanza may say.
const (
	minInterval = 100 * time.Millisecond
	maxInterval = 24 * time.Hour
	maxStreak   = 100
	maxWeight   = 65535
	maxTier     = 100
	maxAnswers  = 1000
	// maxWatchedMinUp is how many A records a DNS message can hold: 16 bytes each.
	maxWatchedMinUp = 4094
	minPatience     = time.Second // of slow_start, hold and failback
	maxPatience     = 24 * time.Hour
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

// An option is a line that a stanza may have.
type option struct {
	name, form string // as the README's Syntax has them
	read       func(*stanza, line) error
	many       bool // may be given more than once
	general    bool // may also stand in the block of a check
}

// options lists all of them, in the order of the README. Parser, error texts
// and a test of the README read this list. Lines are read in the order of the
// Corefile, checks last: they need the stanza's pace.
var options = []option{
	{name: "backend", form: backendArgs, read: (*stanza).parseBackend, many: true},
	{name: "watch", form: "CIDR...|any", read: (*stanza).parseWatch},
	{name: "check", form: "KIND://[HOST][:PORT][/PATH] [{ OPTION... }]", many: true},
	{name: "interval", form: "DURATION [fast DURATION]", read: (*stanza).parsePace, general: true},
	{name: "timeout", form: "DURATION", read: (*stanza).parsePace, general: true},
	{name: "rise", form: "N", read: (*stanza).parsePace, general: true},
	{name: "fall", form: "N", read: (*stanza).parsePace, general: true},
	{name: "fall_hard", form: "N", read: (*stanza).parsePace, general: true},
	{name: "policy", form: "rotate|shuffle|weighted|sticky [V4LEN V6LEN]|nearest|first", read: (*stanza).parsePolicy},
	{name: "answers", form: "N", read: (*stanza).parseAnswers},
	{name: "ttl", form: "DURATION", read: (*stanza).parseTTL},
	{name: "all_down", form: "answer|servfail|refused|nodata|drop|ADDRESS...", read: (*stanza).parseAllDown},
	{name: "min_up", form: "N|N%", read: (*stanza).parseMinUp},
	{name: "slow_start", form: "DURATION", read: (*stanza).parsePatience},
	{name: "hold", form: "DURATION", read: (*stanza).parsePatience},
	{name: "failback", form: "auto|DURATION|manual", read: (*stanza).parsePatience},
	{name: "shadow", read: (*stanza).parseShadow},
}

// optionNames lists the options for an error text.
func optionNames() string {
	names := make([]string, len(options))
	for i, o := range options {
		names[i] = o.name
	}
	return strings.Join(names, ", ")
}

// generalOptions lists the options that may also stand in the block of a check.
var generalOptions = func() (names []string) {
	for _, o := range options {
		if o.general {
			names = append(names, o.name)
		}
	}
	return names
}()

// parseStanza reads a stanza. What was wrong with it is in its field found.
func parseStanza(l line, zones []string, root string) stanza {
	s := stanza{
		at: l, backends: make(map[netip.Addr]bool), broken: make(map[string]bool),
		pool: pool.Config{
			Answers: defaultAnswers, MinUp: pool.MinUp{N: 1},
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
		s.report(s.at.find("min_up").errorf("min_up: got %d, want at most %d, the backends of one address family: with fewer up than that all are answered, dead or not", s.pool.MinUp.N, most))
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

// parseNames reads the names behind rrhealth, or takes the server block's.
func (s *stanza) parseNames(zones []string) {
	given := s.at.args()
	if len(given) == 0 {
		given = zones
	}
	s.names = make([]string, 0, len(given))
	seen := make(map[string]bool, len(given))
	for _, arg := range given {
		name := strings.ToLower(dns.Fqdn(arg))
		base := strings.TrimPrefix(name, "*.")
		var err error
		switch _, ok := dns.IsDomainName(name); {
		case !isASCII(arg):
			err = s.at.errorf("name %q: not ASCII; write an internationalized name in punycode (xn--...)", arg)
		case !ok || base != "." && strings.ContainsFunc(base, notInNames):
			err = s.at.errorf("name %q: not a domain name; write letters, digits, - and _ only, such as www.example.org or *.example.org", arg)
		case name == "." && s.at.find("watch").word() != "watch":
			err = s.at.errorf("name %q: nobody asks for the addresses of the root, want rrhealth NAME... { ... }", arg)
		case !plugin.Zones(zones).Contains(base):
			err = s.at.errorf("name %q: not inside the server block (%s), want a full name that is: relative names are not completed", arg, strings.Join(zones, " "))
		case seen[name]:
			err = s.at.errorf("name %q: given twice, want it once", arg)
		}
		if err != nil {
			s.report(err)
			s.broken[pluginName] = true
			continue
		}
		seen[name] = true
		s.names = append(s.names, name)
	}
}

func isASCII(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r > unicode.MaxASCII })
}

// notInNames reports whether r is in no name that is asked for its addresses.
// A control character above all: names are written to the log.
func notInNames(r rune) bool {
	return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '_' && r != '.'
}
