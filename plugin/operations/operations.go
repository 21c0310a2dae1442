// Package operations runs what the process stanza asks for: the status port, the
// control socket, and the state that survives a restart.
//
// It connects the packages that know nothing of one another. From live it copies
// the state of all stanzas into the types of api, which status serves. A change
// that comes in at the control socket becomes a new override.Set: it is refused
// if live.Try reports a pool that would be left with too few, else it is put in
// force, logged, and written to the state directory.
//
// An Operations is one for the process. In a reload the new instance calls Start
// before the old one calls Stop, so listeners, overrides and state go on. When an
// instance has started, Reconcile drops the overrides whose backend the new
// Corefile configures otherwise.
package operations

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/plugin/config"
	"github.com/rrhealth/rrhealth/plugin/live"
	"github.com/rrhealth/rrhealth/plugin/override"
	"github.com/rrhealth/rrhealth/plugin/status"
)

// Log is where events go: the log of the plugin.
type Log interface {
	Infof(format string, args ...any)
	Warningf(format string, args ...any)
}

// An Answer is what a server block answers to a query, and which pool or filter is
// concerned.
type Answer struct {
	Block  *live.Block
	Others int             // other server blocks that may have answered: those of other views, or at other ports
	Pool   *live.Pool      // nil for none
	Filter *live.Watchlist // nil for none
	Reply  *dns.Msg        // nil if the query gets no reply
	Below  []netip.Addr    // what other plugins answer, before Filter judges it
}

// Explain returns the answer that a query of a client would get now. The error says
// which server blocks there are, if none is concerned.
type Explain func(r *dns.Msg, client netip.Addr) (Answer, error)

// An Operations is what the process stanza starts.
type Operations struct {
	registry *live.Registry
	log      Log
	versions func() (rrhealth, coredns string)
	explain  Explain
	began    time.Time

	listeners status.Registry
	loaded    atomic.Int64 // when the Corefile was loaded, in Unix nanoseconds

	changing  sync.Mutex // held while overrides change, never before mu; guards lastID, timer and announced
	set       atomic.Pointer[override.Set]
	lastID    uint64
	timer     *time.Timer
	announced map[uint64]bool // overrides whose end has been announced

	// Held while servers start and stop, which wait for requests: no request locks it.
	// It guards the next lines.
	mu      sync.Mutex
	servers map[*config.Process]server
	states  map[string]*keeper // by directory

	// For readers without mu, which Stop holds while a disk hangs.
	dirs     atomic.Pointer[[]keeper] // copies of states
	failures atomic.Uint64            // directories that could not be opened, and failed saves in those that are closed
}

// A server is what a process stanza has started.
type server struct {
	*status.Server
	loaded time.Time // when the Corefile was
}

// New returns an Operations that has nothing started. versions returns those of
// rrhealth and CoreDNS.
func New(r *live.Registry, log Log, versions func() (rrhealth, coredns string), explain Explain) *Operations {
	o := &Operations{
		registry: r, log: log, versions: versions, explain: explain, began: time.Now(),
		announced: make(map[uint64]bool), servers: make(map[*config.Process]server), states: make(map[string]*keeper),
	}
	o.set.Store(override.NewSet(nil))
	o.dirs.Store(new([]keeper))
	return o
}

// Start starts what p asks for, before any block of its Corefile starts. On an error
// nothing has changed.
func (o *Operations) Start(p *config.Process) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if _, ok := o.servers[p]; ok {
		return nil
	}
	o.changing.Lock() // changes that come in now wait until what was saved is in force
	defer o.changing.Unlock()
	s, err := o.listeners.Start(status.Config{
		Address: address(p), Hosts: hosts(p), Control: p.Control, Mode: p.Mode, Group: p.Group, Warn: o.log.Warningf,
	}, status.Service{Model: o.model, History: o.history, Explain: o.explainAt, WhatIf: o.WhatIf, Change: o.Change})
	if err != nil {
		return err
	}
	if len(o.servers) == 0 {
		o.clear() // of a Corefile before the last without a process stanza
	}
	o.announce(p, s.Addr())
	o.servers[p] = server{s, time.Now()}
	o.noteLoaded()
	o.openState(p.State)
	return nil
}

// announce logs where p's listeners are, unless another instance has them already:
// a reload need not repeat it. o.mu is held.
func (o *Operations) announce(p *config.Process, addr string) {
	status, control := p.Status.IsValid(), p.Control != ""
	for other := range o.servers {
		status = status && other.Status != p.Status
		control = control && other.Control != p.Control
	}
	if status {
		o.log.Infof("status at http://%s/", addr)
	}
	if control {
		o.log.Infof("control at %s", p.Control)
	}
}

// noteLoaded notes when the latest Corefile was loaded that is still in use: one whose
// reload has failed is not. o.mu is held.
func (o *Operations) noteLoaded() {
	var latest time.Time
	for _, s := range o.servers {
		if s.loaded.After(latest) {
			latest = s.loaded
		}
	}
	if !latest.IsZero() {
		o.loaded.Store(latest.UnixNano())
	}
}

// clear removes all overrides. o.changing is held.
func (o *Operations) clear() {
	if n := len(o.overrides().All()); n > 0 {
		o.log.Warningf("%d overrides dropped: the Corefile has no process stanza by which they could be removed", n)
		o.put(override.NewSet(nil))
	}
}

// idle reports whether nothing is started.
func (o *Operations) idle() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.servers) == 0
}

// address returns the address of the status port; the empty string for none.
func address(p *config.Process) string {
	if !p.Status.IsValid() {
		return ""
	}
	return p.Status.String()
}

// hosts returns the names that requests to the status port may be for.
func hosts(p *config.Process) []string {
	if p.AnyHost {
		return []string{"*"}
	}
	return p.StatusHosts
}

// Stop ends what Start began.
func (o *Operations) Stop(p *config.Process) {
	o.mu.Lock()
	defer o.mu.Unlock()
	s, ok := o.servers[p]
	if !ok {
		return
	}
	delete(o.servers, p)
	o.noteLoaded()
	s.Close()
	o.closeState(p.State)
}

// End forgets the overrides, which are saved if there is a state directory. It is
// called when the last server block has stopped: what it goes on answering while the
// servers end does not change any more.
func (o *Operations) End() {
	o.changing.Lock()
	defer o.changing.Unlock()
	if o.timer != nil {
		o.timer.Stop()
		o.timer = nil
	}
	o.set.Store(override.NewSet(nil))
	o.registry.Override(o.overrides())
}

// Reconcile drops the overrides of backends that the Corefile configures otherwise
// than when they were set, and all of them if it has no process stanza. It is called
// when an instance has started.
func (o *Operations) Reconcile() {
	o.registry.ForgetSaved()
	idle := o.idle()
	o.changing.Lock()
	defer o.changing.Unlock()
	all := o.overrides().All()
	if idle {
		o.clear()
		return
	}
	if len(all) == 0 {
		return
	}
	configured := o.registry.Configured(addresses(all)...)
	next, overruled := o.overrides().Reconcile(func(addr netip.Addr) []override.Configured { return configured[addr] })
	if len(overruled) == 0 {
		return
	}
	for i := range overruled {
		set := &overruled[i]
		o.log.Warningf("override dropped: %s of %s in %s, set by %s: the Corefile has another weight or drain for this backend now", set.What(), set.Addr, set.Where(), set.Author)
	}
	o.put(next)
}

// addresses returns the addresses of all, some of them several times.
func addresses(all []override.Override) []netip.Addr {
	addrs := make([]netip.Addr, len(all))
	for i := range all {
		addrs[i] = all[i].Addr
	}
	return addrs
}
