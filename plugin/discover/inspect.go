package discover

import (
	"context"
	"encoding/binary"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"
)

const (
	// mostQuestions bounds what one look at all zones asks: the plugins below may
	// forward to a server that others use too.
	mostQuestions = 100
	// mostLooks is how often an Inspection looks while answers are missing (zones
	// that are still fetched), after waits that double from one second.
	mostLooks = 6
	// answerWithin bounds one question.
	answerWithin = 5 * time.Second
	// cancelWithin bounds how long Stop waits for the question being asked.
	cancelWithin = time.Second
)

// InspectConfig is what an Inspection needs.
type InspectConfig struct {
	// Pools has the names of each stanza's pools. They may start with "*.".
	Pools []iter.Seq[string]
	// Below asks the plugins below. It returns false if it got no usable answer,
	// and no message if no plugin below has the name.
	Below func(ctx context.Context, r *dns.Msg) (m *dns.Msg, ok bool)
	// Ours reports whether we have the key of sig, for the zone of name.
	Ours func(name string, sig *dns.RRSIG) bool
	// Foreign is called for each stanza and zone, once, with the names of the
	// stanza in that zone, which is signed by a key that is not ours.
	Foreign func(zone string, names []string)
	// Warn logs a warning.
	Warn func(format string, args ...any)
}

// An Inspection asks the plugins below whether they sign the zones that pools are
// in. Resolvers that validate take a pool's unsigned answer in a signed zone for
// forged, and their users get SERVFAIL.
type Inspection struct {
	InspectConfig
	cancel   context.CancelFunc
	done     chan struct{}
	reported map[stanzaZone]bool
}

type stanzaZone struct {
	stanza int
	zone   string
}

// Inspect starts an Inspection.
func Inspect(c InspectConfig) *Inspection {
	ctx, cancel := context.WithCancel(context.Background())
	i := &Inspection{InspectConfig: c, cancel: cancel, done: make(chan struct{}), reported: make(map[stanzaZone]bool)}
	go i.run(ctx)
	return i
}

// Done returns a channel that is closed when the Inspection is over.
func (i *Inspection) Done() <-chan struct{} { return i.done }

// Cancel has the Inspection end, and does not wait. Before several are stopped,
// cancel all of them: together they wait no longer than one.
func (i *Inspection) Cancel() { i.cancel() }

// Stop ends the Inspection. It waits for the question that is being asked, a
// second at most: a forwarder's silent upstream must not keep the server from
// stopping. An Inspection that is left behind ends with the question, and reports
// nothing.
func (i *Inspection) Stop() {
	i.cancel()
	select {
	case <-i.done:
	case <-time.After(cancelWithin):
	}
}

func (i *Inspection) run(ctx context.Context) {
	defer close(i.done)
	wait := time.Second
	for range mostLooks {
		if i.look(ctx) {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
			wait *= 2
		}
	}
}

// A zone is one that the plugins below have.
type zone struct {
	name    string // "" without an answer
	foreign bool   // is signed, by a key that is not ours
}

// look asks for the zones of all pools, and reports whether every question was
// answered. It asks once for each parent of names.
func (i *Inspection) look(ctx context.Context) (complete bool) {
	zones := make(map[string]zone) // by the parent of a name in it
	questions := 0
	complete = true
	for stanza, names := range i.Pools {
		foreign := make(map[string][]string)
		for pool := range names {
			name := strings.TrimPrefix(pool, "*.")
			parent := parentOf(name)
			z, ok := zones[parent]
			// A zone at or above the parent has this name, too. Without an answer for
			// the parent ("" is above all names) it is not asked again in this look.
			if !ok || !dns.IsSubDomain(z.name, parent) {
				if questions++; questions > mostQuestions || ctx.Err() != nil {
					break
				}
				z = i.zoneOf(ctx, name)
				zones[parent] = z
				complete = complete && z.name != ""
			}
			if z.foreign {
				foreign[z.name] = append(foreign[z.name], pool)
			}
		}
		if ctx.Err() == nil {
			i.report(stanza, foreign)
		}
	}
	return complete
}

// report passes on which names of a stanza are in which foreign zones, once.
func (i *Inspection) report(stanza int, foreign map[string][]string) {
	for zone, names := range foreign {
		if at := (stanzaZone{stanza, zone}); !i.reported[at] {
			i.reported[at] = true
			i.Foreign(zone, names)
		}
	}
}

// zoneOf asks the plugins below for the zone of name. A panic of a plugin, which
// would end the server, is no answer.
func (i *Inspection) zoneOf(ctx context.Context, name string) (found zone) {
	defer func() {
		if p := recover(); p != nil {
			i.Warn("asking for the zone of %s: the plugin below panicked: %s", name, panicText(p))
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	m, ok := i.Below(ctx, question(name))
	switch {
	case !ok:
		return zone{}
	case m == nil:
		return zone{name: name}
	}
	return i.zoneIn(m, name)
}

// zoneIn returns the zone of name, as m shows it, the answer to the question for
// its SOA.
func (i *Inspection) zoneIn(m *dns.Msg, name string) zone {
	found := zone{name: name} // with a referral, perhaps: it shows nothing of other names
	for _, rr := range slices.Concat(m.Answer, m.Ns) {
		switch rr := rr.(type) {
		case *dns.SOA:
			if dns.IsSubDomain(rr.Hdr.Name, name) {
				found.name = strings.ToLower(rr.Hdr.Name)
			}
		case *dns.RRSIG:
			// Signatures beside a referral are those of the zone above.
			about := rr.TypeCovered == dns.TypeSOA || strings.EqualFold(rr.Hdr.Name, name) && len(m.Answer) > 0
			if about && dns.IsSubDomain(rr.SignerName, name) {
				return zone{name: strings.ToLower(rr.SignerName), foreign: !i.Ours(name, rr)}
			}
		}
	}
	return found
}

// parentOf returns name without its first label.
func parentOf(name string) string {
	off, end := dns.NextLabel(name, 0)
	if end {
		return "."
	}
	return name[off:]
}

// markCode is the code of the EDNS option that marks questions, one of those for
// local use (RFC 6891, section 9).
const markCode = 65001

// mark distinguishes the questions of this process from those of others.
var mark = func() (mark [8]byte) {
	binary.NativeEndian.PutUint64(mark[:], rand.Uint64())
	return mark
}()

// question returns the marked question for the SOA of name, with signatures.
func question(name string) *dns.Msg {
	r := new(dns.Msg)
	r.SetQuestion(name, dns.TypeSOA)
	r.SetEdns0(dns.DefaultMsgSize, true)
	r.IsEdns0().Option = []dns.EDNS0{&dns.EDNS0_LOCAL{Code: markCode, Data: mark[:]}}
	return r
}

// OwnQuestion reports whether r is a question of an Inspection of this process
// that has come back: from a forwarder whose upstream is this server. It must be
// refused, or it would go round until the server is out of descriptors, though no
// client has asked.
func OwnQuestion(r *dns.Msg) bool {
	o := r.IsEdns0()
	return o != nil && slices.ContainsFunc(o.Option, func(o dns.EDNS0) bool {
		local, ok := o.(*dns.EDNS0_LOCAL)
		return ok && local.Code == markCode && string(local.Data) == string(mark[:])
	})
}
