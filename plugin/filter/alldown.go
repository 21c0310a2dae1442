package filter

import (
	"slices"

	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/plugin/pool"
	"github.com/rrhealth/rrhealth/plugin/reply"
)

// replace returns the reply to a question for the i-th set of m, which is all
// down, or nil for no reply. It reports false if the set is answered all the
// same: all_down says so, or what all_down asks for cannot be had.
func (j *Judge) replace(m *dns.Msg, i int) (*dns.Msg, bool) {
	f, rrtype := &j.answer.findings[i], j.answer.Sets[i].Type
	outcome := f.outcome
	if targetType(rrtype) {
		if outcome == pool.ServedFallback {
			return nil, false // addresses, which are no records of this type
		}
	} else if j.otherFamilyUp(i) {
		outcome = pool.NoData // so that clients use the other family
	}
	var out *dns.Msg
	switch outcome {
	case pool.Servfail:
		out = j.failure(rrtype, dns.RcodeServerFailure)
	case pool.Refused:
		out = j.failure(rrtype, dns.RcodeRefused)
	case pool.Dropped:
	case pool.NoData:
		out = j.empty(m, i)
	case pool.ServedFallback:
		out = j.fallback(m, i)
	default:
		return nil, false
	}
	if out == nil && outcome != pool.Dropped {
		return nil, false
	}
	f.by.Counts.Filtered.Add(uint64(f.down), uint64(f.downTargets))
	return out, true
}

// otherFamilyUp reports whether the owner of the i-th set has addresses of the
// other family that are not down. Only the plugins below know them.
func (j *Judge) otherFamilyUp(i int) bool {
	by, other := j.answer.findings[i].by, dns.TypeA+dns.TypeAAAA-j.answer.Sets[i].Type
	m := j.Server.Lookup(j.answer.Owner(i), other)
	if m == nil || m.Rcode != dns.RcodeSuccess {
		return false
	}
	return slices.ContainsFunc(m.Answer, func(rr dns.RR) bool {
		return rr != nil && rr.Header().Rrtype == other && !by.condition(reply.Addr(rr)).down
	})
}

// empty returns m without the i-th set and with a proof that there is no such set.
// It returns nil if the proof cannot be had: the zone's SOA cannot (resolvers keep
// an empty answer without one for a time of their own), or another key has signed
// the set.
func (j *Judge) empty(m *dns.Msg, i int) *dns.Msg {
	set, owner := &j.answer.Sets[i], j.answer.Owner(i)
	start := j.startOfAuthority(owner)
	if start == nil {
		return nil
	}
	start.Hdr.Ttl = min(start.Hdr.Ttl, start.Minttl, j.answer.findings[i].ttl, reply.NegativeTTL)
	out := *m
	out.Ns = []dns.RR{start}
	if set.Signed() && j.DNSSEC {
		out.Ns = j.Server.Deny(owner, set.Type, start)
		if !j.answer.SignedBy(i, out.Ns) {
			return nil
		}
	}
	return j.without(&out, i, nil)
}

// startOfAuthority returns a copy of the SOA of the zone that name is in, by
// the answer of the plugins below, or nil.
func (j *Judge) startOfAuthority(name string) *dns.SOA {
	m := j.Server.Lookup(name, dns.TypeSOA)
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

// fallback returns m with the filter's fallback addresses instead of the i-th
// set, or nil if another key has signed the set.
func (j *Judge) fallback(m *dns.Msg, i int) *dns.Msg {
	f := &j.answer.findings[i]
	records := fallbackRecords(f.by, j.answer.Owner(i), j.answer.Sets[i].Type, f.ttl)
	if records == nil {
		return j.empty(m, i) // the fallback is of the other family
	}
	sigs, ok := j.resign(&j.answer.Section, i, records)
	if !ok {
		return nil
	}
	out := *m
	return j.explained(j.without(&out, i, append(records, sigs...)), "all addresses of this name and type are down: the fallback is answered")
}

// fallbackRecords returns f's fallback addresses as records of owner and type,
// or nil if none is of the type.
func fallbackRecords(f *Filter, owner string, rrtype uint16, ttl uint32) (records []dns.RR) {
	for _, addr := range f.Fallback {
		if family, ok := reply.FamilyOf(rrtype); ok && family == pool.FamilyOf(addr) {
			records = append(records, reply.Record(owner, ttl, addr))
		}
	}
	return records
}

// without makes the answer section of m the one that was judged, with records
// instead of the i-th set. The additional section goes: it is about that set.
func (j *Judge) without(m *dns.Msg, i int, records []dns.RR) *dns.Msg {
	j.answer.Replace(i, reply.Edit{Then: j.answer.Hold(records)})
	m.Answer = j.answer.Append(make([]dns.RR, 0, j.answer.Size()))
	m.AuthenticatedData = false
	m.Extra = options(m.Extra)
	return m
}

// failure answers with rcode because all records of the type are down.
func (j *Judge) failure(rrtype uint16, rcode int) *dns.Msg {
	m := reply.Failure(j.Request, rcode)
	reply.Explain(m, j.Request, whyAllDown(rrtype))
	return m
}

// explained returns a copy of m with the extended error why, if the client uses
// EDNS.
func (j *Judge) explained(m *dns.Msg, why string) *dns.Msg {
	if j.Request.IsEdns0() == nil {
		return m
	}
	out := *m
	reply.OwnExtra(&out)
	reply.Explain(&out, j.Request, why)
	return &out
}
