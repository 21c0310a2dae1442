package config

import (
	"cmp"
	"errors"
	"slices"
	"strings"

	"github.com/rrhealth/rrhealth/plugin/probe"
)

// putOff keeps a check until the other options of the stanza are read.
func (p *parser) putOff(l Line) error {
	p.checks = append(p.checks, l)
	return nil
}

// parseChecks reads the checks, now that the pace is known. If named, the first
// NAME of the stanza is the HOST of those that give none.
func (p *parser) parseChecks(named bool) {
	completed := p.pace // a check with an interval of its own has defaults that fit it
	if err := completed.complete(p.at); err != nil {
		p.report(err)
		p.pace.unsure = true // and it is not reported again for each check
	}
	p.spec = probe.Spec{Root: p.in.Root, General: paceOptions()}
	if named {
		p.spec.Name = p.host()
	}
	for _, l := range p.checks {
		c, err := p.parseCheck(l)
		if err == nil && slices.ContainsFunc(p.Checks, func(o Check) bool { return o.Probe.ID == c.Probe.ID }) {
			err = l.Errorf("check %q: given twice, want it once", c.Probe.Label)
		}
		if err != nil {
			p.found.add(l, err)
			continue
		}
		p.Checks = append(p.Checks, c)
	}
}

// host returns the HOST of checks that give none: the first NAME, or "" if that
// is a wildcard. If a NAME could not be read, it returns a stand-in: the check
// must not be reported for lack of it.
func (p *parser) host() string {
	switch {
	case p.broken[p.at.word()]:
		return "name.invalid"
	case strings.HasPrefix(p.Names[0], "*."):
		return ""
	}
	return p.Names[0]
}

// parseCheck reads one check with its block. Its error joins all that are found.
func (p *parser) parseCheck(l Line) (Check, error) {
	own, spec := p.pace, p.spec
	spec.Args = l.args()
	seen := make(map[string]bool)
	var errs []error
	for _, inner := range l.Block {
		word := inner.word()
		if err := cmp.Or(inner.readable(), inner.expanded()); err != nil {
			errs = append(errs, err)
			continue
		}
		switch {
		case inner.Block != nil:
			errs = append(errs, inner.Errorf("check: unexpected block { ... } behind %q, want none", word))
		case !slices.Contains(spec.General, word):
			spec.Options = append(spec.Options, probe.Option{Name: word, Args: inner.args(), Pos: inner.pos()})
		case seen[word]:
			errs = append(errs, inner.Errorf("check: %s given twice, want it once", word))
		default:
			seen[word] = true
			errs = append(errs, own.parse(inner))
		}
	}
	asked, err := probe.Parse(spec)
	errs = append(errs, l.located(err), own.complete(l))
	own.ID = asked.ID
	return Check{Probe: asked, Pace: own.Check}, errors.Join(errs...)
}

// located returns err with positions: each of the errors that it joins is about
// a line of l's block, or about l.
func (l Line) located(err error) error {
	if err == nil {
		return nil
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		errs := slices.Clone(joined.Unwrap())
		for i, one := range errs {
			errs[i] = l.located(one)
		}
		return errors.Join(errs...)
	}
	if option, ok := errors.AsType[*probe.OptionError](err); ok {
		for _, inner := range l.Block {
			if inner.pos() == option.Option.Pos {
				return inner.Errorf("%v", err)
			}
		}
	}
	return l.Errorf("%v", err)
}
