package rrhealth

import (
	"math"
	"net/netip"
	"slices"
	"strings"

	"github.com/rrhealth/rrhealth/plugin/pool"
)

func (s *stanza) parseMaxAnswers(l line) error {
	text, err := l.one("a number of addresses, 0 for all")
	if err != nil {
		return err
	}
	if s.pool.MaxAnswers, err = number(text, 0, mostAnswers); err != nil {
		return l.errorf("max_answers: %v", err)
	}
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
