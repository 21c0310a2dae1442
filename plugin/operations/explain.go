package operations

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/plugin/api"
	"github.com/rrhealth/rrhealth/plugin/live"
	"github.com/rrhealth/rrhealth/plugin/pool"
)

// explainAt returns why a query gets its answer, now or, if at is not the zero
// time, then.
func (o *Operations) explainAt(name, qtype, client string, at time.Time) (api.Explanation, error) {
	r, addr, err := question(name, qtype, client)
	if err != nil {
		return api.Explanation{}, badRequest(err)
	}
	now := time.Now()
	if at.After(now) {
		return api.Explanation{}, badRequest(fmt.Errorf("at: in the future (got %s); use a time of the past", at.UTC().Format(time.RFC3339)))
	}
	a, err := o.explain(r, addr)
	if err != nil {
		return api.Explanation{}, &api.Error{Problem: err.Error(), Effects: []api.Effect{}, Code: 404}
	}
	e := api.Explanation{
		Name: r.Question[0].Name, Type: dns.TypeToString[r.Question[0].Qtype], At: api.Time{Time: now},
		Server: a.Block.Server, View: a.Block.View, Answer: []string{}, Members: []api.Reason{}, Notes: []string{}, Rcode: "none",
	}
	if client != "" {
		e.Client = addr.String()
	}
	if a.Others > 0 {
		e.Notes = append(e.Notes, fmt.Sprintf("%d more server blocks have this zone: the view, the address or the port that a client uses decides", a.Others))
	}
	switch {
	case a.Pool != nil && at.IsZero():
		o.explainPool(&e, a)
	case a.Pool != nil:
		err = o.explainPast(&e, a, at)
	case !at.IsZero():
		err = fmt.Errorf("at: %s is no name of a pool; the past of answers of other plugins is not kept", e.Name)
	case a.Filter != nil:
		o.explainFilter(&e, a)
	default:
		fill(&e, a.Reply)
		e.Notes = append(e.Notes, "no pool and no filter has this name: other plugins answer it")
	}
	if err != nil {
		return api.Explanation{}, badRequest(err)
	}
	return e, nil
}

func badRequest(err error) error {
	return &api.Error{Problem: err.Error(), Effects: []api.Effect{}, Code: 400}
}

// question returns the query that the arguments describe.
func question(name, qtype, client string) (*dns.Msg, netip.Addr, error) {
	if _, ok := dns.IsDomainName(name); !ok || name == "" {
		return nil, netip.Addr{}, fmt.Errorf("name: no domain name (got %q); use one such as www.example.org", name)
	}
	kind, ok := dns.StringToType[strings.ToUpper(qtype)]
	if qtype == "" {
		kind, ok = dns.TypeA, true
	}
	if !ok || kind == dns.TypeAXFR || kind == dns.TypeIXFR {
		return nil, netip.Addr{}, fmt.Errorf("type: unknown (got %q); use one such as A, AAAA or HTTPS", qtype)
	}
	addr := netip.IPv6Unspecified()
	if client != "" {
		var err error
		if addr, err = netip.ParseAddr(client); err != nil {
			return nil, addr, fmt.Errorf("client: no address (got %q); use one such as 192.0.2.1", client)
		}
	}
	r := new(dns.Msg)
	r.SetQuestion(dns.Fqdn(strings.ToLower(name)), kind)
	r.SetEdns0(dns.DefaultMsgSize, false)
	return r, addr, nil
}

// fill fills in what m says.
func fill(e *api.Explanation, m *dns.Msg) {
	if m == nil {
		return
	}
	e.Rcode = dns.RcodeToString[m.Rcode]
	for i, rr := range m.Answer {
		if ttl := int(rr.Header().Ttl); i == 0 || ttl < e.TTL {
			e.TTL = ttl
		}
		switch rr := rr.(type) {
		case *dns.A:
			e.Answer = append(e.Answer, rr.A.String())
		case *dns.AAAA:
			e.Answer = append(e.Answer, rr.AAAA.String())
		}
	}
}

// family returns the address family that a query of that type is about.
func family(qtype string) (pool.Family, bool) {
	switch qtype {
	case "A":
		return pool.V4, true
	case "AAAA":
		return pool.V6, true
	}
	return 0, false
}

// explainPool explains the answer of a pool.
func (o *Operations) explainPool(e *api.Explanation, a Answer) {
	e.Pool = a.Pool.Name
	fill(e, a.Reply)
	f, ok := family(e.Type)
	if !ok {
		e.Notes = append(e.Notes, "a pool has A and AAAA records; other plugins answer this type, if they have it")
		return
	}
	s := a.Pool.Snapshot()
	e.Outcome = s.Choices[f].Outcome.String()
	e.Order = a.Pool.Policy != pool.Shuffle
	o.members(e, a.Pool, s, f)
	if s.Judged != nil {
		e.Notes = append(e.Notes, "dry_run: verdicts change no answer")
	}
}

// stanzaOf returns the stanza of a pool, or nil.
func (o *Operations) stanzaOf(p *live.Pool) *live.StanzaView {
	views := o.registry.View()
	for i := range views {
		if slices.Contains(views[i].Pools, p) {
			return &views[i]
		}
	}
	return nil
}

// members fills in why each backend of p is in the answers of s or not.
func (o *Operations) members(e *api.Explanation, p *live.Pool, s *pool.Snapshot, f pool.Family) {
	rules := p.Explain(s, f)
	inAnswer := make(map[string]bool, len(e.Answer))
	for _, addr := range e.Answer {
		inAnswer[addr] = true
	}
	var reasons map[netip.Addr]*live.BackendView
	if v := o.stanzaOf(p); v != nil {
		reasons = make(map[netip.Addr]*live.BackendView, len(v.Backends))
		for i := range v.Backends {
			reasons[v.Backends[i].Addr] = &v.Backends[i]
		}
	}
	for i := range p.Backends {
		b := &p.Backends[i]
		r := api.Reason{Address: b.Addr.String(), Answered: rules[i].Answered(), Rule: ruleNames[rules[i]]}
		if r.Answered && len(e.Answer) > 0 && !inAnswer[r.Address] {
			r.Answered, r.Rule = false, "max_answers"
		}
		r.Text = sentence(rules[i], r.Rule, p, b, reasons[b.Addr])
		e.Members = append(e.Members, r)
	}
	if s.Choices[f].Outcome == pool.ServedFallback {
		for _, m := range s.Choices[f].Members {
			r := api.Reason{Address: m.Addr.String(), Answered: true, Rule: "fallback", Text: "an address of all_down: every backend is down"}
			if !inAnswer[r.Address] {
				r.Answered, r.Rule, r.Text = false, "max_answers", r.Text+", but max_answers leaves no room this time"
			}
			e.Members = append(e.Members, r)
		}
	}
	slices.SortFunc(e.Members, func(a, b api.Reason) int { return strings.Compare(a.Address, b.Address) })
}

// sentence returns a Reason's Text.
func sentence(rule pool.Rule, name string, p *live.Pool, b *pool.Backend, seen *live.BackendView) string {
	text := whole(rule, p, b, seen)
	if name == "max_answers" {
		text += fmt.Sprintf(", but max_answers %d leaves no room this time", p.MaxAnswers)
	}
	return text
}

// whole returns the sentence about rule.
func whole(rule pool.Rule, p *live.Pool, b *pool.Backend, seen *live.BackendView) string {
	why := ""
	if seen != nil {
		if _, reason, _, _ := pastOf(seen, time.Now()); reason != "" {
			why = ": " + reason
		}
	}
	by := ""
	if seen != nil && len(seen.Overrides) > 0 {
		o := seen.Overrides[0]
		by = " by " + o.Author
		if o.Reason != "" {
			by += ", reason " + strconv.Quote(o.Reason)
		}
	}
	switch rule {
	case pool.IsUp:
		return "up"
	case pool.IsUnknown:
		return "no verdict yet: answered like up"
	case pool.SetUp:
		return "set up" + by
	case pool.TooFewUp:
		return fmt.Sprintf("answered although it is down or held down: fewer than min_up %s are up", p.MinUp)
	case pool.AllAreDown:
		return "answered although it is down: all backends are (all_down answer)"
	case pool.DryRun:
		return "answered although it would be left out: dry_run"
	case pool.IsDown:
		return "down" + why
	case pool.SetDown:
		return "set down" + by
	case pool.IsHeldDown:
		return "up, but held down by hold_down or failback"
	case pool.Drained:
		return "drained in the Corefile"
	case pool.SetDrained:
		return "drained" + by
	case pool.LaterTier:
		return fmt.Sprintf("tier %d: an earlier tier has enough backends up", b.Tier)
	case pool.OtherFamily:
		return "an address of the other family"
	case pool.NoneByAllDown:
		return "all backends are down, and all_down " + p.AllDownForm() + " answers none of them"
	}
	return ""
}
