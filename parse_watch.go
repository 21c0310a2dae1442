package rrhealth

import (
	"net/netip"
	"slices"

	"github.com/rrhealth/rrhealth/plugin/pool"
)

// filters reports whether s is a filter's stanza.
func (s *stanza) filters() bool { return s.watch.any || len(s.watch.prefixes) > 0 }

const watchForm = "watch CIDR... such as 192.0.2.0/24, or watch any"

// parseWatch reads which addresses a filter may probe.
func (s *stanza) parseWatch(l line) error {
	if len(l.args()) == 0 {
		return l.errorf("watch: got nothing, want %s", watchForm)
	}
	if slices.Contains(l.args(), "any") {
		if len(l.args()) > 1 {
			return l.errorf("watch: any beside networks, want %s", watchForm)
		}
		s.watch.any = true
		return nil
	}
	for _, arg := range l.args() {
		prefix, err := netip.ParsePrefix(arg)
		if err != nil {
			addr, err := netip.ParseAddr(arg)
			if err != nil || addr.Zone() != "" {
				return l.errorf("watch: got %q, want %s", arg, watchForm)
			}
			prefix = netip.PrefixFrom(addr, addr.BitLen())
		}
		switch {
		case prefix.Addr().Is4In6():
			return l.errorf("watch: %q is an IPv4 network in IPv6 form, want it as IPv4", arg)
		case prefix != prefix.Masked():
			return l.errorf("watch: %q has bits set behind its length, want %s", arg, prefix.Masked())
		case linkLocal6(prefix):
			return l.errorf("watch: %q is link-local, and cannot be probed without a zone, which no DNS answer has; leave it out", arg)
		case hostless(prefix):
			return l.errorf("watch: %q holds no address that a host can have (unspecified, multicast, broadcast or reserved); leave it out", arg)
		case slices.Contains(s.watch.prefixes, prefix):
			return l.errorf("watch: %q given twice, want each network once", arg)
		}
		s.watch.prefixes = append(s.watch.prefixes, prefix)
	}
	return nil
}

// parseDryRun reads the word that keeps a stanza from changing any answer.
func (s *stanza) parseDryRun(l line) error {
	if len(l.args()) > 0 {
		return l.errorf("dry_run: got %s, want nothing behind it", quoted(l.args()))
	}
	s.dryRun = true
	return nil
}

// completeFilter checks what a filter's stanza says as a whole.
func (s *stanza) completeFilter() {
	switch s.pool.Policy {
	case pool.Rotate, pool.Shuffle, pool.Sequential:
	default:
		s.report(s.at.find("policy").errorf("policy: %s needs to know the backends, want rotate, shuffle or sequential beside watch", s.pool.Policy))
	}
	for _, word := range []string{"slow_start", "hold_down", "failback"} {
		if at := s.at.find(word); at.word() == word {
			s.report(at.errorf("%s: is for pools, want it beside backend only", word))
		}
	}
	if n := s.pool.MinUp; !n.Percent && n.N > maxWatchedMinUp {
		s.report(s.at.find("min_up").errorf("min_up: no answer holds so many addresses (got %d); write 1 to %d, or N%%", n.N, maxWatchedMinUp))
	}
	if s.at.find("max_answers").word() != "max_answers" {
		s.pool.MaxAnswers = 0 // all that the plugins below answer
	}
}
