package rrhealth

import (
	"context"
	"sync/atomic"

	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/plugin/reply"
)

// A plugin below that meets an alias may ask the server for the name it leads
// to, with the context of the query (CoreDNS's upstream package does). Where
// that is a pool's name, the handler is asked a second time while it waits for
// the first answer, in which it replaces the addresses of pools in any case.
// The second answer neither turns the pool's list nor counts: turned twice by
// each query, a pool of two would give every client the same first address.
//
// For the same reason a filter leaves the addresses in the second answer alone. It
// judges them in the first. A cache below keeps what the plugin made of both, and
// would keep out what is down now for as long as the TTL.
//
// Where the second answer is the business of another server block, its pool or
// filter orders the addresses, and tells so: a filter around leaves the order.

// A watchedContext is the context of a query whose answer from below handler
// is going to look through.
type watchedContext struct {
	context.Context
	handler *RRHealth
	filter  bool        // judges the answer, too
	ordered atomic.Bool // by another handler; a cache below may ask in the background
}

// A watcherKey asks a context whether handler looks through the answer.
type watcherKey struct{ handler *RRHealth }

// A filterKey asks a context whether handler judges the answer for a filter.
type filterKey struct{ handler *RRHealth }

// A watchedKey asks a context for the innermost watchedContext.
type watchedKey struct{}

// Value implements context.Context.
func (c *watchedContext) Value(key any) any {
	switch k := key.(type) {
	case watcherKey:
		if k.handler == c.handler {
			return true
		}
	case filterKey:
		if k.handler == c.handler && c.filter {
			return true
		}
	case watchedKey:
		return c
	}
	return c.Context.Value(key)
}

// nested reports whether the query of ctx comes from a plugin below h, and h
// looks through what is made of the answer.
func (h *RRHealth) nested(ctx context.Context) bool { return ctx.Value(watcherKey{h}) != nil }

// filteredAround reports whether the query r of ctx asks for addresses that a
// filter of h judges in the answer around. Of other types, the answer around has
// not what stands beside them.
func (h *RRHealth) filteredAround(ctx context.Context, r *dns.Msg) bool {
	_, ok := reply.FamilyOf(r.Question[0].Qtype)
	return ok && ctx.Value(filterKey{h}) != nil
}

// tellOrdered tells the handler that waits for the answer to the query of ctx, if
// there is one, that the addresses are in the order in which they are to leave.
func tellOrdered(ctx context.Context) {
	if around, ok := ctx.Value(watchedKey{}).(*watchedContext); ok {
		around.ordered.Store(true)
	}
}
