package config

import (
	"fmt"
	"time"

	"github.com/rrhealth/rrhealth/plugin/monitor"
	"github.com/rrhealth/rrhealth/plugin/verdict"
)

// A pace is what a stanza, or the block of a check, sets of a monitor.Check. A
// duration of 0 is not given; complete gives it its default.
type pace struct {
	monitor.Check
	unsure bool // an option could not be read, or an error was reported
}

// newPace returns a pace of which only the rule is given.
func newPace(rule verdict.Rule) pace { return pace{Check: monitor.Check{Rule: rule}} }

// parsePace reads one of the options interval, timeout, rise, fall and
// fall_hard of the stanza.
func (p *parser) parsePace(l Line) error { return p.pace.parse(l) }

// parse reads one of the options interval, timeout, rise, fall and fall_hard.
func (p *pace) parse(l Line) error {
	var err error
	switch l.word() {
	case "interval":
		err = p.parseInterval(l)
	case "timeout":
		p.Timeout, err = oneDuration(l, "a duration such as 3s", time.Millisecond, maxInterval)
	case "rise":
		p.Rule.Rise, err = streak(l)
	case "fall":
		p.Rule.Fall, err = streak(l)
	case "fall_hard":
		p.Rule.FallHard, err = streak(l)
	}
	p.unsure = p.unsure || err != nil
	return err
}

// streak reads a number of results in a row.
func streak(l Line) (int, error) {
	text, err := l.arg(fmt.Sprintf("a number from 1 to %d", maxStreak))
	if err != nil {
		return 0, err
	}
	n, err := number(text, 1, maxStreak)
	if err != nil {
		return 0, l.Errorf("%s: %v", l.word(), err)
	}
	return n, nil
}

// parseInterval reads the interval and, behind it, fast: the interval after a
// result that contradicts the state.
func (p *pace) parseInterval(l Line) error {
	args := l.args()
	if len(args) != 1 && (len(args) != 3 || args[1] != "fast") {
		return l.Errorf("interval: got %s, want interval DURATION [fast DURATION]", quoted(args))
	}
	var err error
	if p.Interval, err = duration(l, args[0], minInterval, maxInterval); err != nil {
		return err
	}
	if len(args) == 1 {
		return nil
	}
	if p.Fast, err = duration(l, args[2], minInterval, maxInterval); err != nil {
		return err
	}
	if p.Fast > p.Interval {
		return l.Errorf("interval: fast %v is longer than the interval %v, want it no longer", p.Fast, p.Interval)
	}
	return nil
}

// complete gives p the defaults for what was not given: they fit the interval.
// What was given must fit, or complete returns an error about its line in the
// block of l.
func (p *pace) complete(l Line) error {
	if p.Interval == 0 {
		p.Interval = defaultInterval
	}
	if p.Fast == 0 {
		p.Fast = defaultFast
	}
	p.Fast = min(p.Fast, p.Interval) // a check may have a shorter interval than its stanza
	if p.Timeout == 0 {
		p.Timeout = defaultTimeout
		if p.Timeout >= p.Interval {
			p.Timeout = p.Interval / 2
		}
	}
	switch {
	case p.unsure: // reported already
	case p.Timeout >= p.Interval:
		return l.at("timeout").Errorf("timeout: %v is not shorter than the interval %v, want it shorter", p.Timeout, p.Interval)
	case p.Rule.FallHard > p.Rule.Fall:
		return l.at("fall_hard").Errorf("fall_hard: %d is more than fall %d, want no more", p.Rule.FallHard, p.Rule.Fall)
	}
	return nil
}

// detection returns how long it takes at most, without jitter, until a backend
// that refuses is down.
func detection(c monitor.Check) time.Duration {
	failures := c.Rule.Fall
	if hard := c.Rule.FallHard; hard > 0 {
		failures = hard
	}
	return c.Interval + time.Duration(failures-1)*c.Fast
}
