package config

import (
	"math"
	"net/netip"
	"slices"
	"strings"

	"github.com/rrhealth/rrhealth/plugin/pool"
)

// parseMaxAnswers reads the most addresses in an answer.
func (p *parser) parseMaxAnswers(l Line) error {
	text, err := l.arg("a number of addresses, 0 for all")
	if err != nil {
		return err
	}
	if p.Pool.MaxAnswers, err = number(text, 0, maxMaxAnswers); err != nil {
		return l.Errorf("max_answers: %v", err)
	}
	return nil
}

// actions are the arguments of all_down that are not addresses.
var actions = map[string]pool.Action{
	"answer": pool.ActAnswer, "servfail": pool.ActServfail, "refused": pool.ActRefused,
	"nodata": pool.ActNoData, "drop": pool.ActDrop,
}

const allDownForm = "answer, servfail, refused, nodata, drop or the addresses to answer instead"

// parseAllDown reads what is answered when every backend is down: one action, or
// addresses.
func (p *parser) parseAllDown(l Line) error {
	if len(l.args()) == 0 {
		return l.Errorf("all_down: got nothing, want %s", allDownForm)
	}
	action, ok := actions[l.args()[0]]
	if !ok {
		p.Pool.AllDown = pool.ActAddresses
		return p.parseFallback(l)
	}
	if _, err := l.arg(allDownForm); err != nil {
		return err
	}
	p.Pool.AllDown = action
	return nil
}

// parseFallback reads the addresses behind all_down.
func (p *parser) parseFallback(l Line) error {
	for _, arg := range l.args() {
		addr, err := netip.ParseAddr(arg)
		if err != nil {
			return l.Errorf("all_down: got %q, want %s", arg, allDownForm)
		}
		if err := usable(addr); err != nil {
			return l.Errorf("all_down: %q: %v", arg, err)
		}
		if slices.Contains(p.Pool.Fallback, addr) {
			return l.Errorf("all_down: %q given twice, want each address once", arg)
		}
		p.Pool.Fallback = append(p.Pool.Fallback, addr)
	}
	return nil
}

// parseMinUp reads a number or a percentage. checkPool and completeFilter compare a
// number with the backends, which may be on later lines.
func (p *parser) parseMinUp(l Line) error {
	text, err := l.arg("a number or a percentage of members")
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
		return l.Errorf("min_up: %v", err)
	}
	p.Pool.MinUp = pool.MinUp{N: n, Percent: percent}
	return nil
}

// parseDryRun reads the option that keeps a stanza from changing any answer.
func (p *parser) parseDryRun(l Line) error {
	if len(l.args()) > 0 {
		return l.Errorf("dry_run: got %s, want nothing behind it", quoted(l.args()))
	}
	p.DryRun = true
	return nil
}
