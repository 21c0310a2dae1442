package rrhealth

import (
	"iter"
	"slices"

	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/plugin/pool"
	"github.com/rrhealth/rrhealth/plugin/reply"
)

// maxAliases is how many aliases are followed at the most. The file plugin stops
// after nine.
const maxAliases = 16

// leadsTo returns the first pool's name to which the aliases in m lead, and the
// pool. It reports false where they lead to none, or m is about other types than
// addresses: for these, all that a pool knows is that the name exists.
func (w *filterWriter) leadsTo(m *dns.Msg) (name string, p *served, ok bool) {
	if !w.pools || m == nil || !m.Response || m.Truncated || len(m.Question) != 1 || len(m.Answer) == 0 {
		return "", nil, false
	}
	if _, ok := familyOf(m.Question[0].Qtype); !ok && m.Rcode != dns.RcodeNameError {
		return "", nil, false
	}
	for alias := range followed(m) {
		if p := w.poolOf(alias.Target); p != nil {
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

// ledToPool returns what is answered instead of m, whose aliases lead to the name
// of a pool: what the pool answers, behind the aliases. It returns false where
// they do not, and nil for no answer at all.
func (w *filterWriter) ledToPool(m *dns.Msg) (out *dns.Msg, ok bool) {
	name, p, ok := w.leadsTo(m)
	if !ok {
		return nil, false
	}
	if f, ok := familyOf(m.Question[0].Qtype); ok {
		return w.answerOf(m, name, p, f), true
	}
	return reply.Exists(m, p.zone), true
}

// answerOf returns m with what p answers for its addresses of one family, as the
// owner of which it knows name.
func (w *filterWriter) answerOf(m *dns.Msg, name string, p *served, f pool.Family) *dns.Msg {
	s := p.Snapshot()
	choice := &s.Choices[f]
	if !w.nested {
		p.CountAnswer(choice.Outcome)
		if s.Judged != nil {
			p.CountDryRun(s, f)
		}
	}
	ecs := w.subnet()
	var out *dns.Msg
	switch choice.Outcome {
	case pool.Dropped:
		return nil
	case pool.Servfail:
		out = reply.Failure(w.request, dns.RcodeServerFailure)
	case pool.Refused:
		out = reply.Failure(w.request, dns.RcodeRefused)
	case pool.NoData:
		if out = w.keepSigned(m, name, p, f); out == nil {
			out = w.behindAliases(m, name, nil)
			out.Ns = w.handler.noAddress(w.ctx, w.questionFor(name), p, s, f).Ns
		}
	default:
		if out = w.keepSigned(m, name, p, f); out == nil {
			out = w.behindAliases(m, name, w.signed(reply.Records(name, s.TTL, choice.Members, w.order(p, s, f, ecs))))
		}
	}
	reply.OwnExtra(out)
	scope := reply.TakeSubnet(out)
	p.explain(out, w.request, choice.Outcome, f)
	reply.EchoSubnet(out, w.request, ecs, max(scope, p.scope(choice, ecs)))
	return out
}

// order orders what s has chosen of one family, for the client whose query is
// answered with it.
func (w *filterWriter) order(p *served, s *pool.Snapshot, f pool.Family, ecs *dns.EDNS0_SUBNET) []int {
	client := p.client(w.ctx, w.ResponseWriter, ecs)
	if w.nested {
		return p.Aside(nil, s, f, client, nestedTurn(p.Name, w.request.Question[0].Qtype))
	}
	return p.Order(nil, s, f, client)
}

// subnet returns the client subnet option of the query, or nil where it has reply.None
// that is well-formed.
func (w *filterWriter) subnet() *dns.EDNS0_SUBNET {
	if ecs, ok := reply.Subnet(w.request); ok {
		return ecs
	}
	return nil
}

// questionFor returns the query with name in the place of the one asked for.
func (w *filterWriter) questionFor(name string) *dns.Msg {
	r := *w.request
	r.Question = slices.Clone(r.Question)
	r.Question[0].Name = name
	if o := r.IsEdns0(); o != nil {
		o = dns.Copy(o).(*dns.OPT)
		o.SetDo(w.dnssec) // the server may have cleared it by now
		r.Extra = []dns.RR{o}
	}
	return &r
}

// behindAliases returns m with the aliases that lead to end, and records behind
// them. The authority section stays where m has answered end as well, since it
// may prove that an alias is a wildcard's: else it denies end, or refers to
// others who know nothing of the pool.
func (w *filterWriter) behindAliases(m *dns.Msg, end string, records []dns.RR) *dns.Msg {
	out := *m
	out.Rcode = dns.RcodeSuccess
	out.AuthenticatedData = false
	out.Answer = append(aliases(m, end), records...)
	if records == nil || m.Rcode != dns.RcodeSuccess || !answered(m, end) {
		out.Ns = nil
	}
	out.Extra = slices.DeleteFunc(slices.Clone(m.Extra), func(rr dns.RR) bool { return rr == nil || rr.Header().Rrtype != dns.TypeOPT })
	return &out
}

// answered reports whether m has a record of name and the type asked for.
func answered(m *dns.Msg, name string) bool {
	return slices.ContainsFunc(m.Answer, func(rr dns.RR) bool {
		return rr != nil && rr.Header().Rrtype == m.Question[0].Qtype && reply.SameName(rr.Header().Name, name)
	})
}

// keepSigned returns m as it is, but for the order of the addresses of name and
// their TTL, where the client asks for signatures and another key has made those
// of the set: it would believe no other. Else it returns nil.
func (w *filterWriter) keepSigned(m *dns.Msg, name string, p *served, f pool.Family) *dns.Msg {
	if !w.dnssec || !w.answer.group(m.Answer, addressType) {
		return nil
	}
	i := w.answer.Find(name, m.Question[0].Qtype)
	if i == reply.None {
		return nil
	}
	same := w.answer.AppendWithTTL(nil, w.answer.Sets[i].At, signedTTL)
	if _, kept := w.keepIfSigned(&w.answer, i, p, f, same); !kept {
		return nil
	}
	out := *w.assemble(m)
	return &out
}
