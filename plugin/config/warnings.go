package config

import (
	"fmt"
	"slices"
	"time"

	"github.com/rrhealth/rrhealth/plugin/pool"
)

// Title names the stanza in a log line: by its first name, and how many more it
// has.
func (s *Stanza) Title() string { return FirstOf(s.Names) }

// FirstOf returns the first of words and how many more there are, for a log line.
func FirstOf(words []string) string {
	if more := len(words) - 1; more > 0 {
		return fmt.Sprintf("%s and %d more", words[0], more)
	}
	return words[0]
}

// Warnings returns what in the stanza is valid but cannot work as it was
// probably meant: a text for each cause, however many names the stanza has.
func (s *Stanza) Warnings() []string {
	var all []string
	warn := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	s.warnChecks(warn)
	s.warnTTL(warn)
	s.warnOverlap(warn)
	s.warnMinUp(warn)
	s.warnWeights(warn)
	return all
}

// A warner takes one warning.
type warner func(format string, args ...any)

// warnChecks warns of what is odd about the checks. It names those that do not
// verify the certificate.
func (s *Stanza) warnChecks(warn warner) {
	var insecure []string
	for _, c := range s.Checks {
		if c.Probe.Insecure {
			insecure = append(insecure, c.Probe.Label)
		}
	}
	if len(insecure) > 0 {
		warn("check %s of %s does not verify the certificate: insecure", FirstOf(insecure), s.Title())
	}
	for _, c := range s.Checks {
		for _, odd := range c.Probe.Warnings {
			warn("check %s of %s: %s", c.Probe.Label, s.Title(), odd)
		}
	}
}

// warnTTL warns of a ttl for which resolvers keep the address of a failed backend
// long after the checks have found out.
func (s *Stanza) warnTTL(warn warner) {
	detection := s.detection()
	most := max(tooLong*detection, minTTL)
	if ttl := time.Duration(s.Pool.TTL) * time.Second; detection > 0 && ttl > most {
		warn("ttl %ds of %s is longer than twice the detection time %v: clients may be sent to a failed backend for %ds; use ttl %ds or less, or leave ttl out",
			s.Pool.TTL, s.Title(), detection, s.Pool.TTL, most/time.Second)
	}
}

// warnOverlap names networks of watch that are inside another.
func (s *Stanza) warnOverlap(warn warner) {
	var pairs []string
	for i, a := range s.Watch.Prefixes {
		for _, b := range s.Watch.Prefixes[:i] {
			if a.Overlaps(b) {
				pairs = append(pairs, a.String()+" and "+b.String())
			}
		}
	}
	if len(pairs) > 0 {
		warn("watch of %s: %s overlap: the smaller network has no effect", s.Title(), FirstOf(pairs))
	}
}

// warnMinUp warns of a min_up that one backend that is down undercuts: then all
// are answered.
func (s *Stanza) warnMinUp(warn warner) {
	n, most := s.Pool.MinUp, s.largestFamily()
	whole := most > 1 && !s.tiered() && (n.Percent && n.N == 100 || !n.Percent && n.N == most)
	if whole || s.IsFilter() && n.Percent && n.N == 100 {
		warn("min_up of %s is the whole set: as soon as one address is down, all are answered", s.Title())
	}
}

// warnWeights warns of weights that the policy does not use.
func (s *Stanza) warnWeights(warn warner) {
	if s.Pool.Policy == pool.Weighted || s.Pool.Policy == pool.Sticky {
		return
	}
	if slices.ContainsFunc(s.Pool.Backends, func(b pool.Backend) bool { return b.Weight != 1 }) {
		warn("the weights of %s have no effect under policy %s: only weighted and sticky look at them", s.Title(), s.Pool.Policy)
	}
}
