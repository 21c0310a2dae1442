package rrhealth

import (
	"context"
	"net"
	"net/netip"
	"reflect"
	"slices"
	"testing"

	"github.com/coredns/coredns/plugin"
	"github.com/coredns/coredns/plugin/test"
	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/internal/harness"
	"github.com/rrhealth/rrhealth/plugin/config"
	"github.com/rrhealth/rrhealth/plugin/filter"
	"github.com/rrhealth/rrhealth/plugin/pool"
	"github.com/rrhealth/rrhealth/plugin/reply"
	"github.com/rrhealth/rrhealth/plugin/verdict"
)

// filtering returns a handler with one filter for every name, of which the
// verdicts are given, and with more stanzas, above a plugin that writes m.
func filtering(settings pool.Settings, m *dns.Msg, states map[string]verdict.State, more ...config.Stanza) *RRHealth {
	h := newHandler([]string{"."}, append(more, config.Stanza{Names: []string{"."}, Pool: pool.Config{Settings: settings}, Watch: config.Networks{Any: true}}))
	h.Next = plugin.HandlerFunc(func(_ context.Context, w dns.ResponseWriter, _ *dns.Msg) (int, error) {
		return dns.RcodeSuccess, w.WriteMsg(m)
	})
	judge(h.rules.Filters[0], states)
	return h
}

// judge gives f's addresses their verdicts.
func judge(f *filter.Filter, states map[string]verdict.State) {
	preset := make(map[netip.Addr]verdict.State, len(states))
	for text, state := range states {
		preset[netip.MustParseAddr(text)] = state
	}
	f.Preset(preset)
}

// plainConfig is a filter's without any words.
var plainConfig = pool.Settings{TTL: 30, ShortTTL: 10, FastTTL: 2, MinUp: pool.MinUp{N: 1}}

// written returns what h makes of the answer to r.
func written(tb testing.TB, h *RRHealth, r *dns.Msg) *dns.Msg {
	tb.Helper()
	recorder := &capture{ResponseWriter: &test.ResponseWriter{}}
	if rcode, err := h.ServeDNS(tb.Context(), recorder, r); rcode != dns.RcodeSuccess || err != nil {
		tb.Fatalf("rcode %d, error %v", rcode, err)
	}
	return recorder.msg
}

// rrs parses records.
func rrs(tb testing.TB, lines ...string) []dns.RR {
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
	m := new(dns.Msg)
	m.SetReply(r)
	m.Answer = answer
	return m
}

var down = map[string]verdict.State{"192.0.2.1": verdict.Down, "192.0.2.2": verdict.Up, "192.0.2.3": verdict.Down, "2001:db8::1": verdict.Down}

func TestOnlyQueriesForInternetNamesAreJudged(t *testing.T) {
	for name, change := range map[string]func(*dns.Msg){
		"NOTIFY": func(r *dns.Msg) { r.Opcode = dns.OpcodeNotify },
		"UPDATE": func(r *dns.Msg) { r.Opcode = dns.OpcodeUpdate },
		"CHAOS":  func(r *dns.Msg) { r.Question[0].Qclass = dns.ClassCHAOS },
		"AXFR":   func(r *dns.Msg) { r.Question[0].Qtype = dns.TypeAXFR },
		"IXFR":   func(r *dns.Msg) { r.Question[0].Qtype = dns.TypeIXFR },
	} {
		r := harness.Query("www.example.org.", dns.TypeA, false)
		change(r)
		m := answerTo(r, rrs(t, "www.example.org. 300 IN A 192.0.2.1", "www.example.org. 300 IN A 192.0.2.2")...)
		m.Rcode = dns.RcodeSuccess
		if got := written(t, filtering(plainConfig, m, down), r); got != m {
			t.Errorf("%s: got another message:\n%v", name, got)
		}
	}
}

// Every message from below leaves with records taken out, reordered
// and lowered in TTL, and with hints taken out, and with the addresses of pools
// at their names. Nothing else.
func FuzzFilter(f *testing.F) {
	for _, lines := range [][]string{
		{"www.example.org. 300 IN A 192.0.2.1", "www.example.org. 300 IN A 192.0.2.2"},
		{"www.example.org. 300 IN CNAME x.example.org.", "x.example.org. 3 IN A 192.0.2.1", "x.example.org. 2 IN A 192.0.2.3"},
		{"www.example.org. 300 IN HTTPS 1 . mandatory=ipv4hint ipv4hint=192.0.2.1 ipv6hint=2001:db8::1,2001:db8::2"},
		{"www.example.org. 300 IN A 192.0.2.1", "www.example.org. 300 IN A 192.0.2.2", "www.example.org. 300 IN RRSIG A 13 3 300 20300101000000 20200101000000 1 example.org. AAAA"},
		{"www.example.org. 300 IN SRV 1 1 1 x.example.org."},
		{"www.example.org. 300 IN SRV 1 1 1 x.example.org.", "www.example.org. 300 IN SRV 2 1 1 p.example.org.", "www.example.org. 300 IN SRV 2 1 1 y.example.org."},
		{"www.example.org. 300 IN CNAME P.example.org.", "p.example.org. 300 IN A 192.0.2.51", "p.example.org. 300 IN RRSIG A 13 3 300 20300101000000 20200101000000 1 example.org. AAAA"},
		{"www.example.org. 300 IN CNAME p.example.org.", "p.example.org. 300 IN CNAME x.example.org.", "x.example.org. 300 IN A 192.0.2.2"},
		{"www.example.org. 300 IN HTTPS 1 p.example.org. ipv4hint=192.0.2.51 ipv6hint=2001:db8::1", "www.example.org. 300 IN HTTPS 0 x.example.org."},
		{"www.example.org. 300 IN MX 1 p.example.org.", "p.example.org. 300 IN A 192.0.2.51", "p.example.org. 300 IN AAAA 2001:db8::51"},
		{"example.org. 300 IN DNAME p.example.org.", "www.example.org. 300 IN CNAME www.p.example.org.", "www.p.example.org. 300 IN A 192.0.2.51"},
	} {
		m := answerTo(harness.Query("www.example.org.", dns.TypeA, true), rrs(f, lines...)...)
		m.Extra = rrs(f, "x.example.org. 300 IN A 192.0.2.1", "x.example.org. 300 IN A 192.0.2.2",
			"y.example.org. 300 IN A 192.0.2.3", "p.example.org. 300 IN A 192.0.2.51", "P.example.org. 300 IN A 192.0.2.2")
		packed, err := m.Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(packed, uint8(0), uint8(0), true)
		f.Add(packed, uint8(3), uint8(1), false)
		f.Add(packed, uint8(0), uint8(14), false)
		f.Add(packed, uint8(8), uint8(3), true)
	}
	f.Fuzz(func(t *testing.T, packed []byte, words, pools uint8, do bool) {
		m := new(dns.Msg)
		if m.Unpack(packed) != nil {
			return
		}
		config := plainConfig
		config.Policy = pool.Policy(words & 1) // rotate or shuffle
		config.MaxAnswers = int(words >> 1 & 3)
		config.AllDown = pool.Action(words >> 3 % 6)
		config.Fallback = []netip.Addr{netip.MustParseAddr("192.0.2.99")}
		h := filtering(config, m, down, pooling(pools)...)
		if pools&1 != 0 {
			storeHealth(h, pools>>1)
		}
		before := m.Copy()
		r := harness.Query("www.example.org.", dns.TypeA, do)
		if len(m.Question) > 0 {
			r.Question[0] = m.Question[0]
		}
		recorder := &capture{ResponseWriter: &test.ResponseWriter{}}
		_, _ = h.ServeDNS(t.Context(), recorder, r)
		if !reflect.DeepEqual(m.Copy(), before) {
			t.Fatalf("the message from below was changed:\n%v\nwas\n%v", m, before)
		}
		if got := recorder.msg; got != nil && got != m {
			nothingInvented(t, got, m)
		}
		if got := recorder.msg; got != nil && ordinary(r) && h.match(r) == nil {
			poolsWord(t, h, got, m, do)
			notEmptied(t, got, m)
		}
		if plain(m) {
			for _, size := range []int{-1, 512, 1232} {
				bothPaths(t, h, m, request1(m.Question[0].Name, m.Question[0].Qtype, size, int(words)&15, ""))
			}
		}
	})
}

// nothingInvented fails the test if got holds what m does not.
func nothingInvented(t *testing.T, got, m *dns.Msg) {
	t.Helper()
	if _, err := got.Pack(); err != nil {
		if _, was := m.Pack(); was == nil {
			t.Fatalf("cannot be packed: %v\n%v", err, got)
		}
	}
	if got.Rcode != dns.RcodeSuccess {
		return // servfail and refused carry nothing
	}
	for _, pair := range [][2][]dns.RR{{got.Answer, m.Answer}, {got.Ns, slices.Concat(m.Ns, m.Answer)}, {got.Extra, m.Extra}} {
		for _, rr := range pair[0] {
			if !slices.ContainsFunc(pair[1], func(from dns.RR) bool { return stemsFrom(rr, from) }) && !mayBeAdded(rr) {
				t.Fatalf("invented %v\nfrom\n%v", rr, m)
			}
		}
	}
}

// mayBeAdded reports whether rr is one that the filter, or a pool, may add.
func mayBeAdded(rr dns.RR) bool {
	switch rr := rr.(type) {
	case *dns.A: // a fallback, or a backend
		return rr.A.Equal(net.IPv4(192, 0, 2, 99)) || rr.A.Equal(net.IPv4(192, 0, 2, 50)) || rr.A.Equal(net.IPv4(192, 0, 2, 51))
	case *dns.SOA:
		return rr.Serial == 1 && rr.Refresh == 7200 // see soa
	}
	return rr.Header().Rrtype == dns.TypeOPT
}

// pooling returns a stanza with a pool for p.example.org and all names below it if
// the lowest of bits is set. Others of them say what is answered when both of its
// backends are down.
func pooling(bits uint8) []config.Stanza {
	if bits&1 == 0 {
		return nil
	}
	pooled := pool.Config{
		Backends: []pool.Backend{
			{Addr: netip.MustParseAddr("192.0.2.50"), Weight: 1, Tier: 1}, {Addr: netip.MustParseAddr("192.0.2.51"), Weight: 1, Tier: 1},
		},
		Settings: pool.Settings{TTL: 30, MinUp: pool.MinUp{N: 1}, AllDown: pool.Action(bits >> 3 % 6), Fallback: []netip.Addr{netip.MustParseAddr("192.0.2.99")}},
	}
	return []config.Stanza{{Names: []string{"p.example.org.", "*.p.example.org."}, Pool: pooled}}
}

// storeHealth makes the backends of h's pools down for which a bit is set.
func storeHealth(h *RRHealth, bits uint8) {
	health := make([]pool.Health, 2)
	for i := range health {
		if bits>>i&1 != 0 {
			health[i].State = verdict.Down
		}
	}
	for i := range h.rules.Pools {
		p := &h.rules.Pools[i]
		p.Store(pool.Build(p.Config, health))
	}
}

// poolsWord fails the test if an address, or a hint, of a pool's name leaves that
// the pool does not answer, but for sets that another key has signed, in an
// answer for a client that checks.
func poolsWord(t *testing.T, h *RRHealth, got, m *dns.Msg, do bool) {
	t.Helper()
	if !plain(m) && got == m {
		return
	}
	for i, rrs := range [][]dns.RR{got.Answer, got.Extra} {
		for _, rr := range rrs {
			hints := hintType(rr.Header().Rrtype)
			name := rr.Header().Name
			if hints {
				name = harness.Target(rr)
			}
			p := h.rules.Pool(name)
			signed := do && slices.ContainsFunc(slices.Concat(m.Answer, m.Extra), func(o dns.RR) bool {
				sig, ok := o.(*dns.RRSIG)
				return ok && sig.TypeCovered == rr.Header().Rrtype && reply.SameName(sig.Hdr.Name, rr.Header().Name)
			})
			if p == nil || signed || i == 1 && (hints || refers(m)) {
				continue
			}
			for addr := range reply.Hints(rr) {
				if s := p.Snapshot(); !s.Chosen(pool.FamilyOf(addr), addr) || s.Down(p.Config, addr) {
					t.Fatalf("the hint %v of a pool's name leaves:\n%v\nfrom\n%v", addr, got, m)
				}
			}
			if f, ok := reply.FamilyOf(rr.Header().Rrtype); ok && !p.Snapshot().Chosen(f, reply.Addr(rr)) {
				t.Fatalf("%v of a pool's name leaves:\n%v\nfrom\n%v", rr, got, m)
			}
		}
	}
}

// notEmptied fails the test if got, which was made of m, answers nothing and does
// not say for how long that is so.
func notEmptied(t *testing.T, got, m *dns.Msg) {
	t.Helper()
	if got.Rcode == dns.RcodeSuccess && len(got.Answer) == 0 && len(m.Answer) > 0 && !slices.ContainsFunc(got.Ns, func(rr dns.RR) bool { return rr.Header().Rrtype == dns.TypeSOA }) {
		t.Fatalf("an answer was emptied:\n%v\nfrom\n%v", got, m)
	}
}

// stemsFrom reports whether got can be what a filter makes of from.
func stemsFrom(got, from dns.RR) bool {
	if got.Header().Ttl > from.Header().Ttl {
		return false
	}
	return withoutParameters(got).String() == withoutParameters(from).String()
}

// withoutParameters returns a copy of rr without its TTL and, as hints may be left
// out or be a pool's, without the parameters of an SVCB or HTTPS record.
func withoutParameters(rr dns.RR) dns.RR {
	rr = dns.Copy(rr)
	rr.Header().Ttl = 0
	switch rr := rr.(type) {
	case *dns.SVCB:
		rr.Value = nil
	case *dns.HTTPS:
		rr.Value = nil
	}
	return rr
}
