package rrhealth

import (
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
}

// monitor returns c in the words of the monitor.
func (c check) monitor() monitor.Check {
	return monitor.Check{ID: c.probe.ID, Interval: c.interval, Fast: c.fast, Timeout: c.timeout, Rule: c.rule}
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
