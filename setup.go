package rrhealth

import (
	"cmp"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"

	"github.com/coredns/caddy"
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/plugin"
	clog "github.com/coredns/coredns/plugin/pkg/log"

	"github.com/rrhealth/rrhealth/plugin/config"
)

// pluginName is the directive's and the handler's name. They must be one:
// ready, view and metadata find a handler by its directive.
const pluginName = "rrhealth"

var log = clog.NewWithPlugin(pluginName)

func init() {
	plugin.Register(pluginName, setup)
	caddy.RegisterParsingCallback("dns", pluginName, reportPending)
}

// setup reads every stanza of one server block into one handler. It starts
// nothing: an error in a later directive would leave it running for ever.
func setup(c *caddy.Controller) error {
	block := dnsserver.GetConfig(c)
	if err := checkPosition(dnsserver.Directives); err != nil {
		return plugin.Error(pluginName, err)
	}
	stanzas, err := parse(c, block.Root)
	if err != nil {
		return postpone(c, err)
	}
	h := newHandler(zonesOf(c), stanzas)

	block.AddPlugin(func(next plugin.Handler) plugin.Handler {
		h.Next = next
		return h
	})
	reserveStack(c)
	h.instance = instanceOf(c)
	c.OnStartup(func() error {
		h.metadata = block.Handler("metadata") != nil
		h.collector, _ = block.Handler("metadata").(dnsserver.MetadataCollector)
		h.warn(block)
		for i := range stanzas {
			warnStanza(&stanzas[i], block)
		}
		stanzas = nil // the closure stays as long as the instance
		h.signer = findSigner(block)
		h.sources = sourcesOf(block)
		h.block.Identity = identity(block, c.ServerBlockKeys)
		h.block.Server, h.block.View = serverLabel(block, c.ServerBlockKeys), block.ViewName
		if err := process.start(h); err != nil {
			return plugin.Error(pluginName, err)
		}
		return nil
	})
	c.OnShutdown(func() error {
		process.stop(h)
		return nil
	})
	hookStarts()
	return nil
}

// parse reads the stanzas of the server block of c. If the process stanza is among
// them it becomes that of the instance.
func parse(c *caddy.Controller, root string) ([]config.Stanza, error) {
	lines, unreadable := config.ReadLines(c, pluginName)
	i := instanceOf(c)
	stanzas, settings, err := config.Parse(lines, config.Block{Zones: zonesOf(c), Root: root, Process: i.process})
	i.process = cmp.Or(i.process, settings)
	return stanzas, config.Join(err, unreadable)
}

// pending holds the errors of Corefiles that are being read. CoreDNS stops at the
// first server block whose setup returns an error. So setup notes its errors
// here, and reportPending returns them when CoreDNS has read rrhealth in all
// server blocks, before it goes on to the next directive.
var pending = struct {
	sync.Mutex
	of map[caddy.Context]error
}{of: make(map[caddy.Context]error)}

// postpone notes err for reportPending and returns nil. It returns err itself
// where CoreDNS calls no reportPending: when a Corefile is validated and not
// started, and in programs that call plugins themselves.
func postpone(c *caddy.Controller, err error) error {
	if !instanceOf(c).inList() {
		return plugin.Error(pluginName, err)
	}
	// In case reportPending is not called after all: better no start than one
	// without the server block's stanzas.
	c.OnStartup(func() error { return plugin.Error(pluginName, err) })
	pending.Lock()
	defer pending.Unlock()
	pending.of[c.Context()] = config.Join(pending.of[c.Context()], err)
	return nil
}

// reportPending returns the errors that were noted for the Corefile of ctx.
func reportPending(ctx caddy.Context) error {
	pending.Lock()
	defer pending.Unlock()
	err := pending.of[ctx]
	delete(pending.of, ctx)
	if err != nil {
		return plugin.Error(pluginName, err)
	}
	return nil
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
func identity(block *dnsserver.Config, keys []string) string {
	return strings.Join(keys, " ") + "|" + strings.Join(block.ListenHosts, " ") + "|" + block.ViewName
}

// serverLabel returns the value of the label server: the address that the block
// listens on, as CoreDNS's own metrics have it, such as dns://:53. The pools of
// a block that listens on several are the same ones, so their addresses are one
// value, sorted and joined by commas.
func serverLabel(block *dnsserver.Config, keys []string) string {
	addrs := make([]string, 0, len(keys)*len(block.ListenHosts))
	for _, key := range keys {
		transport, zone, _ := strings.Cut(key, "://")
		port := zone[strings.LastIndexByte(zone, ':')+1:]
		for _, host := range block.ListenHosts {
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

// An instance is one load of the Corefile. CoreDNS (caddy, to be exact) has a
// callback for the start of an instance and for its shutdown, but none for a start
// that fails after plugins were started. Such an orphan is not in caddy's list of
// instances.
type instance struct {
	listed  bool            // it was in the list when it started
	process *config.Process // the process stanza of the server blocks read so far, which may be the only one
}

type instanceKey struct{}

func instanceOf(c *caddy.Controller) *instance {
	if i, ok := c.Get(instanceKey{}).(*instance); ok {
		return i
	}
	i := new(instance)
	c.Set(instanceKey{}, i)
	return i
}

// started stores whether caddy lists the instance. It does not list those of
// programs that start plugins themselves, which are never orphans. All others
// in the list, the one to be replaced among them, get a callback for a reload
// that fails. The new instance gets none: caddy calls only that of the old one,
// whose Corefile may not have rrhealth in it.
func (i *instance) started() {
	if i.listed {
		return // by another server block
	}
	i.listed = i.inList()
	for _, o := range caddy.Instances() {
		if !i.is(o) && guard(o) {
			o.OnRestartFailed = append(o.OnRestartFailed, func() error { process.stopOrphans(); return nil })
		}
	}
}

type guardKey struct{}

// guard reports whether o has no callback of started yet. It counts as having one then.
func guard(o *caddy.Instance) bool {
	o.StorageMu.Lock()
	defer o.StorageMu.Unlock()
	if o.Storage[guardKey{}] != nil {
		return false
	}
	o.Storage[guardKey{}] = true
	return true
}

func (i *instance) orphan() bool { return i.listed && !i.inList() }

func (i *instance) inList() bool { return slices.ContainsFunc(caddy.Instances(), i.is) }

// is reports whether o is caddy's part of the instance.
func (i *instance) is(o *caddy.Instance) bool {
	o.StorageMu.RLock()
	defer o.StorageMu.RUnlock()
	return o.Storage[instanceKey{}] == i
}
