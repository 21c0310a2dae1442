package rrhealth

import (
	"net/netip"

	"github.com/rrhealth/rrhealth/plugin/live"
	"github.com/rrhealth/rrhealth/plugin/pool"
	"github.com/rrhealth/rrhealth/plugin/verdict"
)

// A filter is a stanza with watch, at one of its names: it judges the answers of
// the plugins below for every name at or below that one. Backends come with each
// answer.
type filter struct {
	pool.Settings
	*live.Watchlist
	dryRun bool
}

// A condition is what a query sees of one address.
type condition struct {
	watched bool // the filter is concerned with it
	down    bool
	ttl     uint32 // the most seconds that the answer may live; only if watched
}

// condition returns the condition of addr. An address whose health is unknown is
// taken for up.
func (f *filter) condition(addr netip.Addr) condition {
	health, known, inScope := f.Health(addr)
	switch {
	case known:
		return condition{watched: true, down: health.State == verdict.Down, ttl: f.Lifetime(health)}
	case inScope:
		return condition{watched: true, ttl: f.TTL}
	}
	return condition{}
}
