package rrhealth

import (
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/coredns/caddy"
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/plugin"
	clog "github.com/coredns/coredns/plugin/pkg/log"
)

// pluginName is the directive's and the handler's name. They must be one:
// ready, view and metadata find a handler by its directive.
const pluginName = "rrhealth"

var log = clog.NewWithPlugin(pluginName)

func init() { plugin.Register(pluginName, setup) }

// setup reads every stanza of one server block into one handler. It starts
// nothing: an error in a later directive would leave it running for ever.
func setup(c *caddy.Controller) error {
	config := dnsserver.GetConfig(c)
	if err := checkPosition(dnsserver.Directives); err != nil {
		return plugin.Error(pluginName, err)
	}
	stanzas, err := parse(c, config.Root)
	if err != nil {
		return postpone(c, err)
	}
	h := newHandler(zonesOf(c), stanzas)

	config.AddPlugin(func(next plugin.Handler) plugin.Handler {
		h.Next = next
		return h
	})
	reserveStack(c)
	h.instance = instanceOf(c)
	c.OnStartup(func() error {
		h.metadata = config.Handler("metadata") != nil
		h.warn(config)
		for i := range stanzas {
			stanzas[i].warn(config)
		}
		stanzas = nil // the closure lives as long as the instance
		h.signer = findSigner(config)
		h.sources = findTransfers(config)
		h.block.Identity = identity(config, c.ServerBlockKeys)
		h.block.Server, h.block.View = serverLabel(config, c.ServerBlockKeys), config.ViewName
		process.start(h)
		return nil
	})
	c.OnShutdown(func() error {
		process.stop(h)
		return nil
	})
	hookStarts()
	return nil
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
		}
		return nil
	})
}

// zonesOf returns the zones of the server block, each once: a block that listens
// in several ways (example.org tls://example.org) has one for each.
func zonesOf(c *caddy.Controller) []string {
	var zones []string
	for _, zone := range plugin.OriginsFromArgsOrServerBlock(nil, c.ServerBlockKeys) {
		if !slices.Contains(zones, zone) {
			zones = append(zones, zone)
		}
	}
	return zones
}

// identity tells server blocks apart, and finds a block again after a reload.
func identity(config *dnsserver.Config, keys []string) string {
	return strings.Join(keys, " ") + "|" + strings.Join(config.ListenHosts, " ") + "|" + config.ViewName
}

// serverLabel returns the value of the label server: the address that the block
// listens on, as CoreDNS's own metrics have it, such as dns://:53. The pools of
// a block that listens on several are the same ones, so their addresses are one
// value, sorted and joined by commas.
func serverLabel(config *dnsserver.Config, keys []string) string {
	addrs := make([]string, 0, len(keys)*len(config.ListenHosts))
	for _, key := range keys {
		transport, zone, _ := strings.Cut(key, "://")
		port := zone[strings.LastIndexByte(zone, ':')+1:]
		for _, host := range config.ListenHosts {
			addrs = append(addrs, transport+"://"+net.JoinHostPort(host, port))
		}
	}
	slices.Sort(addrs)
	return strings.Join(slices.Compact(addrs), ",")
}

// below lists the plugins that rrhealth must stand before: those that answer,
// and without which it has nothing to work on.
var below = []string{"cache", "dnssec", "template", "hosts", "k8s_external", "kubernetes", "file", "auto", "secondary", "etcd", "forward", "grpc", "whoami"}

// checkPosition refuses a build whose list of plugins has rrhealth in a place
// where it is unsafe (above acl it would answer whom acl forbids) or idle
// (below what answers, no query reaches it).
func checkPosition(directives []string) error {
	at := slices.Index(directives, pluginName)
	if acl := slices.Index(directives, "acl"); acl > at {
		return fmt.Errorf("this build has rrhealth above acl, which would have to see queries first: in plugin.cfg, put %q directly before cache:cache", pluginLine)
	}
	for _, name := range below {
		if i := slices.Index(directives, name); i >= 0 && i < at {
			return fmt.Errorf("this build has rrhealth below %s, where it comes too late: in plugin.cfg, put %q directly before cache:cache", name, pluginLine)
		}
	}
	return nil
}

const pluginLine = "rrhealth:github.com/rrhealth/rrhealth"
