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

// A signer signs what rrhealth has made or changed, with the keys of the dnssec
// plugin. That plugin is below rrhealth and sees neither. Without it, the signer
// is nil and signs nothing.
type signer struct {
	dnssec signs
	zones  []string // the plugin's, or nil if its handler has no field that is known
}

// signs is the handler of the dnssec plugin.
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

// zonesOfSigner returns the zones of the dnssec plugin, from a field that it does
// not export. Since CoreDNS 1.14 the plugin finds the zone of a record itself;
// before, it used the zone that the caller passed.
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

// signedTTL is the TTL, in seconds, that records have while they are signed. The
// plugin's signatures do not depend on it (they have a fixed original TTL), but
// its cache of signatures does. With the TTLs that leave, which count down in a
// cache below, there would be a new signature every second.
const signedTTL = 3600

// serverOf returns the server that handles a query, for the plugin's metrics.
func serverOf(ctx context.Context) string {
	if s, ok := ctx.Value(dnsserver.Key{}).(*dnsserver.Server); ok {
		return s.Addr
	}
	return ""
}

// set returns the signatures for an RRset, with its owner and TTL, or none if the
// set is in no zone of the plugin's. It does not change the set.
//
// The set is signed in canonical order and in lower case. The signature is valid
// for every order and case in which it leaves, and the plugin's cache of
// signatures, which is keyed by the records, needs one entry.
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
