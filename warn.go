package rrhealth

import (
	"slices"

	"github.com/coredns/coredns/core/dnsserver"

	"github.com/rrhealth/rrhealth/plugin/pool"
)

// warnPolicies tells which policies cannot work as they were probably meant.
func (h *RRHealth) warnPolicies(config *dnsserver.Config) {
	for _, p := range h.pools {
		if p.Policy == pool.Nearest {
			warnNearest(config, p)
		}
		if p.Policy == pool.Sticky || p.Policy == pool.Nearest {
			warnCached(config, p)
		}
		weighed := slices.ContainsFunc(p.Backends, func(b pool.Backend) bool { return b.Weight != 1 })
		if weighed && p.Policy != pool.Weighted && p.Policy != pool.Sticky {
			log.Warningf("the weights of %s have no effect under policy %s: only weighted and sticky look at them", p.Name, p.Policy)
		}
	}
}

// warnNearest tells what nearest lacks to know where clients are.
func warnNearest(config *dnsserver.Config, p *served) {
	for _, name := range []string{"geoip", "metadata"} {
		if config.Handler(name) == nil {
			log.Warningf("policy nearest of %s needs the %s plugin in its server block, which is not there: every answer is rotated instead", p.Name, name)
		}
	}
}

// caches are the plugins that answer again what they were answered once, to
// whoever asks. A build that has CoreDNS's own above us is refused; a cache in
// another server block that forwards to ours cannot be seen from here.
var caches = []string{"cache", "redisc"}

// warnCached tells when answers meant for one client are cached for all.
func warnCached(config *dnsserver.Config, p *served) {
	us := slices.Index(dnsserver.Directives, pluginName)
	for _, name := range caches {
		if at := slices.Index(dnsserver.Directives, name); at >= 0 && at < us && config.Handler(name) != nil {
			log.Warningf("%s stands above rrhealth and hands the answers that policy %s of %s means for one client to all: remove it", name, p.Policy, p.Name)
		}
	}
}
