package rrhealth

import (
	"slices"

	"github.com/coredns/coredns/plugin"
	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/plugin/pool"
	"github.com/rrhealth/rrhealth/plugin/reply"
)

// replace returns what is answered instead of m, whose i-th set is asked for
// and is all down: nil for no answer at all. It reports false where the set is
// to be answered all the same, because the filter says so or because what it
// says cannot be had.
func (w *filterWriter) replace(m *dns.Msg, i int) (*dns.Msg, bool) {
	f, rrtype := &w.answer.findings[i], w.answer.Sets[i].Type
	outcome := f.outcome
	if targetType(rrtype) {
		if outcome == pool.ServedFallback {
			return nil, false // addresses, which are no records of this type
		}
	} else if w.otherFamilyUp(i) {
		outcome = pool.NoData // so that clients use the other family
	}
	var out *dns.Msg
	switch outcome {
	case pool.Servfail:
		out = w.failure(rrtype, dns.RcodeServerFailure)
	case pool.Refused:
		out = w.failure(rrtype, dns.RcodeRefused)
	case pool.Dropped:
	case pool.NoData:
		out = w.empty(m, i)
	case pool.ServedFallback:
		out = w.fallback(m, i)
	default:
		return nil, false
	}
	if out == nil && outcome != pool.Dropped {
		return nil, false
	}
	f.by.counts.filtered.add(uint64(f.down), uint64(f.downTargets))
	return out, true
}

// otherFamilyUp reports whether the owner of the i-th set has addresses of the
// other family that are not down. Only the plugins below know them.
func (w *filterWriter) otherFamilyUp(i int) bool {
	by, other := w.answer.findings[i].by, dns.TypeA+dns.TypeAAAA-w.answer.Sets[i].Type
	m := w.lookup(w.answer.Owner(i), other)
	if m == nil || m.Rcode != dns.RcodeSuccess {
		return false
	}
	return slices.ContainsFunc(m.Answer, func(rr dns.RR) bool {
		return rr != nil && rr.Header().Rrtype == other && !w.handler.health(by, reply.Addr(rr)).down
	})
}

// lookup asks the plugins below for name and qtype, as the client would. It
// returns nil when there is no answer.
func (w *filterWriter) lookup(name string, qtype uint16) *dns.Msg {
	r := &dns.Msg{
		MsgHdr:   w.request.MsgHdr,
		Question: []dns.Question{{Name: name, Qtype: qtype, Qclass: dns.ClassINET}},
	}
	if o := w.request.IsEdns0(); o != nil {
		r.Extra = []dns.RR{dns.Copy(o)}
	}
	c := &capture{ResponseWriter: w.ResponseWriter}
	_, _ = plugin.NextOrFailure(w.handler.Name(), w.handler.Next, w.ctx, c, r)
	return c.msg
}

// A capture keeps the message that is written.
type capture struct {
	dns.ResponseWriter
	msg *dns.Msg
}

// WriteMsg implements dns.ResponseWriter.
func (c *capture) WriteMsg(m *dns.Msg) error {
	c.msg = m
	return nil
}

// Write implements dns.ResponseWriter. What it is given is not for the client.
func (c *capture) Write(b []byte) (int, error) { return len(b), nil }

// empty returns m without the i-th set and with a proof that there is no such
// set, or nil where that cannot be had: where the zone's SOA cannot (an empty
// answer without one is cached for who knows how long), or where somebody else
// has signed the set.
func (w *filterWriter) empty(m *dns.Msg, i int) *dns.Msg {
	set, owner := &w.answer.Sets[i], w.answer.Owner(i)
	start := w.startOfAuthority(owner)
	if start == nil {
		return nil
	}
	start.Hdr.Ttl = min(start.Hdr.Ttl, start.Minttl, w.answer.findings[i].ttl, reply.NegativeTTL)
	out := *m
	out.Ns = []dns.RR{start}
	if set.Signed() && w.dnssec {
		out.Ns = w.handler.signer.denial(owner, set.Type, start, true, serverOf(w.ctx))
		if !w.answer.SignedBy(i, out.Ns) {
			return nil
		}
	}
	return w.without(&out, i, nil)
}

// startOfAuthority returns a copy of the SOA of the zone that name is in, as
// the plugins below tell it, or nil.
func (w *filterWriter) startOfAuthority(name string) *dns.SOA {
	m := w.lookup(name, dns.TypeSOA)
	if m == nil {
		return nil
	}
	for _, rrs := range [...][]dns.RR{m.Answer, m.Ns} {
		for _, rr := range rrs {
			if start, ok := rr.(*dns.SOA); ok && dns.IsSubDomain(start.Hdr.Name, name) {
				return dns.Copy(start).(*dns.SOA)
			}
		}
	}
	return nil
}

// fallback returns m with the filter's own addresses instead of the i-th set,
// or nil where that cannot be had.
func (w *filterWriter) fallback(m *dns.Msg, i int) *dns.Msg {
	f := &w.answer.findings[i]
	records := fallbackRecords(f.by, w.answer.Owner(i), w.answer.Sets[i].Type, f.ttl)
	if records == nil {
		return w.empty(m, i) // the fallback is of the other family
	}
	sigs, ok := w.resign(&w.answer.Section, i, records)
	if !ok {
		return nil
	}
	out := *m
	return w.explained(w.without(&out, i, append(records, sigs...)), "all addresses of this name and type are down: answered the fallback")
}

// fallbackRecords returns f's own addresses as records of owner and type, or nil
// where there is none of the type.
func fallbackRecords(f *filter, owner string, rrtype uint16, ttl uint32) (records []dns.RR) {
	for _, addr := range f.Fallback {
		if family, ok := familyOf(rrtype); ok && family == pool.FamilyOf(addr) {
			records = append(records, reply.Record(owner, ttl, addr))
		}
	}
	return records
}

// without makes the answer section of m the one it was, without the i-th set
// and with records in its place. What stood beside it is about that set.
func (w *filterWriter) without(m *dns.Msg, i int, records []dns.RR) *dns.Msg {
	w.answer.Replace(i, reply.Edit{Then: w.answer.Hold(records)})
	m.Answer = w.answer.Append(make([]dns.RR, 0, w.answer.Size()))
	m.AuthenticatedData = false
	var extra []dns.RR
	for _, rr := range m.Extra {
		if opt, ok := rr.(*dns.OPT); ok {
			extra = append(extra, opt)
		}
	}
	m.Extra = extra
	return m
}

// failure answers with rcode because all records of the type are down.
func (w *filterWriter) failure(rrtype uint16, rcode int) *dns.Msg {
	m := reply.Failure(w.request, rcode)
	reply.Explain(m, w.request, whyAllDown(rrtype))
	return m
}

// explained returns a copy of m with the extended error why, if the client uses
// EDNS.
func (w *filterWriter) explained(m *dns.Msg, why string) *dns.Msg {
	if w.request.IsEdns0() == nil {
		return m
	}
	out := *m
	reply.OwnExtra(&out)
	reply.Explain(&out, w.request, why)
	return &out
}
