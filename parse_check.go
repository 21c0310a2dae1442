package rrhealth

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rrhealth/rrhealth/plugin/monitor"
	"github.com/rrhealth/rrhealth/plugin/probe"
	"github.com/rrhealth/rrhealth/plugin/verdict"
)

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
	unsure                  bool // a line could not be read
}

// monitor returns c in the words of the monitor.
func (c check) monitor() monitor.Check {
	return monitor.Check{ID: c.probe.ID, Interval: c.interval, Fast: c.fast, Timeout: c.timeout, Rule: c.rule}
}

// completeChecks reads the checks, now that the pace is known. Where named, the
// stanza's first NAME is the HOST of those that give none.
func (s *stanza) completeChecks(root string, named bool) {
	if _, err := s.pace.complete(s.at); err != nil {
		s.report(err)
		s.pace.unsure = true // and not reported again for each check
	}
	spec := probe.Spec{Root: root, General: generalOptions}
	if named {
		spec.Name = s.host()
	}
	for _, inner := range s.at.block {
		if inner.word() != "check" || inner.readable() != nil {
			continue
		}
		c, err := s.parseCheck(inner, spec)
		if err == nil && slices.ContainsFunc(s.checks, func(o check) bool { return o.probe.ID == c.probe.ID }) {
			err = inner.errorf("check %q: given twice, want it once", c.probe.Label)
		}
		if err != nil {
			s.found.add(inner, err)
			continue
		}
		s.checks = append(s.checks, c)
	}
	s.completeTTLs(s.at.find("ttl").word() == "ttl")
}

// host returns the HOST of checks that give none: the first NAME, or "" where
// that is a wildcard. Where the NAME could not be read, it returns a stand-in:
// that it is missing is not the check's error.
func (s *stanza) host() string {
	switch {
	case s.broken[pluginName]:
		return "name.invalid"
	case strings.HasPrefix(s.names[0], "*."):
		return ""
	}
	return s.names[0]
}

// parseCheck reads one check with its block. Its error joins all that are found.
func (s *stanza) parseCheck(l line, spec probe.Spec) (check, error) {
	c := check{pace: s.pace}
	spec.Args = l.args()
	var (
		errs []error
		own  []line
	)
	for _, inner := range l.block {
		if err := cmp.Or(inner.readable(), inner.notExpanded()); err != nil {
			errs = append(errs, err)
			continue
		}
		switch again := func(o line) bool { return o.word() == inner.word() }; {
		case inner.block != nil:
			errs = append(errs, inner.errorf("check: unexpected block { ... } behind %q, want none", inner.word()))
		case !slices.Contains(generalOptions, inner.word()):
			spec.Options = append(spec.Options, probe.Option{Name: inner.word(), Args: inner.args(), Pos: inner.pos()})
		case slices.ContainsFunc(own, again):
			errs = append(errs, inner.errorf("check: %s given twice, want it once", inner.word()))
		default:
			own = append(own, inner)
			errs = append(errs, c.parse(inner))
		}
	}
	var err error
	if c.probe, err = probe.Parse(spec); err != nil {
		errs = append(errs, l.located(err))
	}
	c.pace, err = c.complete(l)
	return c, errors.Join(append(errs, err)...)
}

// located gives the errors that err joins the lines of l's block that they are
// about.
func (l line) located(err error) error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		errs := slices.Clone(joined.Unwrap())
		for i, one := range errs {
			errs[i] = l.located(one)
		}
		return errors.Join(errs...)
	}
	if option, ok := errors.AsType[*probe.OptionError](err); ok {
		for _, inner := range l.block {
			if inner.pos() == option.Option.Pos {
				return inner.errorf("%v", err)
			}
		}
	}
	return l.errorf("%v", err)
}

// parsePace reads one of the lines interval, timeout, rise, fall and fall_hard.
func (s *stanza) parsePace(l line) error { return s.pace.parse(l) }

// parse reads one of the lines interval, timeout, rise, fall and fall_hard.
func (p *pace) parse(l line) error {
	var err error
	switch l.word() {
	case "interval":
		err = p.parseInterval(l)
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
	p.unsure = p.unsure || err != nil
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
	case p.unsure: // the error is that of the line
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
