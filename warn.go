package rrhealth

import (
	"fmt"
	"slices"
	"strings"

	"github.com/coredns/coredns/core/dnsserver"

	"github.com/rrhealth/rrhealth/plugin/pool"
)

// warn logs what in the server block cannot work as it was probably meant.
func (h *RRHealth) warn(config *dnsserver.Config) {
	zones := strings.Join(h.zones, " ")
	if config.Handler("loadbalance") != nil {
		log.Warningf("loadbalance in the server block of %s shuffles the order that rrhealth gives its answers: remove it", zones)
	}
	backends := 0
	for _, b := range h.block.bundles { // whose names share the series
		backends += len(b.members)
	}
	if backends > MaxBackendSeries {
		log.Warningf("the server block of %s has %d backends: only %d of the process get metrics of their own, the others those of their pool", zones, backends, MaxBackendSeries)
	}
}

// warn logs what in the stanza cannot work as it was probably meant: one line
// for each cause, however many names the stanza has. A line for each name
// would bury the rest of the log.
func (s *stanza) warn(config *dnsserver.Config) {
	s.warnInsecure()
	s.warnTTL()
	s.warnChecks()
	s.warnOverlap()
	s.warnMinUp()
	switch s.pool.Policy {
	case pool.Nearest:
		s.warnNearest(config)
		s.warnCached(config)
	case pool.Sticky:
		s.warnCached(config)
	case pool.Weighted:
		return
	}
	weighed := slices.ContainsFunc(s.pool.Backends, func(b pool.Backend) bool { return b.Weight != 1 })
	if weighed && s.pool.Policy != pool.Sticky {
		log.Warningf("the weights of %s have no effect under policy %s: only weighted and sticky look at them", s.title(), s.pool.Policy)
	}
}

// title is how a warning names the stanza.
func (s *stanza) title() string { return firstOf(s.names) }

// firstOf names the first of words and counts the others.
func firstOf(words []string) string {
	if more := len(words) - 1; more > 0 {
		return fmt.Sprintf("%s and %d more", words[0], more)
	}
	return words[0]
}

// warnInsecure names the checks that do not verify the certificate.
func (s *stanza) warnInsecure() {
	var labels []string
	for _, c := range s.checks {
		if c.probe.Insecure {
			labels = append(labels, c.probe.Label)
		}
	}
	if len(labels) > 0 {
		log.Warningf("check %s of %s does not verify the certificate: insecure", firstOf(labels), s.title())
	}
}

// warnChecks logs what is odd about the checks.
func (s *stanza) warnChecks() {
	for _, c := range s.checks {
		for _, odd := range c.probe.Warnings {
			log.Warningf("check %s of %s: %s", c.probe.Label, s.title(), odd)
		}
	}
}

// warnOverlap names networks of watch of which one has the other inside it.
func (s *stanza) warnOverlap() {
	var pairs []string
	for i, a := range s.watch.prefixes {
		for _, b := range s.watch.prefixes[:i] {
			if a.Overlaps(b) {
				pairs = append(pairs, a.String()+" and "+b.String())
			}
		}
	}
	if len(pairs) > 0 {
		log.Warningf("watch of %s: %s overlap: the smaller network has no effect", s.title(), firstOf(pairs))
	}
}

// warnMinUp logs when min_up has every backend answered as soon as one is down.
func (s *stanza) warnMinUp() {
	n := s.pool.MinUp
	most := s.largestFamily()
	if n.Percent && n.N == 100 && (s.filters() || most > 1 && !s.tiered()) || !n.Percent && n.N == most && most > 1 && !s.tiered() {
		log.Warningf("min_up of %s is the whole set: as soon as one address is down, all are answered", s.title())
	}
}

// warnNearest names the plugins that policy nearest lacks to locate clients.
func (s *stanza) warnNearest(config *dnsserver.Config) {
	for _, name := range []string{"geoip", "metadata"} {
		if config.Handler(name) == nil {
			log.Warningf("policy nearest of %s needs the %s plugin in its server block, which is not there: every answer is rotated instead", s.title(), name)
		}
	}
}

// caches are the plugins that answer again what they were answered once, to
// whoever asks. A build that has CoreDNS's own above us is refused; a cache in
// another server block that forwards to ours cannot be seen from here.
var caches = []string{"cache", "redisc"}

// warnCached names a cache that gives answers meant for one client to all.
func (s *stanza) warnCached(config *dnsserver.Config) {
	us := slices.Index(dnsserver.Directives, pluginName)
	for _, name := range caches {
		if at := slices.Index(dnsserver.Directives, name); at >= 0 && at < us && config.Handler(name) != nil {
			log.Warningf("%s stands above rrhealth and hands the answers that policy %s of %s means for one client to all: remove it", name, s.pool.Policy, s.title())
		}
	}
}
