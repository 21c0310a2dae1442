package rrhealth

import (
	"net/netip"
	"slices"
	"sync/atomic"

	"github.com/rrhealth/rrhealth/plugin/pool"
	"github.com/rrhealth/rrhealth/plugin/verdict"
)

// A record is what is counted about a pool, and where its rotation stands. It
// outlives the pool: after a reload its successor goes on with it.
type record struct {
	// What the usual query writes to, in one cache line: with many pools each
	// step to other memory is one out of the cache.
	cursors pool.Cursors
	firsts  [fewCounted]atomic.Uint64 // answers in which a backend came first, see tally
	answers [pool.OutcomeCount]atomic.Uint64

	unlocated atomic.Uint64
	dryRun    atomic.Uint64
	changes   [fewCounted]changes // see tally
	latest    *served             // of the pools that use it; the others by served.earlier
	past      *pool.History       // of patient pools; belongs to the monitor's loop
}

// fewCounted is how many backends a record has room for.
const fewCounted = 4

// changes counts how often a backend went to each state. It is the one counter
// that may wrap: it takes 13 years of ten changes a second.
type changes [len(verdict.States)]atomic.Uint32

// A recordKey is the server block and the name of the pool.
type recordKey struct{ block, pool string }

// A tally is where is counted for one backend of a pool: in the record itself,
// where the first pool that used it had few, and these in the same order.
type tally struct {
	first   *atomic.Uint64
	changes *changes
}

// recordsAtOnce is how many records lie one behind the other. They are let go
// of one by one, and the last keeps the others. One less than 64: with the
// runtime's header that is just a size of which it loses nothing.
const recordsAtOnce = 63

// newRecords returns n records, for pools that start anywhere.
func newRecords(n int) []*record {
	all := make([]*record, 0, n)
	for len(all) < n {
		chunk := make([]record, min(n-len(all), recordsAtOnce))
		for i := range chunk {
			chunk[i].cursors.Scatter()
			all = append(all, &chunk[i])
		}
	}
	return all
}

// count makes p count in rec, together with the pools that do so already.
func (p *served) count(rec *record) {
	p.record, p.apart = rec, rec.apart(p)
	p.Adopt(&rec.cursors)
}

// tally returns where is counted for the backend with the given index.
func (p *served) tally(index int) tally {
	if p.apart != nil {
		return p.apart[index]
	}
	return tally{&p.record.firsts[index], &p.record.changes[index]}
}

// apart returns the tallies of p, or nil if those in r itself are its. A
// backend that one of r's pools has keeps its own, whatever its place.
func (r *record) apart(p *served) []tally {
	switch {
	case r.latest == nil && len(p.Backends) <= fewCounted:
		return nil
	case r.latest != nil && slices.EqualFunc(r.latest.Backends, p.Backends, sameAddr):
		return r.latest.apart
	}
	known := make(map[netip.Addr]tally)
	for o := r.latest; o != nil; o = o.earlier {
		for i, b := range o.Backends {
			known[b.Addr] = o.tally(i)
		}
	}
	all := make([]tally, 0, len(p.Backends))
	fresh := make([]struct { // one behind the other, as they are needed
		first   atomic.Uint64
		changes changes
	}, len(p.Backends))
	for i, b := range p.Backends {
		t, ok := known[b.Addr]
		if !ok {
			t = tally{&fresh[i].first, &fresh[i].changes}
		}
		all = append(all, t)
	}
	return all
}

func sameAddr(a, b pool.Backend) bool { return a.Addr == b.Addr }

// attach lets p, a pool of h, count in the record of its block and name. If there is none,
// the one that p has is that.
func (r *registry) attach(h *RRHealth, p *served) {
	key := recordKey{h.identity, p.Name}
	if rec := r.records[key]; rec != nil {
		p.count(rec)
	} else {
		r.records[key] = p.record
	}
	if before := p.record.latest; before != nil {
		p.signed.Store(before.signed.Load())
	}
	p.earlier, p.record.latest = p.record.latest, p
}

// detach undoes attach. A record that no pool uses is forgotten, and so is
// what was counted of backends that no pool has.
func (r *registry) detach(h *RRHealth, p *served) {
	for at := &p.record.latest; *at != nil; at = &(*at).earlier {
		if *at == p {
			*at, p.earlier = p.earlier, nil
			break
		}
	}
	if p.record.latest == nil {
		r.keepCounts(h, p)
		delete(r.records, recordKey{h.identity, p.Name})
	}
}
