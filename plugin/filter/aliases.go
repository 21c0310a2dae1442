package filter

import (
	"iter"
	"slices"

	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/plugin/live"
	"github.com/rrhealth/rrhealth/plugin/pool"
	"github.com/rrhealth/rrhealth/plugin/reply"
)

// maxAliases is how many aliases are followed at the most. The file plugin stops
// after nine.
const maxAliases = 16

// leadsTo returns the first pool's name to which the aliases in m lead, and the
// pool. It reports false if they lead to none, or if m is about other types
// than addresses: of these, a pool only knows that the name exists.
func (q *Query) leadsTo(m *dns.Msg) (name string, p *live.Pool, ok bool) {
	if len(q.Rules.Pools) == 0 || m == nil || !m.Response || m.Truncated || len(m.Question) != 1 || len(m.Answer) == 0 {
		return "", nil, false
	}
	if _, ok := reply.FamilyOf(m.Question[0].Qtype); !ok && m.Rcode != dns.RcodeNameError {
		return "", nil, false
	}
	for alias := range followed(m) {
		if p := q.poolOf(alias.Target); p != nil {
			return alias.Target, p, true
		}
	}
	return "", nil, false
}

// followed yields the aliases in m that lead on from the name asked for. They
// may stand in any order, but of many only the first are looked at.
func followed(m *dns.Msg) iter.Seq[*dns.CNAME] {
	return func(yield func(*dns.CNAME) bool) {
		var room [maxAliases]*dns.CNAME
		all := room[:0]
		for _, rr := range m.Answer {
			if alias, ok := rr.(*dns.CNAME); ok && len(all) < maxAliases {
				all = append(all, alias)
			}
		}
		name := m.Question[0].Name
		for range all {
			i := slices.IndexFunc(all, func(alias *dns.CNAME) bool { return reply.SameName(alias.Hdr.Name, name) })
			if i < 0 || !yield(all[i]) {
				return
			}
			name = all[i].Target
		}
	}
}

// aliases returns the records in m that lead from the name asked for to end.
func aliases(m *dns.Msg, end string) []dns.RR {
	var passed []string
	for alias := range followed(m) {
		if passed = append(passed, alias.Hdr.Name); alias.Target == end {
			break
		}
	}
	leads := func(rr dns.RR) bool {
		if rr == nil {
			return false
		}
		rrtype := rr.Header().Rrtype
		if sig, ok := rr.(*dns.RRSIG); ok {
			rrtype = sig.TypeCovered
		}
		return slices.ContainsFunc(passed, func(name string) bool {
			switch rrtype {
			case dns.TypeCNAME:
				return reply.SameName(rr.Header().Name, name)
			case dns.TypeDNAME:
				return dns.IsSubDomain(rr.Header().Name, name)
			}
			return false
		})
	}
	var all []dns.RR
	for _, rr := range m.Answer {
		if leads(rr) {
			all = append(all, rr)
		}
	}
	return all
}

// ledToPool returns the reply instead of m, whose aliases lead to the name of a
// pool: the pool's answer behind the aliases, or nil for no reply. It reports
// false if they lead to no pool.
func (j *Judge) ledToPool(m *dns.Msg) (out *dns.Msg, ok bool) {
	name, p, ok := j.leadsTo(m)
	if !ok {
		return nil, false
	}
	if f, ok := reply.FamilyOf(m.Question[0].Qtype); ok {
		return j.answerOf(m, name, p, f), true
	}
	return reply.Exists(m, p.Zone), true
}

// answerOf returns m with p's answer for one family. name is the owner of its
// addresses in m.
func (j *Judge) answerOf(m *dns.Msg, name string, p *live.Pool, f pool.Family) *dns.Msg {
	s := p.Snapshot()
	choice := &s.Choices[f]
	if !j.Nested && !j.Asked {
		p.CountAnswer(choice.Outcome)
		if s.Judged != nil {
			p.CountDryRun(s, f)
		}
	}
	ecs := j.subnet()
	var out *dns.Msg
	switch choice.Outcome {
	case pool.Dropped:
		return nil
	case pool.Servfail:
		out = reply.Failure(j.Request, dns.RcodeServerFailure)
	case pool.Refused:
		out = reply.Failure(j.Request, dns.RcodeRefused)
	case pool.NoData:
		if out = j.keepSigned(m, name, p, s); out == nil {
			out = j.behindAliases(m, name, nil)
			out.Ns = j.Server.NoData(j.questionFor(name), p.Zone, NegativeTTL(p, s, f)).Ns
		}
	default:
		if out = j.keepSigned(m, name, p, s); out == nil {
			out = j.behindAliases(m, name, j.signed(reply.Records(name, s.TTL, choice.Members, j.order(p, s, f, ecs))))
		}
	}
	reply.OwnExtra(out)
	scope := reply.TakeSubnet(out)
	Explain(p, out, j.Request, choice.Outcome, f)
	reply.EchoSubnet(out, j.Request, ecs, max(scope, Scope(p, choice, ecs)))
	return out
}

// order orders the members that s has chosen of one family, for the client of
// the query.
func (j *Judge) order(p *live.Pool, s *pool.Snapshot, f pool.Family, ecs *dns.EDNS0_SUBNET) []int {
	client := j.Server.Client(p, ecs)
	switch {
	case j.Asked:
		return p.Peek(nil, s, f, client)
	case j.Nested:
		return p.Aside(nil, s, f, client, NestedTurn(p.Name, j.Request.Question[0].Qtype))
	}
	return p.Order(nil, s, f, client)
}

// subnet returns the client subnet option of the query, or nil if it has none
// that is well-formed.
func (j *Judge) subnet() *dns.EDNS0_SUBNET {
	if ecs, ok := reply.Subnet(j.Request); ok {
		return ecs
	}
	return nil
}

// questionFor returns the query with name instead of the name asked for.
func (j *Judge) questionFor(name string) *dns.Msg {
	r := *j.Request
	r.Question = slices.Clone(r.Question)
	r.Question[0].Name = name
	if o := r.IsEdns0(); o != nil {
		o = dns.Copy(o).(*dns.OPT)
		o.SetDo(j.DNSSEC) // the server may have cleared it by now
		r.Extra = []dns.RR{o}
	}
	return &r
}

// behindAliases returns m with the aliases that lead to end, and records behind
// them. The authority section stays if m has answered end as well, since it may
// prove that an alias is a wildcard's. Otherwise it denies end, or refers to
// servers that do not know the pool.
func (j *Judge) behindAliases(m *dns.Msg, end string, records []dns.RR) *dns.Msg {
	out := *m
	out.Rcode = dns.RcodeSuccess
	out.AuthenticatedData = false
	out.Answer = append(aliases(m, end), records...)
	if records == nil || m.Rcode != dns.RcodeSuccess || !answered(m, end) {
		out.Ns = nil
	}
	out.Extra = options(m.Extra)
	return &out
}

// answered reports whether m has a record of name and the type asked for.
func answered(m *dns.Msg, name string) bool {
	return slices.ContainsFunc(m.Answer, func(rr dns.RR) bool {
		return rr != nil && rr.Header().Rrtype == m.Question[0].Qtype && reply.SameName(rr.Header().Name, name)
	})
}

// keepSigned returns m with the addresses of name in another order and with
// another TTL, if the client asks for signatures and another key has signed the
// set: it would believe no other set. Else it returns nil.
func (j *Judge) keepSigned(m *dns.Msg, name string, p *live.Pool, s *pool.Snapshot) *dns.Msg {
	if !j.DNSSEC || !j.answer.group(m.Answer, addressType) {
		return nil
	}
	i := j.answer.Find(name, m.Question[0].Qtype)
	if i == reply.None {
		return nil
	}
	same := j.answer.AppendWithTTL(nil, j.answer.Sets[i].At, j.answer.Sets[i].Low)
	if _, kept := j.signOrKeep(&j.answer, i, p, s, same); !kept {
		return nil
	}
	out := *j.assemble(m)
	out.Extra = options(m.Extra) // whose addresses are not judged
	return &out
}
