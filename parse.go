package rrhealth

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/coredns/caddy"
	"github.com/coredns/coredns/plugin"
	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/plugin/monitor"
	"github.com/rrhealth/rrhealth/plugin/pool"
	"github.com/rrhealth/rrhealth/plugin/probe"
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
	at     line
	names  []string
	pool   pool.Config // without a name
	watch  scope       // of a filter
	shadow bool
	checks []check
	pace   pace
}

// A check is a question and how often it is asked.
type check struct {
	probe probe.Check
	pace
}

// pace is how often is asked, and how answers are judged. A duration of 0 was
// not given; complete gives it its default.
type pace struct {
	interval, fast, timeout time.Duration
	rule                    verdict.Rule
}

// monitor returns c in the words of the monitor.
func (c check) monitor() monitor.Check {
	return monitor.Check{ID: c.probe.ID, Interval: c.interval, Fast: c.fast, Timeout: c.timeout, Rule: c.rule}
}

// parse reads all stanzas of a server block.
func parse(c *caddy.Controller, root string) ([]stanza, error) {
	zones := plugin.OriginsFromArgsOrServerBlock(nil, c.ServerBlockKeys)
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

// words is what may stand in a stanza, and what reads it. Lines are read in
// the table's order of phases: a check needs to know the pace of the stanza.
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
		at: l,
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
		if s.has(a) {
			return l.find("all_down").errorf("all_down: %s is a backend of the pool too, want an address that is not", a)
		}
	}
	if most := s.largestFamily(); !s.pool.MinUp.Percent && s.pool.MinUp.N > most {
		return l.find("min_up").errorf("min_up: got %d, want at most %d, the backends of one address family: with fewer up than that all are answered, dead or not", s.pool.MinUp.N, most)
	}
	return s.completeChecks(l, root)
}

// completeChecks reads the checks, now that the pace is known.
func (s *stanza) completeChecks(l line, root string) error {
	pace, err := s.pace.complete(l)
	if err != nil {
		return err
	}
	shortest := pace.interval
	for _, inner := range l.block {
		if inner.word() != "check" {
			continue
		}
		c, err := s.parseCheck(inner, root)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(s.checks, func(o check) bool { return o.probe.ID == c.probe.ID }) {
			return inner.errorf("check %q: given twice, want it once", c.probe.Label)
		}
		shortest = min(shortest, c.interval)
		s.checks = append(s.checks, c)
	}
	s.pool.ShortTTL = uint32(max(shortest/time.Second, 1)) // #nosec G115 -- a day at the most
	return s.checkPolicy()
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
	var names []string
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
		case slices.Contains(names, name):
			return nil, l.errorf("name %q: given twice, want it once", arg)
		}
		names = append(names, name)
	}
	return names, nil
}

// has reports whether addr is a backend of s.
func (s *stanza) has(addr netip.Addr) bool {
	return slices.ContainsFunc(s.pool.Backends, func(b pool.Backend) bool { return b.Addr == addr })
}

const backendForm = "backend ADDRESS... [weight N] [tier N] [location LATITUDE LONGITUDE|CONTINENT[/COUNTRY]] [probe ADDRESS] [drain]"

// parseBackend reads one backend line: addresses, then what holds for them.
func (s *stanza) parseBackend(l line) error {
	args := l.args()
	var addrs []netip.Addr
	for len(args) > 0 {
		addr, err := netip.ParseAddr(args[0])
		if err != nil {
			break
		}
		if addr, err = backendAddr(addr); err != nil {
			return l.errorf("backend %q: %v", args[0], err)
		}
		if s.has(addr) || slices.Contains(addrs, addr) {
			return l.errorf("backend %q: given twice, want each address once", args[0])
		}
		addrs = append(addrs, addr)
		args = args[1:]
	}
	if len(addrs) == 0 {
		return l.errorf("backend: got %s, want an IP address: %s", quoted(args), backendForm)
	}
	b := pool.Backend{Weight: 1, Tier: 1}
	if err := s.parseBackendOptions(l, args, &b, len(addrs)); err != nil {
		return err
	}
	for _, addr := range addrs {
		one := b
		one.Addr = addr
		if !one.Probe.IsValid() {
			one.Probe = addr
		}
		s.pool.Backends = append(s.pool.Backends, one)
	}
	return nil
}

// parseBackendOptions reads what stands behind the addresses.
func (s *stanza) parseBackendOptions(l line, args []string, b *pool.Backend, addrs int) error {
	seen := make(map[string]bool)
	for len(args) > 0 {
		word := args[0]
		if seen[word] {
			return l.errorf("backend: %s given twice, want it once", word)
		}
		seen[word] = true
		var value string
		if len(args) > 1 {
			value = args[1]
		}
		used := 2
		var err error
		switch word {
		case "weight":
			if value == "0" {
				return l.errorf("backend: weight 0, want 1 to %d; to answer it no longer, write drain", maxWeight)
			}
			b.Weight, err = number(value, 1, maxWeight)
			s.weighted()
		case "tier":
			b.Tier, err = number(value, 1, maxTier)
		case "probe":
			if addrs > 1 {
				return l.errorf("backend: probe behind %d addresses, want one address on the line", addrs)
			}
			if b.Probe, err = netip.ParseAddr(value); err == nil {
				b.Probe, err = backendAddr(b.Probe)
			} else {
				err = fmt.Errorf("got %q, want an IP address", value)
			}
		case "drain":
			b.Drain, used = true, 1
		case "location":
			b.Place, used, err = parsePlace(args[1:])
			used++
		default:
			return l.errorf("backend: unexpected %q, want %s", word, backendForm)
		}
		if err != nil {
			return l.errorf("backend: %s: %v", word, err)
		}
		args = args[used:]
	}
	return nil
}

// weighted makes weighted the policy, unless the stanza names another.
func (s *stanza) weighted() {
	named := slices.ContainsFunc(s.at.block, func(l line) bool { return l.word() == "policy" })
	if !named {
		s.pool.Policy = pool.Weighted
	}
}

// backendAddr checks that addr can be answered and probed.
func backendAddr(addr netip.Addr) (netip.Addr, error) {
	switch {
	case addr.Zone() != "":
		return addr, errors.New("has a zone, want an address that means the same everywhere")
	case addr.Is4In6():
		return addr, fmt.Errorf("an IPv4 address in IPv6 form, want %s", addr.Unmap())
	case addr.IsUnspecified(), addr.IsMulticast(), addr == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return addr, errors.New("not the address of one host, want one that is")
	}
	return addr, nil
}

// parseCheck reads one check with its block.
func (s *stanza) parseCheck(l line, root string) (check, error) {
	c := check{pace: s.pace}
	spec := probe.Spec{Args: l.args(), Root: root}
	if name := s.names[0]; !strings.HasPrefix(name, "*.") && !s.filters() {
		spec.Name = name
	}
	var own []line
	for _, inner := range l.block {
		if inner.block != nil {
			return c, inner.errorf("check: unexpected block { ... } behind %q, want none", inner.word())
		}
		switch inner.word() {
		case "interval", "timeout", "rise", "fall", "fall_hard":
			if slices.ContainsFunc(own, func(o line) bool { return o.word() == inner.word() }) {
				return c, inner.errorf("check: %s given twice, want it once", inner.word())
			}
			own = append(own, inner)
		default:
			spec.Options = append(spec.Options, probe.Option{Name: inner.word(), Args: inner.args(), Pos: inner.pos()})
		}
	}
	var err error
	if c.probe, err = probe.Parse(spec); err != nil {
		if option, ok := errors.AsType[*probe.OptionError](err); ok {
			return c, fmt.Errorf("%s - Error during parsing: %s", option.Option.Pos, err)
		}
		return c, l.errorf("%v", err)
	}
	for _, o := range own {
		if err := c.parse(o); err != nil {
			return c, err
		}
	}
	c.pace, err = c.complete(l)
	return c, err
}

// parse reads one of the lines interval, timeout, rise, fall and fall_hard.
func (p *pace) parse(l line) error {
	var err error
	switch l.word() {
	case "interval":
		return p.parseInterval(l)
	case "timeout":
		var text string
		if text, err = l.one("a duration such as 3s"); err == nil {
			p.timeout, err = duration(l, text, time.Millisecond, maxInterval)
		}
	case "rise":
		p.rule.Rise, err = streak(l)
	case "fall":
		p.rule.Fall, err = streak(l)
	case "fall_hard":
		p.rule.FallHard, err = streak(l)
	}
	return err
}

func streak(l line) (int, error) {
	text, err := l.one(fmt.Sprintf("a number from 1 to %d", maxStreak))
	if err != nil {
		return 0, err
	}
	n, err := number(text, 1, maxStreak)
	if err != nil {
		return 0, l.errorf("%s: %v", l.word(), err)
	}
	return n, nil
}

func (p *pace) parseInterval(l line) error {
	const form = "interval DURATION [fast DURATION]"
	args := l.args()
	if len(args) != 1 && (len(args) != 3 || args[1] != "fast") {
		return l.errorf("interval: got %s, want %s", quoted(args), form)
	}
	var err error
	if p.interval, err = duration(l, args[0], minInterval, maxInterval); err != nil {
		return err
	}
	if len(args) == 3 {
		if p.fast, err = duration(l, args[2], minInterval, maxInterval); err != nil {
			return err
		}
		if p.fast > p.interval {
			return l.errorf("interval: fast %v is longer than the interval %v, want it no longer", p.fast, p.interval)
		}
	}
	return nil
}

// complete returns p with the defaults for what was not given. They fit the
// interval, whatever it is; what was given must. Errors are about the time-out
// in the block of l.
func (p pace) complete(l line) (pace, error) {
	if p.interval == 0 {
		p.interval = defaultInterval
	}
	if p.fast == 0 {
		p.fast = defaultFast
	}
	p.fast = min(p.fast, p.interval) // a check may have a shorter interval than its stanza
	if p.timeout == 0 {
		p.timeout = defaultTimeout
		if p.timeout >= p.interval {
			p.timeout = p.interval / 2
		}
	}
	switch {
	case p.timeout >= p.interval:
		return p, l.find("timeout").errorf("timeout: %v is not shorter than the interval %v, want it shorter", p.timeout, p.interval)
	case p.rule.FallHard > p.rule.Fall:
		return p, l.find("fall_hard").errorf("fall_hard: %d is more than fall %d, want no more", p.rule.FallHard, p.rule.Fall)
	}
	return p, nil
}

// duration reads a Go duration.
func duration(l line, text string, least, most time.Duration) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err != nil {
		if _, err := strconv.ParseFloat(text, 64); err == nil {
			return 0, l.errorf("%s: %q has no unit, want a duration such as %ss", l.word(), text, text)
		}
		return 0, l.errorf("%s: got %q, want a duration such as 500ms, 10s or 2m", l.word(), text)
	}
	if d < least || d > most {
		return 0, l.errorf("%s: got %v, want %v to %v", l.word(), d, least, most)
	}
	return d, nil
}

// number reads a whole number.
func number(text string, least, most int) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > most {
		return 0, fmt.Errorf("got %s, want a whole number from %d to %d", quotedWord(text), least, most)
	}
	return n, nil
}

func quotedWord(text string) string {
	if text == "" {
		return "nothing"
	}
	return strconv.Quote(text)
}

func (s *stanza) parseAnswers(l line) error {
	text, err := l.one("a number of addresses, 0 for all")
	if err != nil {
		return err
	}
	if s.pool.Answers, err = number(text, 0, maxAnswers); err != nil {
		return l.errorf("answers: %v", err)
	}
	return nil
}

func (s *stanza) parseTTL(l line) error {
	text, err := l.one("a duration such as 30s")
	if err != nil {
		return err
	}
	d, err := duration(l, text, 0, math.MaxInt32*time.Second)
	if err != nil {
		return err
	}
	if d%time.Second != 0 {
		return l.errorf("ttl: got %v, want whole seconds", d)
	}
	s.pool.TTL = uint32(d / time.Second) // #nosec G115 -- bounded above
	return nil
}

// actions are the words of all_down that are not addresses.
var actions = map[string]pool.Action{
	"answer": pool.ActAnswer, "servfail": pool.ActServfail, "refused": pool.ActRefused,
	"nodata": pool.ActNoData, "drop": pool.ActDrop,
}

func (s *stanza) parseAllDown(l line) error {
	const want = "answer, servfail, refused, nodata, drop or the addresses to answer instead"
	if len(l.args()) == 0 {
		return l.errorf("all_down: got nothing, want %s", want)
	}
	if action, ok := actions[l.args()[0]]; ok {
		if _, err := l.one(want); err != nil {
			return err
		}
		s.pool.AllDown = action
		return nil
	}
	s.pool.AllDown = pool.ActAddresses
	for _, arg := range l.args() {
		addr, err := netip.ParseAddr(arg)
		if err != nil {
			return l.errorf("all_down: got %q, want %s", arg, want)
		}
		if addr, err = backendAddr(addr); err != nil {
			return l.errorf("all_down: %q: %v", arg, err)
		}
		if slices.Contains(s.pool.Fallback, addr) {
			return l.errorf("all_down: %q given twice, want each address once", arg)
		}
		s.pool.Fallback = append(s.pool.Fallback, addr)
	}
	return nil
}

func (s *stanza) parseMinUp(l line) error {
	text, err := l.one("a number or a percentage of members")
	if err != nil {
		return err
	}
	digits, percent := strings.CutSuffix(text, "%")
	most := math.MaxInt16
	if percent {
		most = 100
	}
	n, err := number(digits, 1, most)
	if err != nil {
		return l.errorf("min_up: %v", err)
	}
	s.pool.MinUp = pool.MinUp{N: n, Percent: percent}
	return nil
}
