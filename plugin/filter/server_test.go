package filter

import (
	"net/netip"
	"testing"

	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/plugin/config"
	"github.com/rrhealth/rrhealth/plugin/live"
	"github.com/rrhealth/rrhealth/plugin/pool"
	"github.com/rrhealth/rrhealth/plugin/reply"
	"github.com/rrhealth/rrhealth/plugin/verdict"
)

// A server is a Server without keys.
type server struct {
	zone    map[uint16][]dns.RR // what Lookup answers, by type
	asked   []string            // of Lookup
	ordered bool
}

func (s *server) Lookup(name string, qtype uint16) *dns.Msg {
	s.asked = append(s.asked, name+" "+dns.TypeToString[qtype])
	r := query(name, qtype, false)
	if s.zone[qtype] == nil {
		return nil
	}
	return answerTo(r, s.zone[qtype]...)
}

func (s *server) Client(*live.Pool, *dns.EDNS0_SUBNET) pool.Client { return pool.Client{} }
func (s *server) Ordered() bool                                    { return s.ordered }
func (s *server) Sign([]dns.RR) []dns.RR                           { return nil }
func (s *server) Deny(string, uint16, *dns.SOA) []dns.RR           { return nil }
func (s *server) NoData(r *dns.Msg, zone string, ttl uint32) *dns.Msg {
	if zone == "" {
		zone = "example.org."
	}
	return reply.NoData(r, zone, ttl)
}

// plainSettings are those of a filter without options.
var plainSettings = pool.Settings{TTL: 30, ShortTTL: 10, FastTTL: 2, MinUp: pool.MinUp{N: 1}, Policy: pool.Sequential}

// down are the addresses that the tests' filters watch: 1 and 3 are down.
var down = map[netip.Addr]verdict.State{
	netip.MustParseAddr("192.0.2.1"): verdict.Down, netip.MustParseAddr("192.0.2.2"): verdict.Up,
	netip.MustParseAddr("192.0.2.3"): verdict.Down, netip.MustParseAddr("2001:db8::1"): verdict.Down,
}

// filtering returns rules with a filter for every name, and with the pools of more
// stanzas. Those of their backends are down for which isDown reports true.
func filtering(settings pool.Settings, isDown func(netip.Addr) bool, more ...config.Stanza) *Rules {
	stanzas := append(more, config.Stanza{Names: []string{"."}, Pool: pool.Config{Settings: settings}, Watch: config.Networks{Any: true}})
	r := NewRules(live.NewBlock(stanzas), stanzas)
	r.Filters[0].Preset(down)
	for i := range r.Pools {
		p := &r.Pools[i]
		p.Zone = "example.org."
		health := make([]pool.Health, len(p.Backends))
		for n, b := range p.Backends {
			if health[n].State = verdict.Up; isDown(b.Addr) {
				health[n].State = verdict.Down
			}
		}
		p.Store(pool.Build(p.Config, health))
	}
	return &r
}

// judged returns what leaves instead of m, an answer to r, or nil.
func judged(tb testing.TB, rules *Rules, r, m *dns.Msg) *dns.Msg {
	tb.Helper()
	return judgedBelow(tb, rules, new(server), r, m)
}

// judgedBelow returns what leaves instead of m where s is around the judge.
func judgedBelow(tb testing.TB, rules *Rules, s *server, r, m *dns.Msg) *dns.Msg {
	tb.Helper()
	q := &Query{Rules: rules, Server: s, Request: r, Filter: rules.Filter(r.Question[0].Name), DNSSEC: reply.WantsDNSSEC(r)}
	q.Own = rules.Pool(r.Question[0].Name)
	if q.Own == nil {
		q.Foreign = r.Question[0].Name
	}
	if !q.MayChange(m) {
		return m
	}
	j := q.Judge()
	defer j.Put()
	result := j.Message(m, reply.Limits{})
	if result.Dropped() {
		return nil
	}
	out := result.Message()
	packed(tb, result, out)
	return out
}

// packed fails the test if result has bytes that are not those of out.
func packed(tb testing.TB, result Result, out *dns.Msg) {
	tb.Helper()
	p := reply.Get()
	defer p.Put()
	if !result.Pack(p, reply.Limits{Plain: 1220, Most: 1220}) {
		return
	}
	got := new(dns.Msg)
	if err := got.Unpack(p.Bytes()); err != nil {
		tb.Fatal(err)
	}
	if got.Compress = out.Compress; got.String() != out.String() && !got.Truncated {
		tb.Errorf("bytes\n%v\nmessage\n%v", got, out)
	}
}

// query returns a query, without EDNS unless do is set.
func query(name string, qtype uint16, do bool) *dns.Msg {
	r := new(dns.Msg).SetQuestion(name, qtype)
	if do {
		r.SetEdns0(4096, true)
	}
	return r
}

// records parses records.
func records(tb testing.TB, lines ...string) []dns.RR {
	tb.Helper()
	var all []dns.RR
	for _, line := range lines {
		rr, err := dns.NewRR(line)
		if err != nil {
			tb.Fatal(err)
		}
		all = append(all, rr)
	}
	return all
}

// answerTo returns a positive answer to r.
func answerTo(r *dns.Msg, answer ...dns.RR) *dns.Msg {
	m := new(dns.Msg).SetReply(r)
	m.Answer = answer
	return m
}
