package rrhealth

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/coredns/coredns/plugin"
	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/plugin/live"
	"github.com/rrhealth/rrhealth/plugin/reply"
)

const (
	// questionsAtMost bounds what one inspection asks: the plugins below may
	// forward to a server that others use too.
	questionsAtMost = 100
	// inspections is how often an inspection is made while answers are missing
	// (zones that are still fetched), at intervals that double from one second.
	inspections = 6
	// answerWithin bounds one question of an inspection.
	answerWithin = 5 * time.Second
)

// inspectionCode is the code of an EDNS option that marks the questions of our
// inspections, one of those for local use (RFC 6891, section 9).
const inspectionCode = 65001

// inspectionMark tells the questions of this process from those of others.
var inspectionMark = func() (mark [8]byte) {
	binary.NativeEndian.PutUint64(mark[:], rand.Uint64())
	return mark
}()

// ownQuestion reports whether r is a question of an inspection that the plugins
// below have sent back to us: a forwarder whose upstream is this server. It would
// go round until the server is out of descriptors, though no client has asked.
func ownQuestion(r *dns.Msg) bool {
	o := r.IsEdns0()
	return o != nil && slices.ContainsFunc(o.Option, func(o dns.EDNS0) bool {
		local, ok := o.(*dns.EDNS0_LOCAL)
		return ok && local.Code == inspectionCode && string(local.Data) == string(inspectionMark[:])
	})
}

// An inspection asks the plugins below, when the server has started, whether
// they sign the zones that pools are in. There the pools' addresses need
// signatures too: without them every resolver that validates takes them for
// forged, and its users get SERVFAIL.
type inspection struct {
	handler *RRHealth
	cancel  context.CancelFunc
	done    chan struct{}
	warned  map[bundleZone]bool
}

type bundleZone struct {
	bundle *live.Stanza
	zone   string
}

// inspect starts the inspection of each handler that has had none.
func (l *lifecycle) inspect() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for h := range l.handlers {
		if h.inspection == nil && len(h.pools) > 0 && h.Next != nil {
			ctx, cancel := context.WithCancel(context.Background())
			h.inspection = &inspection{handler: h, cancel: cancel, done: make(chan struct{}), warned: make(map[bundleZone]bool)}
			go h.inspection.run(ctx)
		}
	}
}

// cancelInspections has the inspections of all handlers of i end. l.mu is held.
// They are stopped one by one, and each may wait for a silent upstream: those of
// a hundred server blocks together wait no longer than one.
func (l *lifecycle) cancelInspections(i *instance) {
	for h := range l.handlers {
		if h.inspection != nil && h.instance == i {
			h.inspection.cancel()
		}
	}
}

// stop ends the inspection. It waits for the question that is being asked, a
// second at the most: a forwarder's silent upstream must not keep the server from
// stopping. What is left behind ends with the question and touches nothing.
func (i *inspection) stop() {
	if i == nil {
		return
	}
	i.cancel()
	select {
	case <-i.done:
	case <-time.After(time.Second):
	}
}

func (i *inspection) run(ctx context.Context) {
	defer close(i.done)
	wait := time.Second
	for range inspections {
		if i.all(ctx) {
			return
		}
		again := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			again.Stop()
			return
		case <-again.C:
			wait *= 2
		}
	}
}

// all looks at the zones of all pools and logs a warning for each stanza and
// zone. It reports whether every question was answered.
func (i *inspection) all(ctx context.Context) (complete bool) {
	zones := make(map[string]foundZone) // by the parent of a name in it
	questions := 0
	complete = true
	for _, b := range i.handler.block.Stanzas {
		bogus := make(map[string][]string)
		for _, p := range b.Pools {
			name := strings.TrimPrefix(p.Name, "*.")
			parent := parentOf(name)
			zone, ok := zones[parent]
			if !ok || !dns.IsSubDomain(zone.name, parent) { // else it holds the name, too
				if questions++; questions > questionsAtMost || ctx.Err() != nil {
					break
				}
				zone = i.zoneOf(ctx, name)
				zones[parent] = zone
				complete = complete && zone.name != ""
			}
			if zone.foreign {
				bogus[zone.name] = append(bogus[zone.name], p.Name)
			}
		}
		i.warn(b, bogus)
	}
	return complete
}

// warn logs once for each zone in which names of b are.
func (i *inspection) warn(b *live.Stanza, bogus map[string][]string) {
	for zone, names := range bogus {
		if i.warned[bundleZone{b, zone}] {
			continue
		}
		i.warned[bundleZone{b, zone}] = true
		why := "the server block has no dnssec"
		if i.handler.signer != nil {
			why = "not by the key that dnssec in the server block has for it"
		}
		log.Warningf("answers of pool %s will be bogus for validating resolvers: zone %s is signed below rrhealth and %s", firstOf(names), zone, why)
	}
}

// A foundZone is a zone that the plugins below answer for.
type foundZone struct {
	name    string // "" if they did not say
	foreign bool   // is signed, by a key that the signer does not have
}

// zoneOf asks the plugins below for the zone of name. A panic of one of them
// would end the server, as nothing else stands around this goroutine.
func (i *inspection) zoneOf(ctx context.Context, name string) (zone foundZone) {
	defer func() {
		if p := recover(); p != nil {
			log.Warningf("asking for the zone of %s: the plugin below panicked: %s", name, panicText(p))
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	r := new(dns.Msg)
	r.SetQuestion(name, dns.TypeSOA)
	r.SetEdns0(dns.DefaultMsgSize, true)
	r.IsEdns0().Option = []dns.EDNS0{&dns.EDNS0_LOCAL{Code: inspectionCode, Data: inspectionMark[:]}}
	c := &capture{ResponseWriter: inward{}}
	rcode, err := plugin.NextOrFailure(i.handler.Name(), i.handler.Next, ctx, c, r)
	if c.msg != nil {
		rcode = c.msg.Rcode
	}
	switch {
	case nothingBelow(rcode, err):
		return foundZone{name: name}
	case c.msg == nil || rcode != dns.RcodeSuccess && rcode != dns.RcodeNameError:
		return foundZone{}
	}
	return i.zoneIn(c.msg, name)
}

// zoneIn returns the zone of name as the answer m to the question about its SOA
// shows it.
func (i *inspection) zoneIn(m *dns.Msg, name string) foundZone {
	zone := foundZone{name: name} // a referral, perhaps: it says nothing of other names
	for _, rr := range slices.Concat(m.Answer, m.Ns) {
		switch rr := rr.(type) {
		case *dns.SOA:
			if dns.IsSubDomain(rr.Hdr.Name, name) {
				zone.name = strings.ToLower(rr.Hdr.Name)
			}
		case *dns.RRSIG:
			// What stands beside a referral is signed by the zone above.
			about := rr.TypeCovered == dns.TypeSOA || strings.EqualFold(rr.Hdr.Name, name) && len(m.Answer) > 0
			if about && dns.IsSubDomain(rr.SignerName, name) {
				ours := i.handler.signer.set([]dns.RR{reply.SOA(name, reply.NegativeTTL)}, "")
				return foundZone{name: strings.ToLower(rr.SignerName), foreign: !reply.SameKey(rr, ours)}
			}
		}
	}
	return zone
}

// parentOf returns name without its first label.
func parentOf(name string) string {
	off, end := dns.NextLabel(name, 0)
	if end {
		return "."
	}
	return name[off:]
}

// inward is the writer of a query that comes from ourselves.
type inward struct{}

func (inward) LocalAddr() net.Addr         { return &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 53} }
func (inward) RemoteAddr() net.Addr        { return &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)} }
func (inward) WriteMsg(*dns.Msg) error     { return nil }
func (inward) Write(b []byte) (int, error) { return len(b), nil }
func (inward) Close() error                { return nil }
func (inward) TsigStatus() error           { return nil }
func (inward) TsigTimersOnly(bool)         {}
func (inward) Hijack()                     {}

var _ dns.ResponseWriter = inward{}

// firstOf returns the first of words and how many more there are.
func firstOf(words []string) string {
	if more := len(words) - 1; more > 0 {
		return fmt.Sprintf("%s and %d more", words[0], more)
	}
	return words[0]
}
