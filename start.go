package rrhealth

// What a handler does when it starts: it warns, and looks for addresses to watch.

import (
	"context"
	"fmt"
	"iter"
	"net"
	"net/netip"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/coredns/caddy"
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/plugin"
	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/plugin/config"
	"github.com/rrhealth/rrhealth/plugin/discover"
	"github.com/rrhealth/rrhealth/plugin/live"
	"github.com/rrhealth/rrhealth/plugin/pool"
	"github.com/rrhealth/rrhealth/plugin/reply"
)

// warn logs what in the server block cannot work as it was probably meant.
func (h *RRHealth) warn(block *dnsserver.Config) {
	zones := strings.Join(h.zones, " ")
	if block.Handler("loadbalance") != nil {
		log.Warningf("loadbalance in the server block of %s shuffles the order that rrhealth gives its answers: remove it", zones)
	}
	backends := 0
	for _, b := range h.block.Stanzas { // whose names share the series
		backends += len(b.Pools[0].Backends)
	}
	if backends > live.MaxBackendSeries {
		log.Warningf("the server block of %s has %d backends: only %d of the process get metrics of their own, the others those of their pool", zones, backends, live.MaxBackendSeries)
	}
}

// warnStanza logs what in s cannot work as it was probably meant: one line for
// each cause, however many names the stanza has. A line for each name would bury
// the rest of the log.
func warnStanza(s *config.Stanza, block *dnsserver.Config) {
	for _, text := range s.Warnings() {
		log.Warning(text)
	}
	switch s.Pool.Policy {
	case pool.Nearest:
		warnNearest(s, block)
		warnCached(s, block)
	case pool.Sticky:
		warnCached(s, block)
	}
}

// warnNearest names the plugins that policy nearest lacks to locate clients.
func warnNearest(s *config.Stanza, block *dnsserver.Config) {
	for _, name := range []string{"geoip", "metadata"} {
		if block.Handler(name) == nil {
			log.Warningf("policy nearest of %s needs the %s plugin in its server block, which is not there: every answer is rotated instead", s.Title(), name)
		}
	}
}

// caches are the plugins that repeat an answer to other clients. A build that has
// CoreDNS's own above rrhealth is refused; a cache in another server block that
// forwards to ours cannot be seen from here.
var caches = []string{"cache", "redisc"}

// warnCached names a cache that repeats answers for one client to all clients.
func warnCached(s *config.Stanza, block *dnsserver.Config) {
	us := slices.Index(dnsserver.Directives, pluginName)
	for _, name := range caches {
		if at := slices.Index(dnsserver.Directives, name); at >= 0 && at < us && block.Handler(name) != nil {
			log.Warningf("%s stands above rrhealth and hands the answers that policy %s of %s means for one client to all: remove it", name, s.Pool.Policy, s.Title())
		}
	}
}

// warnForeign logs that names of a stanza are in a zone that is signed below by a
// key that h does not have.
func (h *RRHealth) warnForeign(zone string, names []string) {
	why := "the server block has no dnssec"
	if h.signer != nil {
		why = "not by the key that dnssec in the server block has for it"
	}
	log.Warningf("answers of pool %s will be bogus for validating resolvers: zone %s is signed below rrhealth and %s", config.FirstOf(names), zone, why)
}

// inspect starts the inspection of the zones below each handler that has had none.
func (l *lifecycle) inspect() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for h := range l.handlers {
		if h.inspection == nil && len(h.rules.Pools) > 0 && h.Next != nil {
			h.inspection = h.inspect()
		}
	}
}

// inspect starts to ask the plugins below whether they sign the zones of h's
// pools.
func (h *RRHealth) inspect() *discover.Inspection {
	pools := make([]iter.Seq[string], len(h.block.Stanzas))
	for i, s := range h.block.Stanzas {
		pools[i] = func(yield func(string) bool) {
			for _, p := range s.Pools {
				if !yield(p.Name) {
					return
				}
			}
		}
	}
	return discover.Inspect(discover.InspectConfig{
		Pools: pools, Below: h.ask, Foreign: h.warnForeign, Warn: log.Warningf,
		Ours: func(name string, sig *dns.RRSIG) bool {
			return reply.SameKey(sig, h.signer.set([]dns.RR{reply.SOA(name, reply.NegativeTTL)}, ""))
		},
	})
}

// discover starts to look for addresses that the filters of h watch. The block of
// h has been started.
func (l *lifecycle) discover(h *RRHealth) *discover.Discovery {
	l.walking.Add(1)
	d := discover.Start(discover.Config{
		Zones: h.walkable(), Sources: h.sources, Watcher: watcher{h, l.live}, Warn: log.Warningf,
		Walked: func(first bool) {
			if first {
				l.walking.Add(-1)
				return
			}
			for _, f := range h.rules.Filters {
				l.live.Sweep(f.Watchlist)
			}
			h.listWatched()
		},
	})
	for i, f := range h.rules.Filters {
		f.Learn = func(addr netip.Addr) { d.Learn(int32(i), addr) } // #nosec G115 -- memory holds fewer filters
	}
	return d
}

// walkable returns the zones that may hold addresses for the filters of h.
func (h *RRHealth) walkable() []string {
	names := make([]string, len(h.rules.Filters))
	for i, f := range h.rules.Filters {
		names[i] = f.Name
	}
	return discover.Zones(h.zones, names)
}

// A watcher is a handler as its discovery sees it: its watchlists, by the index
// of their filter.
type watcher struct {
	handler  *RRHealth
	registry *live.Registry
}

// Wanted implements discover.Watcher.
func (w watcher) Wanted(owner string, addr netip.Addr) (int32, bool) {
	i, ok := w.handler.rules.FilterIndex(owner)
	return i, ok && w.handler.rules.Filters[i].Wants(addr)
}

// Watch implements discover.Watcher.
func (w watcher) Watch(list int32, addrs []netip.Addr) error {
	if !w.registry.Watch(w.handler.rules.Filters[list].Watchlist, addrs) {
		return fmt.Errorf("more than %d addresses to watch: the others are answered unprobed", w.registry.WatchLimit)
	}
	return nil
}

// versions returns the versions of rrhealth and of CoreDNS.
func versions() (rrhealth, coredns string) {
	rrhealth = "unknown"
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return rrhealth, caddy.AppVersion
	}
	for _, m := range append(info.Deps, &info.Main) {
		if m.Path == "github.com/rrhealth/rrhealth" && m.Version != "" {
			rrhealth = m.Version
		}
	}
	return rrhealth, caddy.AppVersion
}

// ask asks the plugins below a question of our own. It returns false without a
// usable answer, and no message if no plugin below has the name.
func (h *RRHealth) ask(ctx context.Context, r *dns.Msg) (*dns.Msg, bool) {
	c := &capture{ResponseWriter: inward{}}
	rcode, err := plugin.NextOrFailure(h.Name(), h.Next, ctx, c, r)
	if c.msg != nil {
		rcode = c.msg.Rcode
	}
	if nothingBelow(rcode, err) {
		return nil, true
	}
	return c.msg, c.msg != nil && (rcode == dns.RcodeSuccess || rcode == dns.RcodeNameError)
}

// inward is the writer of a question of our own.
type inward struct{}

func (inward) LocalAddr() net.Addr         { return &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 53} }
func (inward) RemoteAddr() net.Addr        { return &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)} }
func (inward) WriteMsg(*dns.Msg) error     { return nil }
func (inward) Write(b []byte) (int, error) { return len(b), nil }
func (inward) Close() error                { return nil }
func (inward) TsigStatus() error           { return nil }
func (inward) TsigTimersOnly(bool)         {}
func (inward) Hijack()                     {}

var _ dns.ResponseWriter = inward{}

// sourcesOf returns the plugins of a server block whose zones can be walked.
func sourcesOf(block *dnsserver.Config) []discover.Source {
	var all []discover.Source
	for _, handler := range block.Handlers() {
		if s, ok := handler.(discover.Source); ok {
			all = append(all, s)
		}
	}
	return all
}

// hookStarts has leftovers stopped and zones inspected whenever an instance has started. A
// reload by SIGUSR1 takes the hooks of all plugins away, so each setup tries to
// register it anew; where it is registered still, caddy panics.
func hookStarts() {
	defer func() { _ = recover() }()
	caddy.RegisterEventHook(pluginName, func(event caddy.EventName, _ any) error {
		if event == caddy.InstanceStartupEvent {
			process.stopOrphans()
			process.inspect()
			process.operations.Reconcile()
		}
		return nil
	})
}
