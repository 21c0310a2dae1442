package config

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/rrhealth/rrhealth/plugin/pool"
	"github.com/rrhealth/rrhealth/plugin/probe"
	"github.com/rrhealth/rrhealth/plugin/verdict"
)

// A parser reads one stanza into its embedded Stanza.
type parser struct {
	Stanza
	in       Block
	at       Line                // the stanza
	seen     map[string]Line     // options that were given, by name
	backends map[netip.Addr]bool // addresses of Pool.Backends
	pace     pace                // of checks that give none of their own
	checks   []Line              // read last
	spec     probe.Spec          // what the checks have in common

	found   problems
	broken  map[string]bool // options that could not be read, by name
	unknown bool            // some options are unknown
	partial bool            // options of the process stanza stood among those of at
}

// Parse reads the stanzas of one server block, one for each of lines. The first
// word of each line is the name of the plugin. The Process is that of the first
// process stanza, or nil if none of lines is one; it is returned with an error,
// too, to be the Block.Process of the next server block. The error joins all that are found;
// see Join.
func Parse(lines []Line, in Block) ([]Stanza, *Process, error) {
	var found problems
	var process *Process
	stanzas := make([]Stanza, 0, len(lines))
	// A filter and a pool may have the same name.
	claimed := map[bool]map[string]Line{false: {}, true: {}}
	for _, l := range lines {
		p := newParser(l, in)
		if slices.ContainsFunc(l.Block, Line.ofProcess) {
			read, rest, errs := parseProcess(l, in)
			found = append(found, errs...)
			if rest == nil {
				process = cmp.Or(process, read)
				in.Process = cmp.Or(in.Process, read)
				continue
			}
			p.at, p.partial = *rest, true
		}
		p.parse()
		p.claim(claimed[p.IsFilter()])
		found = append(found, p.found...)
		stanzas = append(stanzas, p.Stanza)
	}
	if len(found) > 0 {
		return nil, process, found.sorted()
	}
	return stanzas, process, nil
}

// claim reports the names of the stanza that are claimed already.
func (p *parser) claim(claimed map[string]Line) {
	for _, name := range p.Names {
		if first, ok := claimed[name]; ok {
			p.report(p.at.Errorf("name %q is claimed by the stanza at %s already, want each name once", name, first.pos()))
			continue
		}
		claimed[name] = p.at
	}
}

// newParser returns a parser of l with the defaults of a pool.
func newParser(l Line, in Block) *parser {
	return &parser{
		in: in, at: l,
		seen: make(map[string]Line), backends: make(map[netip.Addr]bool), broken: make(map[string]bool),
		Stanza: Stanza{Pool: pool.Config{Settings: pool.Settings{MaxAnswers: defaultMaxAnswers, MinUp: pool.MinUp{N: 1}}}},
		pace:   newPace(verdict.Rule{Rise: defaultRise, Fall: defaultFall}),
	}
}

// report notes err, which may be nil.
func (p *parser) report(err error) { p.found.add(p.at, err) }

// parse reads the stanza. Its errors are in p.found.
func (p *parser) parse() {
	if len(p.at.args()) == 0 && (p.partial || p.undecided()) {
		p.broken[p.at.word()] = true // none may be meant
	} else {
		p.parseNames()
	}
	if len(p.at.Block) == 0 {
		p.report(p.at.Errorf("%s: no backend given, want a block { backend ADDRESS... } or { watch CIDR... }", p.at.word()))
		return
	}
	for _, l := range p.at.Block {
		if err := p.parseOption(l); err != nil {
			p.report(err)
			p.broken[l.word()] = true
		}
	}
	if p.broken["watch"] {
		p.Watch.Any = true // so that the rest is checked as that of a filter
	}
	mixed := p.IsFilter() && (len(p.Pool.Backends) > 0 || p.broken["backend"])
	switch {
	case mixed:
		p.report(p.at.at("backend").Errorf("backend: beside watch at %s, want one of them: backend to answer addresses, watch to judge those that other plugins answer", p.at.at("watch").pos()))
	case p.IsFilter():
		p.completeFilter()
	default:
		p.checkPool()
	}
	p.parseChecks(mixed || !p.IsFilter())
	p.completeTTLs()
	if !mixed {
		p.checkPolicy()
	}
}

// undecided reports whether the stanza has options, and none that tells whether it
// is the process stanza.
func (p *parser) undecided() bool {
	return len(p.at.Block) > 0 && !slices.ContainsFunc(p.at.Block, Line.ofStanza)
}

// parseOption reads one line of the stanza. It puts off those that are read
// last.
func (p *parser) parseOption(l Line) error {
	if err := l.readable(); err != nil {
		return err
	}
	o, ok := optionOf(l)
	if !ok {
		p.unknown = true
		if err := l.expanded(); err != nil {
			return err
		}
		return l.Errorf("unknown option %q; use one of %s", l.word(), p.optionNames())
	}
	if first, ok := p.seen[o.Name]; ok && !o.many {
		return l.Errorf("%s: given at %s already, want it once", o.Name, first.pos())
	}
	p.seen[o.Name] = l
	if l.Block != nil && !o.block {
		return l.Errorf("%s: unexpected block { ... }, only check has one", o.Name)
	}
	return o.read(p, l)
}

// checkPool checks what a pool's stanza sets as a whole.
func (p *parser) checkPool() {
	complete := !p.broken["backend"] // all backends are known
	answered := func(b pool.Backend) bool { return !b.Drain }
	switch {
	case complete && len(p.Pool.Backends) == 0:
		if !p.unknown && !p.partial { // a misspelled backend may be among them
			p.report(p.at.Errorf("%s: no backend given, want at least one line backend ADDRESS..., or watch CIDR... to judge what other plugins answer", p.at.word()))
		}
		complete = false
	case complete && !slices.ContainsFunc(p.Pool.Backends, answered):
		p.report(p.at.Errorf("%s: every backend is drained, want at least one that may be answered", p.at.word()))
	}
	for _, a := range p.Pool.Fallback {
		if p.backends[a] {
			p.report(p.at.at("all_down").Errorf("all_down: %s is a backend of the pool too, want an address that is not", a))
		}
	}
	if most := p.largestFamily(); complete && !p.Pool.MinUp.Percent && p.Pool.MinUp.N > most {
		p.report(p.at.at("min_up").Errorf("min_up: got %d, want at most %d, the backends of one address family: with fewer up than that all are answered, up or down", p.Pool.MinUp.N, most))
	}
}

// completeFilter checks what a filter's stanza sets as a whole, and fills in
// defaults that differ from those of a pool.
func (p *parser) completeFilter() {
	switch p.Pool.Policy {
	case pool.Rotate, pool.Shuffle, pool.Sequential:
	default:
		p.report(p.at.at("policy").Errorf("policy: %s needs to know the backends, want rotate, shuffle or sequential beside watch", p.Pool.Policy))
	}
	for _, word := range []string{"slow_start", "hold_down", "failback"} {
		if p.at.has(word) {
			p.report(p.at.at(word).Errorf("%s: is for pools, want it beside backend only", word))
		}
	}
	if n := p.Pool.MinUp; !n.Percent && n.N > maxWatchedMinUp {
		p.report(p.at.at("min_up").Errorf("min_up: no answer holds so many addresses (got %d); write 1 to %d, or N%%", n.N, maxWatchedMinUp))
	}
	if !p.at.has("max_answers") {
		p.Pool.MaxAnswers = 0 // all that the plugins below answer
	}
}

// largestFamily returns how many backends the family with the most of them has.
func (s *Stanza) largestFamily() int {
	var n [len(pool.Families)]int
	for _, b := range s.Pool.Backends {
		n[pool.FamilyOf(b.Addr)]++
	}
	return slices.Max(n[:])
}

// tiered reports whether the backends are of several tiers.
func (s *Stanza) tiered() bool {
	return slices.ContainsFunc(s.Pool.Backends, func(b pool.Backend) bool { return b.Tier != s.Pool.Backends[0].Tier })
}
