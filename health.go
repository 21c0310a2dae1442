package rrhealth

import (
	"context"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coredns/coredns/plugin"
	"github.com/coredns/coredns/request"
	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/plugin/live"
	"github.com/rrhealth/rrhealth/plugin/operations"
	"github.com/rrhealth/rrhealth/plugin/reply"
)

// readyWithin is how long Ready waits for first results.
const readyWithin = 5 * time.Second

// process is what this process keeps running, and what survives a reload. A new
// instance starts before the old one stops, so what both use is never stopped.
var process = newLifecycle()

// A lifecycle starts and stops handlers, each with its Block and its discovery.
type lifecycle struct {
	live       *live.Registry
	observer   *observer
	operations *operations.Operations

	mu       sync.Mutex // held while handlers start and stop; guards the next line
	handlers map[*RRHealth]bool
	serving  atomic.Pointer[[]*RRHealth] // the same, for readers without mu: to stop waits for them

	readyBy atomic.Int64 // unix nanoseconds: when Ready waits no longer
	walking atomic.Int64 // handlers that have not walked their zones yet
}

func newLifecycle() *lifecycle {
	l := &lifecycle{observer: new(observer), handlers: make(map[*RRHealth]bool)}
	l.live = live.New(l.observer)
	l.observer.changed = func() { l.operations.StateChanged() }
	l.operations = operations.New(l.live, log, versions, l.explain)
	l.listServing()
	return l
}

// start starts h until stop. Handlers left over from a failed reload are stopped
// first. On an error nothing has started.
func (l *lifecycle) start(h *RRHealth) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stopOrphansLocked()
	if l.handlers[h] {
		return nil
	}
	if p := h.instance.process; p != nil { // before the first block, whichever has it: blocks start from what was saved
		if err := l.operations.Start(p); err != nil {
			return err
		}
	}
	l.handlers[h] = true
	l.listServing()
	h.instance.started()
	l.readyBy.Store(time.Now().Add(readyWithin).UnixNano())
	for _, b := range h.block.Stanzas {
		l.observer.durations.add(b.Checks)
	}
	l.live.Start(h.block)
	if len(h.rules.Filters) > 0 {
		h.discovery = l.discover(h)
	}
	return nil
}

// stop stops what h runs. Queries are still answered until the servers are gone
// (lameduck).
func (l *lifecycle) stop(h *RRHealth) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stopLocked(h)
}

func (l *lifecycle) stopLocked(h *RRHealth) {
	if !l.handlers[h] {
		return
	}
	l.cancelInspections(h.instance)
	delete(l.handlers, h)
	l.listServing()
	if h.inspection != nil {
		h.inspection.Stop()
	}
	if h.discovery != nil {
		h.discovery.Stop()
	}
	if p := h.instance.process; p != nil { // before the first block: it saves what all of them have
		l.operations.Stop(p)
	}
	l.live.Stop(h.block)
	if len(l.handlers) == 0 {
		l.operations.End()
	}
	l.observer.durations.keep(l.checkLabels())
}

// listServing publishes l.handlers. l.mu is held.
func (l *lifecycle) listServing() {
	all := slices.Collect(maps.Keys(l.handlers))
	l.serving.Store(&all)
}

// cancelInspections cancels the inspections of all handlers of i, so that they
// end together: they are stopped one by one, and each may wait for a silent
// upstream. l.mu is held.
func (l *lifecycle) cancelInspections(i *instance) {
	for h := range l.handlers {
		if h.inspection != nil && h.instance == i {
			h.inspection.Cancel()
		}
	}
}

// explain implements operations.Explain: it asks the handler that has the most
// specific zone for the name, of several the one with a pool or filter for it.
func (l *lifecycle) explain(r *dns.Msg, client netip.Addr) (operations.Answer, error) {
	name := r.Question[0].Name
	var best *RRHealth
	rank, equal := -1, make(map[string]bool) // server blocks of that rank: views, and other ports
	for _, h := range *l.serving.Load() {
		zone := plugin.Zones(h.zones).Matches(name)
		if zone == "" {
			continue
		}
		of := 2 * dns.CountLabel(zone)
		if h.match(r) != nil || h.filterFor(r) != nil {
			of++
		}
		if of > rank {
			clear(equal)
		}
		if of >= rank {
			equal[h.block.Identity] = true
		}
		if of > rank || of == rank && h.block.Identity < best.block.Identity {
			best, rank = h, of
		}
	}
	if best == nil {
		return operations.Answer{}, fmt.Errorf("%s: in no zone of a server block with rrhealth", name)
	}
	a := operations.Answer{Block: best.block, Others: len(equal) - 1, Pool: best.match(r)}
	a.Reply, a.Below = best.answerFor(r, client)
	if f := best.filterFor(r); f != nil && a.Pool == nil {
		a.Filter = f.Watchlist
	}
	return a, nil
}

// explainKey marks the context of a query that operators ask about: its answer is
// like that of any other, but is not counted and moves no pool's rotation.
type explainKey struct{}

// An explained is what is noted about such a query.
type explained struct {
	below []netip.Addr // in the answer of the plugins below, before a filter judges it
}

// answerFor returns the reply that a client with that address would get to r now, nil
// for none. The plugins above rrhealth do not see r, except for those that know
// where a client is.
func (h *RRHealth) answerFor(r *dns.Msg, client netip.Addr) (m *dns.Msg, below []netip.Addr) {
	w := &askingWriter{client: net.UDPAddrFromAddrPort(netip.AddrPortFrom(client, 0))}
	var noted explained
	ctx := context.WithValue(context.Background(), explainKey{}, &noted)
	if h.collector != nil {
		ctx = h.collector.Collect(ctx, request.Request{W: w, Req: r})
	}
	if rcode, _ := h.ServeDNS(ctx, w, r); w.reply == nil && !plugin.ClientWrite(rcode) {
		w.reply = reply.Failure(r, rcode) // as the server does
	}
	return w.reply, noted.below
}

// note notes the addresses of m, if operators ask about the query of c, and reports
// whether they do.
func (c *watchedContext) note(m *dns.Msg) bool {
	noted, ok := c.Context.Value(explainKey{}).(*explained)
	if !ok {
		return false
	}
	for _, rr := range m.Answer {
		if addr := reply.Addr(rr); addr.IsValid() {
			noted.below = append(noted.below, addr)
		}
	}
	return true
}

// An askingWriter keeps the reply to a query that came from no socket.
type askingWriter struct {
	dns.ResponseWriter
	client net.Addr
	reply  *dns.Msg
}

func (w *askingWriter) RemoteAddr() net.Addr      { return w.client }
func (w *askingWriter) LocalAddr() net.Addr       { return w.client }
func (w *askingWriter) WriteMsg(m *dns.Msg) error { w.reply = m; return nil }
func (w *askingWriter) Write(b []byte) (int, error) {
	w.reply = new(dns.Msg)
	return len(b), w.reply.Unpack(b)
}

// Ready implements ready.Readiness: every target has had its first result, or
// five seconds have passed. It is the same for every handler of the process:
// the ready plugin asks only one of those that share a name.
func (h *RRHealth) Ready() bool { return process.ready() }

func (l *lifecycle) ready() bool {
	return l.live.Awaited() == 0 && l.walking.Load() == 0 || time.Now().UnixNano() > l.readyBy.Load()
}

func (l *lifecycle) stopOrphans() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stopOrphansLocked()
}

func (l *lifecycle) stopOrphansLocked() {
	for h := range l.handlers {
		if h.instance.orphan() {
			l.stopLocked(h)
		}
	}
}
