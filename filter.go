package rrhealth

import (
	"net/netip"

	"github.com/rrhealth/rrhealth/plugin/pool"
	"github.com/rrhealth/rrhealth/plugin/verdict"
)

// A filter is a stanza with watch, at one of its names: it judges what plugins
// below answer for every name at or below that one. Its pool.Config holds the
// words of the stanza; it has no backends, those come with each answer.
type filter struct {
	pool.Config
	Name   string // in lower case, with the final dot; may start with "*."
	dryRun bool
	scope  scope
	checks []check

	watched *watchlist
	// Set when the handler starts, before it serves.
	counts *filterRecord
}

func newFilter(name string, s stanza) *filter {
	return &filter{Config: s.pool, Name: name, dryRun: s.dryRun, scope: s.watch, checks: s.checks, watched: newWatchlist(), counts: newFilterRecord()}
}

// A condition is what a query sees of one address.
type condition struct {
	watched bool // the filter is concerned with it
	down    bool
	ttl     uint32 // the most seconds that the answer may live; only if watched
}

// health looks addr up, marks it as seen, and has it learned when it is new.
// An address that nothing is known of is taken for up.
func (h *RRHealth) health(f *filter, addr netip.Addr) condition {
	if a := f.watched.find(addr); a != nil {
		if !a.seen.Load() { // a write to a line that many queries share costs
			a.seen.Store(true)
		}
		health := pool.Health{State: a.State(), Changing: a.changing.Load()}
		return condition{watched: true, down: health.State == verdict.Down, ttl: f.Lifetime(health)}
	}
	if !addr.IsValid() || !f.scope.has(addr) {
		return condition{}
	}
	if len(f.checks) > 0 {
		h.learn(f, addr)
	}
	return condition{watched: true, ttl: f.TTL}
}

// learn has addr watched for f, soon. When there are more new addresses than
// can be taken in, some are dropped: they are learned from a later answer.
func (h *RRHealth) learn(f *filter, addr netip.Addr) {
	if h.registry.watchFull.Load() {
		watchRejected.Inc()
		return
	}
	select {
	case h.learned <- sighting{f, addr}:
	default:
	}
}
