package rrhealth

import (
	"strings"

	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/plugin/pool"
	"github.com/rrhealth/rrhealth/plugin/reply"
)

// A pool's name is the pool's wherever it stands in an answer from below: at the
// end of a chain of aliases, in the additional section, as the target of hints.
// What a zone file or a cache has for it there may be down, and resolvers keep
// what they are given beside an answer.

// poolOf returns the pool to which name belongs, or nil.
func (w *filterWriter) poolOf(name string) *served {
	if !w.pools || name == w.foreign {
		return nil
	}
	return w.handler.poolOf(name)
}

// concerned reports whether rrs have an address, or a hint, of a pool's name.
// Most answers have none, so it costs a comparison for each address.
func (w *filterWriter) concerned(rrs []dns.RR) bool {
	if !w.pools {
		return false
	}
	latest := ""
	for _, rr := range rrs {
		if rr == nil {
			continue
		}
		h := rr.Header()
		name := h.Name
		switch h.Rrtype {
		case dns.TypeA, dns.TypeAAAA:
		case dns.TypeHTTPS, dns.TypeSVCB:
			if w.own != nil {
				return true
			}
			name = targetOf(rr)
		default:
			continue
		}
		if name != latest && w.poolOf(name) != nil {
			return true
		}
		latest = name
	}
	return false
}

// turn returns where the rotation stands of addresses that come along with the
// answer, as owner's of the type given, and moves it on.
func (w *filterWriter) turn(owner string, rrtype uint16) uint64 {
	if w.nested {
		return nestedTurn(owner, rrtype)
	}
	return turns.next(owner, rrtype)
}

// keepIfSigned keeps the records of the ith set of s, the addresses that p answers
// first, where the signatures of records, which would be answered instead, would
// not be by the key that signed the set. Else it returns those signatures.
func (w *filterWriter) keepIfSigned(s *part, i int, p *served, f pool.Family, records []dns.RR) (sigs []dns.RR, kept bool) {
	sigs, ok := w.resign(&s.Section, i, records)
	if ok {
		return sigs, false
	}
	snapshot := p.Snapshot()
	var up, rest []int32
	for _, place := range s.At(i) {
		if snapshot.Chosen(f, reply.Addr(s.RRs[place])) {
			up = append(up, place)
		} else {
			rest = append(rest, place)
		}
	}
	p.CountSigned(len(rest))
	w.keep(s, i, s.Store(append(up, rest...)...), min(snapshot.TTL, s.Sets[i].Low))
	return nil, true
}

// signed returns records with the signatures that the client asks for.
func (w *filterWriter) signed(records []dns.RR) []dns.RR {
	if !w.dnssec {
		return records
	}
	return append(records, w.handler.signer.set(records, serverOf(w.ctx))...)
}

// applyPool makes the ith set of s, whose owner is a pool's name, what the pool
// answers. Where that is no address, the set is left out: clients that need it ask.
func (w *filterWriter) applyPool(s *part, i int) {
	p, owner, rrtype := s.findings[i].pool, s.Owner(i), s.Sets[i].Type
	snapshot := p.Snapshot()
	f, _ := familyOf(rrtype)
	var records []dns.RR
	if members := snapshot.Choices[f].Members; len(members) > 0 {
		order := p.Aside(nil, snapshot, f, w.bystander(p), w.turn(owner, rrtype))
		records = reply.Records(owner, snapshot.TTL, members, order)
		sigs, kept := w.keepIfSigned(s, i, p, f, records)
		if kept {
			return
		}
		records = append(records, sigs...)
	}
	s.Replace(i, reply.Edit{Then: s.Hold(records), Withdrawn: true})
}

// bystander returns the client for whom the addresses of p come along with an
// answer about something else: the sender of the query, not the network that a
// resolver names, since what comes along is for all networks (RFC 7871, section
// 7.3.1).
func (w *filterWriter) bystander(p *served) pool.Client {
	return p.client(w.ctx, w.ResponseWriter, nil)
}

// unemptied returns out, which was made of m, or a denial where out has lost all
// that it answered.
func (w *filterWriter) unemptied(out, m *dns.Msg) *dns.Msg {
	if len(out.Answer) > 0 || len(m.Answer) == 0 {
		return out
	}
	name := m.Question[0].Name
	zone := w.handler.zoneOf(strings.ToLower(name))
	if zone == "" {
		zone = name // a plugin below answers another question
	}
	return w.handler.noData(w.ctx, w.questionFor(name), zone)
}

// lookForPools makes w look for the names of pools in the answer to a question
// for a name of the pool own, or of none.
func (w *filterWriter) lookForPools(own *served) {
	w.pools, w.own, w.nested = true, own, w.handler.nested(w.ctx)
	if own == nil {
		w.foreign = w.request.Question[0].Name
	}
}
