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
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/plugin/api"
	"github.com/rrhealth/rrhealth/plugin/config"
	"github.com/rrhealth/rrhealth/plugin/live"
	"github.com/rrhealth/rrhealth/plugin/override"
	"github.com/rrhealth/rrhealth/plugin/state"
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

	changing  sync.Mutex // held while overrides change; guards lastID, timer and announced
	set       atomic.Pointer[override.Set]
	lastID    uint64
	timer     *time.Timer
	announced map[uint64]bool // overrides whose end has been announced

	mu      sync.Mutex // held while servers start and stop; guards the next lines
	servers map[*config.Process]*status.Server
	states  map[string]*keeper // by directory

	// For readers without mu, which Stop holds while a disk hangs.
	dirs     atomic.Pointer[[]*state.Dir] // those of states
	wanted   atomic.Int64                 // directories of states, those that could not be opened included
	failures atomic.Uint64                // directories that could not be opened, and failed saves in those that are closed
}

// New returns an Operations that has nothing started. versions returns those of
// rrhealth and CoreDNS.
func New(r *live.Registry, log Log, versions func() (rrhealth, coredns string), explain Explain) *Operations {
	o := &Operations{
		registry: r, log: log, versions: versions, explain: explain, began: time.Now(),
		announced: make(map[uint64]bool), servers: make(map[*config.Process]*status.Server), states: make(map[string]*keeper),
	}
	o.set.Store(override.NewSet(nil))
	o.dirs.Store(new([]*state.Dir))
	return o
}

// Start starts what p asks for. On an error nothing has changed.
func (o *Operations) Start(p *config.Process) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.loaded.Store(time.Now().UnixNano())
	if o.servers[p] != nil {
		return nil
	}
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
	o.servers[p] = s
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

// clear removes all overrides.
func (o *Operations) clear() {
	o.changing.Lock()
	defer o.changing.Unlock()
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
	s := o.servers[p]
	if s == nil {
		return
	}
	delete(o.servers, p)
	s.Close()
	o.closeState(p.State)
}

// overrides returns those in force.
func (o *Operations) overrides() *override.Set { return o.set.Load() }

// put puts next in force. o.changing is held.
func (o *Operations) put(next *override.Set) {
	for _, set := range next.All() {
		o.lastID = max(o.lastID, set.ID)
	}
	o.set.Store(next)
	o.registry.Override(next)
	o.StateChanged()
	o.schedule()
}

const (
	// announceBefore is how long before its end an override is announced.
	announceBefore = 10 * time.Minute
	// lookEvery is how often the ends are looked at, at least: the wall clock may be
	// set, which no timer notices.
	lookEvery = time.Minute
)

// schedule has look called when the next override ends or is to be announced.
// o.changing is held.
func (o *Operations) schedule() {
	if o.timer != nil {
		o.timer.Stop()
		o.timer = nil
	}
	now := time.Now()
	wait := lookEvery
	timed := false
	for _, set := range o.overrides().All() {
		if set.Until.IsZero() {
			continue
		}
		timed = true
		wait = min(wait, set.Until.Sub(now))
		if announce := set.Until.Add(-announceBefore); announce.After(now) {
			wait = min(wait, announce.Sub(now))
		}
	}
	if timed {
		o.timer = time.AfterFunc(max(wait, time.Millisecond), o.look)
	}
}

// look ends the overrides whose time has come, and announces those that end soon.
func (o *Operations) look() {
	o.changing.Lock()
	defer o.changing.Unlock()
	now := time.Now()
	next, ended := o.overrides().Without(func(set *override.Override) bool { return set.Ended(now) })
	for i := range ended {
		set := &ended[i]
		delete(o.announced, set.ID)
		o.log.Infof("override ended: %s of %s in %s, set by %s", set.What(), set.Addr, set.Where(), set.Author)
	}
	for _, set := range next.All() {
		if left := set.Until.Sub(now); !set.Until.IsZero() && left <= announceBefore && !o.announced[set.ID] && set.Until.Sub(set.Since) > announceBefore {
			o.announced[set.ID] = true
			o.log.Warningf("override ends in %v: %s of %s in %s, set by %s", left.Round(time.Second), set.What(), set.Addr, set.Where(), set.Author)
		}
	}
	if len(ended) > 0 {
		o.put(next)
		return
	}
	o.schedule()
}

// Reconcile drops the overrides of backends that the Corefile configures otherwise
// than when they were set, and all of them if it has no process stanza. It is called
// when an instance has started.
func (o *Operations) Reconcile() {
	o.registry.ForgetSaved()
	if o.idle() {
		o.clear()
		return
	}
	o.changing.Lock()
	defer o.changing.Unlock()
	if len(o.overrides().All()) == 0 {
		return
	}
	next, overruled := o.overrides().Reconcile(o.registry.Configured)
	if len(overruled) == 0 {
		return
	}
	for i := range overruled {
		set := &overruled[i]
		o.log.Warningf("override dropped: %s of %s in %s, set by %s: the Corefile has another weight or drain for this backend now", set.What(), set.Addr, set.Where(), set.Author)
	}
	o.put(next)
}

// model returns the state of now.
func (o *Operations) model() *status.Model {
	now := time.Now()
	host, err := os.Hostname()
	if err != nil {
		host = ""
	}
	version, coredns := o.versions()
	m := &status.Model{
		Status: api.Status{
			Host: host, Version: version, CoreDNS: coredns, Started: api.Time{Time: o.began},
			Loaded: api.Time{Time: time.Unix(0, o.loaded.Load())}, Now: api.Time{Time: now}, Problems: []string{},
		},
		Pools: []api.Pool{}, Backends: []api.Backend{},
	}
	known := make(map[string]bool) // addresses
	views := o.registry.View()
	for i := range views {
		v := &views[i]
		p := poolOf(v)
		m.Pools = append(m.Pools, p)
		m.Backends = append(m.Backends, backendsOf(v, now)...)
		addPool(&m.Status, &p)
		for j := range v.Backends {
			known[v.Backends[j].Addr.String()] = true
		}
	}
	set := o.overrides().All()
	m.Overrides = shownOverrides(set, func(s *override.Override) bool { return !known[s.Addr.String()] })
	m.Status.Overrides = len(set)
	slices.SortFunc(m.Pools, comparePools)
	slices.SortFunc(m.Backends, compareBackends)
	o.addState(&m.Status)
	return m
}

// addPool adds p to the counts of s.
func addPool(s *api.Status, p *api.Pool) {
	to := &s.Backends
	if p.Filter {
		s.Filters++
		to = &s.Watched
	} else {
		s.Pools++
	}
	switch p.State {
	case stateAllDown:
		s.AllDown++
	case stateShort:
		s.Short++
	}
	to.All += p.Counts.All
	to.Up += p.Counts.Up
	to.Down += p.Counts.Down
	to.Unknown += p.Counts.Unknown
	to.HeldDown += p.Counts.HeldDown
	to.Drained += p.Counts.Drained
}
