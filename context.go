package rrhealth

import (
	"context"
	"net"
	"net/netip"
	"strconv"
	"sync/atomic"

	"github.com/coredns/coredns/plugin/metadata"
	"github.com/coredns/coredns/request"
	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/plugin/live"
	"github.com/rrhealth/rrhealth/plugin/pool"
	"github.com/rrhealth/rrhealth/plugin/reply"
)

// The context of a query: what rrhealth publishes there for other plugins, what it
// reads there and elsewhere about the client (metadata of geoip, address, client
// subnet), and how a handler recognizes a query that plugins below make on its own.

// The labels under which other plugins find what rrhealth publishes.
const (
	labelPool    = pluginName + "/pool"    // the pool's name, as in the metrics
	labelPolicy  = pluginName + "/policy"  // its policy
	labelOutcome = pluginName + "/outcome" // what its addresses come to, as in the metrics
	labelFirst   = pluginName + "/first"   // the address that was answered first
)

var _ metadata.Provider = (*RRHealth)(nil)

// Metadata implements metadata.Provider. It runs before the chain, and before the
// view plugin decides: the outcome is that of an answer at this moment. No rotation
// moves, so the first address is not known yet.
func (h *RRHealth) Metadata(ctx context.Context, state request.Request) context.Context {
	p := h.match(state.Req)
	if p == nil {
		return ctx
	}
	publishPool(ctx, p)
	if f, ok := reply.FamilyOf(state.Req.Question[0].Qtype); ok {
		metadata.SetValueFunc(ctx, labelOutcome, func() string { return p.Snapshot().Choices[f].Outcome.String() })
	}
	return ctx
}

// publishPool publishes which pool answers.
func publishPool(ctx context.Context, p *live.Pool) {
	metadata.SetValueFunc(ctx, labelPool, func() string { return p.Name })
	metadata.SetValueFunc(ctx, labelPolicy, p.Policy.String)
}

// publish publishes the answer: the members of choice at the indices in order.
func publish(ctx context.Context, p *live.Pool, choice *pool.Choice, order []int) {
	publishPool(ctx, p) // again: a plugin above may have rewritten the name
	metadata.SetValueFunc(ctx, labelOutcome, choice.Outcome.String)
	if len(order) > 0 {
		first := choice.Members[order[0]].Addr
		metadata.SetValueFunc(ctx, labelFirst, first.String)
	}
}

// clientOf returns what p's policy needs to know of the client.
func clientOf(ctx context.Context, p *live.Pool, w dns.ResponseWriter, ecs *dns.EDNS0_SUBNET) pool.Client {
	switch p.Policy {
	case pool.Sticky:
		addr, length := clientNetwork(p, w, ecs)
		return pool.Client{Network: pool.Network(addr, length)}
	case pool.Nearest:
		return pool.Client{Place: placeOf(ctx, p.Backends[0].Place.OnGlobe())}
	}
	return pool.Client{}
}

// clientNetwork returns the address of the client and how many bits of it identify the
// client. That is the subnet in ecs, if there is one. It is not verified: a false
// one only gets its sender the addresses of other clients.
func clientNetwork(p *live.Pool, w dns.ResponseWriter, ecs *dns.EDNS0_SUBNET) (addr netip.Addr, length int) {
	if ecs != nil && ecs.SourceNetmask > 0 {
		addr, length = reply.SubnetAddr(ecs), int(ecs.SourceNetmask)
	} else {
		// With a source length of 0 a client asks not to be identified. Then
		// the resolver is the client (RFC 7871, section 7.1.2).
		addr = remoteAddr(w)
		length = addr.BitLen()
	}
	return addr, min(length, p.Networks[pool.FamilyOf(addr)])
}

// remoteAddr returns the address that the query came from.
func remoteAddr(w dns.ResponseWriter) netip.Addr {
	switch a := w.RemoteAddr().(type) {
	case *net.UDPAddr:
		return a.AddrPort().Addr().Unmap().WithZone("")
	case *net.TCPAddr:
		return a.AddrPort().Addr().Unmap().WithZone("")
	case nil:
		return netip.Addr{}
	default:
		ap, _ := netip.ParseAddrPort(a.String())
		return ap.Addr().Unmap().WithZone("")
	}
}

// placeOf returns the client's place by the geoip plugin: coordinates, or codes. A
// pool uses one of the two.
func placeOf(ctx context.Context, onGlobe bool) (place pool.Place) {
	// One lookup for all labels: each goes through the chain of contexts.
	funcs := metadata.ValueFuncs(ctx)
	value := func(label string) string {
		if f := funcs[label]; f != nil {
			return f()
		}
		return ""
	}
	if !onGlobe {
		return pool.Place{Continent: value("geoip/continent/code"), Country: value("geoip/country/code")}
	}
	latitude, ok := degrees(value("geoip/latitude"))
	if !ok {
		return place
	}
	longitude, ok := degrees(value("geoip/longitude"))
	// Before CoreDNS 1.14, geoip had 0, 0 for clients that it does not know. No
	// client is there: it is in the Gulf of Guinea.
	if !ok || latitude == 0 && longitude == 0 {
		return place
	}
	return place.At(latitude, longitude)
}

func degrees(text string) (float64, bool) {
	if text == "" { // usual: the client has no place
		return 0, false
	}
	d, err := strconv.ParseFloat(text, 64)
	return d, err == nil
}

// Nested queries. A plugin below that meets an alias may ask the server for the
// name at its end, with the context of the query (CoreDNS's upstream package
// does). If a pool has that name, the handler gets a second query while it waits
// for the first answer, in which it replaces the addresses of pools in any case.
// So the second answer neither moves the pool's cursor nor counts: moved twice by
// each query, a pool of two would give every client the same first address.
//
// For the same reason a filter leaves the addresses in the second answer alone and
// judges them in the first. A cache below keeps what the plugin made of both, and
// would leave out what is down now for as long as the TTL.
//
// If another server block answers the second query, its pool or filter orders the
// addresses and marks the context: a filter around keeps that order.

// A watchedContext is the context of a query whose answer from below handler
// is going to look through.
type watchedContext struct {
	context.Context
	handler *RRHealth
	filter  bool        // set if a filter judges the answer
	ordered atomic.Bool // by another handler; a cache below may ask in the background
}

// A watcherKey finds out whether handler looks through the answer.
type watcherKey struct{ handler *RRHealth }

// A filterKey finds out whether a filter of handler judges the answer.
type filterKey struct{ handler *RRHealth }

// A watchedKey finds the innermost watchedContext.
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
// filter of h judges in the answer around. With other types, the additional
// section of the nested answer is not part of the answer around.
func (h *RRHealth) filteredAround(ctx context.Context, r *dns.Msg) bool {
	_, ok := reply.FamilyOf(r.Question[0].Qtype)
	return ok && ctx.Value(filterKey{h}) != nil
}

// markOrdered marks the addresses in the answer to the query of ctx as being in
// the order in which they are to leave, for a handler that waits for that answer.
func markOrdered(ctx context.Context) {
	if around, ok := ctx.Value(watchedKey{}).(*watchedContext); ok {
		around.ordered.Store(true)
	}
}
