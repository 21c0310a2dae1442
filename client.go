package rrhealth

import (
	"context"
	"net"
	"net/netip"
	"strconv"

	"github.com/coredns/coredns/plugin/metadata"
	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/plugin/pool"
	"github.com/rrhealth/rrhealth/plugin/reply"
)

// client returns what p's policy wants to know of whoever asks.
func (p *served) client(ctx context.Context, w dns.ResponseWriter, ecs *dns.EDNS0_SUBNET) pool.Client {
	switch p.Policy {
	case pool.Sticky:
		addr, length := p.network(w, ecs)
		return pool.Client{Network: pool.Network(addr, length)}
	case pool.Nearest:
		return pool.Client{Place: placeOf(ctx, p.Backends[0].Place.OnGlobe())}
	}
	return pool.Client{}
}

// network returns the client's address and how much of it tells clients apart.
// A resolver that says for whom it asks is believed: the worst that a lie can
// do is to get the liar the addresses that somebody else gets.
func (p *served) network(w dns.ResponseWriter, ecs *dns.EDNS0_SUBNET) (addr netip.Addr, length int) {
	if ecs != nil && ecs.SourceNetmask > 0 {
		addr, length = reply.SubnetAddr(ecs), int(ecs.SourceNetmask)
	} else {
		// A source length of 0 is how a client asks not to be told apart:
		// the resolver is the client then (RFC 7871, section 7.1.2).
		addr = remoteAddr(w)
		length = addr.BitLen()
	}
	return addr, min(length, p.Networks[pool.FamilyOf(addr)])
}

// remoteAddr returns the address of whoever sent the query.
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

// placeOf returns where the geoip plugin says that the client is: by
// coordinates, or by codes. One of them is all that a pool has a use for.
func placeOf(ctx context.Context, onGlobe bool) (place pool.Place) {
	// One look-up of the whole: each goes through the chain of contexts.
	said := metadata.ValueFuncs(ctx)
	value := func(label string) string {
		if f := said[label]; f != nil {
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
	// Before CoreDNS 1.14, geoip said 0, 0 of clients that it does not know. No
	// client is there: it is a buoy in the Gulf of Guinea.
	if !ok || latitude == 0 && longitude == 0 {
		return place
	}
	return place.At(latitude, longitude)
}

func degrees(text string) (float64, bool) {
	if text == "" { // what every client without a place has: spare it the error
		return 0, false
	}
	d, err := strconv.ParseFloat(text, 64)
	return d, err == nil
}

// scope returns the length of the network that the answer to ecs, out of
// choice, is good for.
func (p *served) scope(choice *pool.Choice, ecs *dns.EDNS0_SUBNET) int {
	if ecs == nil || len(choice.Members) < 2 {
		return 0 // whoever asks, there is no other answer
	}
	source := int(ecs.SourceNetmask)
	switch {
	case source == 0:
		return 0
	case p.Policy == pool.Sticky:
		return min(source, p.Networks[pool.FamilyOf(reply.SubnetAddr(ecs))])
	case p.Policy == pool.Nearest:
		// How much of the address the database looked at is not told.
		return source
	}
	return 0
}
