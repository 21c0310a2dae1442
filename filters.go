package rrhealth

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	clog "github.com/coredns/coredns/plugin/pkg/log"
	"github.com/rrhealth/rrhealth/plugin/monitor"
)

// A filterRecord is what is counted about a filter. It outlives the filter:
// after a reload its successor goes on with it, and with what it watches.
type filterRecord struct {
	key      seriesKey
	filters  []*filter // that use it, the latest last
	filtered removals  // left out
	signed   removals  // not left out because another key has signed them
	dryRun   removals  // not left out because of dry_run
}

// removals counts what is to be left out of answers.
type removals struct {
	addresses atomic.Uint64 // that are down, those in hints included
	targets   atomic.Uint64 // records of which the target is down
}

func (n *removals) add(addresses, targets uint64) {
	n.addresses.Add(addresses)
	if targets > 0 {
		n.targets.Add(targets)
	}
}

func newFilterRecord() *filterRecord { return new(filterRecord) }

// startFilters brings the filters of h to life. r.mu is held.
func (r *registry) startFilters(h *RRHealth) {
	if len(h.filters) == 0 {
		return
	}
	h.registry = r
	for _, f := range h.filters {
		before := r.attachFilter(h, f)
		if before != nil {
			r.monitor.Do(func() { r.inherit(f, before) })
		}
	}
	h.discovery = startDiscovery(h, r)
}

// stopFilters lets go of what the filters of h watch. What queries see stays
// as it is. r.mu is held.
func (r *registry) stopFilters(h *RRHealth) {
	if h.discovery == nil {
		return
	}
	h.discovery.stop()
	r.monitor.Do(func() {
		for _, f := range h.filters {
			f.watched.freeze()
			r.forget(f, func(*address) bool { return true })
		}
	})
}

// attachFilter lets f, a filter of h, count in the record of its block and name. It returns
// the filter that f replaces, or nil.
func (r *registry) attachFilter(h *RRHealth, f *filter) (before *filter) {
	key := recordKey{h.identity, f.Name}
	rec := r.filters[key]
	if rec == nil {
		rec = newFilterRecord()
		r.filters[key] = rec
	}
	if n := len(rec.filters); n > 0 {
		before = rec.filters[n-1]
	}
	rec.key = seriesKey{server: h.server, view: h.view, filter: f.Name}
	rec.filters = append(rec.filters, f)
	f.counts = rec
	return before
}

// detachFilter undoes attachFilter.
func (r *registry) detachFilter(h *RRHealth, f *filter) {
	key := recordKey{h.identity, f.Name}
	rec := r.filters[key]
	rec.filters = slices.DeleteFunc(rec.filters, func(o *filter) bool { return o == f })
	if len(rec.filters) == 0 {
		delete(r.filters, key)
	}
}

// countFilters adds to byKey what the live filters count. r.mu is held.
func (r *registry) countFilters(byKey map[seriesKey]*counts) {
	for _, rec := range r.filters {
		key := rec.key
		if len(r.filters) > maxOfStanzas {
			key = seriesKey{filter: others}
		}
		var c counts
		c[filteredAddressCount], c[filteredTargetCount] = rec.filtered.addresses.Load(), rec.filtered.targets.Load()
		c[signedAddressCount], c[signedTargetCount] = rec.signed.addresses.Load(), rec.signed.targets.Load()
		if rec.filters[len(rec.filters)-1].dryRun {
			c[dryRunAddressCount], c[dryRunTargetCount] = rec.dryRun.addresses.Load(), rec.dryRun.targets.Load()
		}
		if c != (counts{}) {
			countsOf(byKey, key).add(&c)
		}
	}
}

// watched logs that a watched address has changed its state.
func (l *limiter) watched(c monitor.Change, a *address) {
	if !l.allowed(time.Now()) {
		return
	}
	log.Info(fmt.Sprintf("backend %s below %s is %s", a.addr, a.filter.Name, a.State()) + causeOf(c) + dryRunNote(a.filter.dryRun))
}

// The bounds of a listing: addresses in a line, and in all.
const (
	listedPerLine = 50
	listedAtMost  = 1000
)

// listWatched logs what is watched, and how it is, under debug.
func (h *RRHealth) listWatched() {
	if !clog.D.Value() {
		return
	}
	for _, f := range h.filters {
		for _, line := range f.listing() {
			log.Debug(line)
		}
	}
}

// listing returns lines that say what f watches, in the order of addresses.
func (f *filter) listing() []string {
	addrs := slices.SortedFunc(maps.Keys(f.watched.listed()), func(a, b *address) int { return a.addr.Compare(b.addr) })
	lines := []string{fmt.Sprintf("watching %d addresses below %s, of %s", len(addrs), f.Name, f.scope)}
	for part := range slices.Chunk(addrs[:min(len(addrs), listedAtMost)], listedPerLine) {
		words := make([]string, len(part))
		for i, a := range part {
			words[i] = a.addr.String() + " " + a.State().String()
		}
		lines = append(lines, "below "+f.Name+": "+strings.Join(words, ", "))
	}
	if more := len(addrs) - listedAtMost; more > 0 {
		lines = append(lines, fmt.Sprintf("below %s: and %d more", f.Name, more))
	}
	return lines
}
