package rrhealth

import (
	"bytes"
	"context"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/plugin"
	"github.com/coredns/coredns/request"
	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/plugin/reply"
)

// A signer signs what we made or changed with the keys of the dnssec plugin,
// which stands below us and has seen neither. Without that plugin it is nil,
// and signs nothing.
type signer struct {
	dnssec signs
	zones  []string // the plugin's, or nil where it is not known where it keeps them
}

// signs is what the dnssec plugin's handler does.
type signs interface {
	Sign(state request.Request, now time.Time, server string) *dns.Msg
}

// findSigner returns the signer of a server block, or nil.
func findSigner(config *dnsserver.Config) *signer {
	if d, ok := config.Handler("dnssec").(signs); ok {
		return &signer{dnssec: d, zones: zonesOfSigner(d)}
	}
	return nil
}

// zonesOfSigner returns the zones of the dnssec plugin, which keeps them to
// itself. It finds the zone of a record there, but before CoreDNS 1.14 it went
// by the zone that it was given.
func zonesOfSigner(d signs) (zones []string) {
	v := reflect.Indirect(reflect.ValueOf(d))
	if v.Kind() != reflect.Struct {
		return nil
	}
	if field := v.FieldByName("zones"); field.IsValid() && field.Type() == reflect.TypeFor[[]string]() {
		for i := range field.Len() {
			zones = append(zones, field.Index(i).String())
		}
	}
	return zones
}

// signedTTL is the TTL that records have while they are signed. The plugin's
// signatures do not depend on it (they carry a fixed original TTL), but its
// cache of signatures does: with the TTLs that leave, which count down in the
// cache below us, there would be a new signature every second.
const signedTTL = 3600

// serverOf names the server that handles a query, for the plugin's metrics.
func serverOf(ctx context.Context) string {
	if s, ok := ctx.Value(dnsserver.Key{}).(*dnsserver.Server); ok {
		return s.Addr
	}
	return ""
}

// set returns the signatures for an RRset, with its owner and TTL, or none
// when the set is in no zone of the plugin's. The set is not changed.
//
// It is signed in canonical order and in lower case, whatever order and case
// it leaves in: a signature is good for all of them, and the cache of
// signatures is keyed by the records as they come.
func (s *signer) set(rrs []dns.RR, server string) []dns.RR {
	if s == nil || len(rrs) == 0 {
		return nil
	}
	header := *rrs[0].Header()
	owner := strings.ToLower(header.Name)
	canonical := make([]dns.RR, len(rrs))
	for i, rr := range rrs {
		canonical[i] = reply.Copy(rr, owner, signedTTL)
	}
	slices.SortStableFunc(canonical, func(a, b dns.RR) int { return bytes.Compare(addressOf(a), addressOf(b)) })
	m := &dns.Msg{
		MsgHdr:   dns.MsgHdr{Response: true},
		Question: []dns.Question{{Name: owner, Qtype: header.Rrtype, Qclass: dns.ClassINET}},
		Answer:   canonical,
	}
	zone := plugin.Zones(s.zones).Matches(owner)
	if zone == "" && s.zones != nil {
		return nil
	}
	signed := s.dnssec.Sign(request.Request{Req: m, Zone: zone}, time.Now().UTC(), server)
	var sigs []dns.RR
	for _, rr := range signed.Answer {
		if rr.Header().Rrtype == dns.TypeRRSIG {
			sigs = append(sigs, reply.Copy(rr, header.Name, header.Ttl))
		}
	}
	return sigs
}

// addressOf returns the address in an A or AAAA record, else nil.
func addressOf(rr dns.RR) []byte {
	switch rr := rr.(type) {
	case *dns.A:
		return rr.A
	case *dns.AAAA:
		return rr.AAAA
	}
	return nil
}
