package rrhealth

import "context"

// A plugin below that meets an alias may ask the server for the name it leads
// to, with the context of the query (CoreDNS's upstream package does). Where
// that is a pool's name, the handler is asked a second time while it waits for
// the first answer, in which it replaces the addresses of pools in any case.
// The second answer neither turns the pool's list nor counts: turned twice by
// each query, a pool of two would give every client the same first address.

// A watchedContext is the context of a query whose answer from below handler
// is going to look through.
type watchedContext struct {
	context.Context
	handler *RRHealth
}

// A watcherKey asks a context whether handler looks through the answer.
type watcherKey struct{ handler *RRHealth }

// Value implements context.Context.
func (c *watchedContext) Value(key any) any {
	if k, ok := key.(watcherKey); ok && k.handler == c.handler {
		return true
	}
	return c.Context.Value(key)
}

// nested reports whether the query of ctx comes from a plugin below h, and h
// looks through what is made of the answer.
func (h *RRHealth) nested(ctx context.Context) bool { return ctx.Value(watcherKey{h}) != nil }

// nestedTurn is turns.next for an answer to a nested query, which is a rotation
// of its own: some plugins below make addresses of another name of the answer.
func nestedTurn(owner string, rrtype uint16) uint64 { return turns.next(owner, rrtype|1<<15) }
