package filter

import (
	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/plugin/live"
	"github.com/rrhealth/rrhealth/plugin/pool"
	"github.com/rrhealth/rrhealth/plugin/reply"
)

// A pool's name has the pool's addresses everywhere in an answer from below: at
// the end of a chain of aliases, in the additional section, as the target of
// hints. The addresses that a zone file or a cache has for it may be down, and
// resolvers keep the addresses beside an answer.

// poolOf returns the pool to which name belongs, or nil.
func (q *Query) poolOf(name string) *live.Pool {
	if len(q.Rules.Pools) == 0 || name == q.Foreign {
		return nil
	}
	return q.Rules.Pool(name)
}

// concerned reports whether rrs have an address, or a hint, of a pool's name.
// Most answers have none, so it costs a comparison for each address.
func (q *Query) concerned(rrs []dns.RR) bool {
	if len(q.Rules.Pools) == 0 {
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
			if q.Own != nil {
				return true
			}
			name = targetOf(rr)
		default:
			continue
		}
		if name != latest && q.poolOf(name) != nil {
			return true
		}
		latest = name
	}
	return false
}

// turn returns the step of the rotation for owner and type, addresses of which
// come along with the answer, and moves the rotation on.
func (j *Judge) turn(owner string, rrtype uint16) uint64 {
	if j.Nested && !j.Asked {
		return NestedTurn(owner, rrtype)
	}
	return j.step(owner, rrtype)
}

// step returns the step of the rotation for owner and type, and moves it on.
func (j *Judge) step(owner string, rrtype uint16) uint64 {
	if j.Asked {
		return turns.peek(owner, rrtype)
	}
	return turns.next(owner, rrtype)
}

// signOrKeep returns the signatures of records, which are to leave instead of the
// ith set of s, addresses of p's name. If another key has signed the set, it keeps
// the set instead, with the addresses that p answers in front, and reports kept.
func (j *Judge) signOrKeep(s *section, i int, p *live.Pool, snapshot *pool.Snapshot, records []dns.RR) (sigs []dns.RR, kept bool) {
	sigs, ok := j.resign(&s.Section, i, records)
	if ok {
		return sigs, false
	}
	f, _ := reply.FamilyOf(s.Sets[i].Type)
	var up, rest []int32
	for _, place := range s.At(i) {
		if snapshot.Chosen(f, reply.Addr(s.RRs[place])) {
			up = append(up, place)
		} else {
			rest = append(rest, place)
		}
	}
	j.countPoolSigned(p, len(rest))
	j.keep(s, i, s.Store(append(up, rest...)...), min(snapshot.TTL, s.Sets[i].Low))
	return nil, true
}

// signed returns records with the signatures that the client asks for.
func (j *Judge) signed(records []dns.RR) []dns.RR {
	if !j.DNSSEC {
		return records
	}
	return append(records, j.Server.Sign(records)...)
}

// applyPool replaces the ith set of s, whose owner is a pool's name, with what
// the pool answers. If that is no address, the set is left out: clients that
// need it ask.
func (j *Judge) applyPool(s *section, i int) {
	p, owner, rrtype := s.findings[i].pool, s.Owner(i), s.Sets[i].Type
	snapshot := p.Snapshot()
	f, _ := reply.FamilyOf(rrtype)
	var records []dns.RR
	if members := snapshot.Choices[f].Members; len(members) > 0 {
		order := p.Aside(nil, snapshot, f, j.bystander(p), j.turn(owner, rrtype))
		records = reply.Records(owner, snapshot.TTL, members, order)
		sigs, kept := j.signOrKeep(s, i, p, snapshot, records)
		if kept {
			return
		}
		records = append(records, sigs...)
	}
	s.Replace(i, reply.Edit{Then: s.Hold(records), Withdrawn: true})
}

// bystander returns the client for whom the addresses of p come along with an
// answer about something else: the sender of the query, not the network that a
// resolver names, since these addresses are for all networks (RFC 7871, section
// 7.3.1).
func (j *Judge) bystander(p *live.Pool) pool.Client {
	return j.Server.Client(p, nil)
}

// denialIfEmpty returns out, which was made of m, or a denial if out has lost all
// its answers.
func (j *Judge) denialIfEmpty(out, m *dns.Msg) *dns.Msg {
	if len(out.Answer) > 0 || len(m.Answer) == 0 {
		return out
	}
	return j.Server.NoData(j.questionFor(m.Question[0].Name), "", reply.NegativeTTL)
}
