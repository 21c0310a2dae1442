package filter

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/plugin/config"
	"github.com/rrhealth/rrhealth/plugin/pool"
)

// onePool is a stanza with a pool p.example.org of two backends.
func onePool(action pool.Action) config.Stanza {
	return config.Stanza{Names: []string{"p.example.org."}, Pool: pool.Config{
		Backends: []pool.Backend{
			{Addr: netip.MustParseAddr("192.0.2.50"), Weight: 1, Tier: 1}, {Addr: netip.MustParseAddr("192.0.2.51"), Weight: 1, Tier: 1},
		},
		Settings: pool.Settings{TTL: 20, ShortTTL: 10, MinUp: pool.MinUp{N: 1}, Policy: pool.Sequential, AllDown: action},
	}}
}

// A pool's name has the addresses of the pool, and none that a plugin below has.
func TestAPoolsNameHasThePoolsAddresses(t *testing.T) {
	const alias, stale = "www.example.org. 300 IN CNAME p.example.org.", "p.example.org. 300 IN A 192.0.2.7"
	none, first, all := []string{}, []string{"192.0.2.50"}, []string{"192.0.2.50", "192.0.2.51"}
	for _, tc := range []struct {
		name          string
		qtype         uint16
		down          []string
		action        pool.Action
		answer, extra []string
		wantAnswer    []string
		wantExtra     []string
		rcode         int
	}{
		{
			name: "at the end of an alias", qtype: dns.TypeA, down: first, answer: []string{alias, stale},
			wantAnswer: []string{alias, "p.example.org. 10 IN A 192.0.2.51"},
		},
		{
			name: "at the end of an alias that leads nowhere", qtype: dns.TypeA, down: none, answer: []string{alias},
			wantAnswer: []string{alias, "p.example.org. 20 IN A 192.0.2.50", "p.example.org. 20 IN A 192.0.2.51"},
		},
		{
			name: "all down", qtype: dns.TypeA, down: all, action: pool.ActServfail, answer: []string{alias, stale},
			rcode: dns.RcodeServerFailure,
		},
		{
			name: "in the additional section", qtype: dns.TypeSRV, down: first, answer: []string{"www.example.org. 30 IN SRV 1 1 1 p.example.org."}, extra: []string{stale},
			wantAnswer: []string{"www.example.org. 10 IN SRV 1 1 1 p.example.org."}, wantExtra: []string{"p.example.org. 10 IN A 192.0.2.51"},
		},
		{
			name: "in hints", qtype: dns.TypeHTTPS, down: first, answer: []string{"www.example.org. 30 IN HTTPS 1 p.example.org. ipv4hint=192.0.2.50"},
			wantAnswer: []string{`www.example.org. 10 IN HTTPS 1 p.example.org. ipv4hint="192.0.2.51"`},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			isDown := func(addr netip.Addr) bool { return slices.Contains(tc.down, addr.String()) }
			r := query("www.example.org.", tc.qtype, false)
			m := answerTo(r, records(t, tc.answer...)...)
			m.Extra = records(t, tc.extra...)
			got := judged(t, filtering(plainSettings, isDown, onePool(tc.action)), r, m)
			if got.Rcode != tc.rcode || !slices.Equal(lines(got.Answer), tc.wantAnswer) || !slices.Equal(lines(got.Extra), tc.wantExtra) {
				t.Errorf("got\n%v\nwant rcode %d, answer %q, additional %q", got, tc.rcode, tc.wantAnswer, tc.wantExtra)
			}
		})
	}
}

// The addresses beside a set that another key has signed may be a pool's, and down.
func TestASetSignedByOthersLeavesWithNothingBesideIt(t *testing.T) {
	p := onePool(pool.ActAnswer)
	p.Names = append(p.Names, "q.example.org.")
	isDown := func(addr netip.Addr) bool { return addr.String() == "192.0.2.50" }
	r := query("www.example.org.", dns.TypeA, true)
	m := answerTo(r, records(t, "www.example.org. 300 IN CNAME p.example.org.", "p.example.org. 300 IN A 192.0.2.50", "p.example.org. 300 IN A 192.0.2.51",
		"p.example.org. 300 IN RRSIG A 13 3 300 20300101000000 20200101000000 1 example.org. AAAA")...)
	m.Extra = records(t, "q.example.org. 300 IN A 192.0.2.50")
	got := judged(t, filtering(plainSettings, isDown, p), r, m)
	if len(got.Answer) != 4 || len(got.Extra) != 0 {
		t.Errorf("got\n%v\nwant the signed set, and no additional section", got)
	}
}

func TestRules(t *testing.T) {
	watch := func(names ...string) config.Stanza {
		return config.Stanza{Names: names, Watch: config.Networks{Any: true}}
	}
	r := filtering(plainSettings, func(netip.Addr) bool { return false }, onePool(pool.ActAnswer), watch("a.example.org.", "*.b.example.org."))
	for name, want := range map[string]string{"x.A.example.org.": "a.example.org.", "x.b.example.org.": "*.b.example.org.", "b.example.org.": ".", "example.com.": "."} {
		if f := r.Filter(name); f == nil || f.Name != want {
			t.Errorf("the filter for %s is %v, want %s", name, f, want)
		}
		if i, ok := r.FilterIndex(name); !ok || r.Filters[i].Name != want {
			t.Errorf("the filter for %s has index %d, want that of %s", name, i, want)
		}
	}
	if p := r.Pool("P.example.org."); p == nil || p.Name != "p.example.org." {
		t.Errorf("the pool for P.example.org. is %v", p)
	}
	if r.Pool("www.example.org.") != nil || !r.AbovePool("example.org.") || r.AbovePool("p.example.org.") {
		t.Error("other names than p.example.org. have a pool, or none has one below")
	}
}

// Records whose target is down are left out while another record has one that is
// up, and so are the addresses beside them.
func TestTargets(t *testing.T) {
	const a, b = "www.example.org. 10 IN SRV 1 1 1 a.example.org.", "www.example.org. 10 IN SRV 1 1 1 b.example.org."
	const unknown = "www.example.org. 10 IN SRV 1 1 1 c.example.org."
	isDown, isUp := "a.example.org. 10 IN A 192.0.2.1", "b.example.org. 10 IN A 192.0.2.2"
	for _, tc := range []struct {
		name                  string
		answer, extra         []string
		wantAnswer, wantExtra []string
	}{
		{"one is down", []string{a, b}, []string{isDown, isUp}, []string{b}, []string{isUp}},
		{"one is down, one is unknown", []string{a, unknown}, []string{isDown}, []string{unknown}, nil},
		{"all are down", []string{a}, []string{isDown}, []string{a}, []string{isDown}},
		{"nothing is known", []string{a, b}, nil, []string{a, b}, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := query("www.example.org.", dns.TypeSRV, false)
			m := answerTo(r, records(t, tc.answer...)...)
			m.Extra = records(t, tc.extra...)
			got := judged(t, filtering(plainSettings, nil), r, m)
			if !slices.Equal(lines(got.Answer), tc.wantAnswer) || !slices.Equal(lines(got.Extra), tc.wantExtra) {
				t.Errorf("got\n%v\nwant answer %q, additional %q", got, tc.wantAnswer, tc.wantExtra)
			}
		})
	}
}

// A condition is the health of an address and how long it may be remembered.
func TestConditions(t *testing.T) {
	f := filtering(plainSettings, nil).Filters[0]
	for addr, want := range map[string]condition{
		"192.0.2.1": {watched: true, down: true, ttl: 10},
		"192.0.2.2": {watched: true, ttl: 30},
		"192.0.2.8": {watched: true, ttl: 30}, // not known yet
		"127.0.0.1": {},
	} {
		if got := f.condition(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s: %+v, want %+v", addr, got, want)
		}
	}
}

// Rotation moves the first address on by one with each answer, unless another
// server block has put the addresses in order.
func TestRotation(t *testing.T) {
	settings := plainSettings
	settings.Policy = pool.Rotate
	rules, s := filtering(settings, nil), new(server)
	r := query("turn.example.org.", dns.TypeA, false)
	m := answerTo(r, records(t, "turn.example.org. 30 IN A 192.0.2.2", "turn.example.org. 30 IN A 192.0.2.4", "turn.example.org. 30 IN A 192.0.2.6")...)
	first := func() int {
		got := judgedBelow(t, rules, s, r, m).Answer[0]
		return slices.IndexFunc(m.Answer, func(rr dns.RR) bool { return rr.String() == got.String() })
	}
	start := first()
	for i := 1; i < 7; i++ {
		if got, want := first(), (start+i)%3; got != want {
			t.Fatalf("answer %d begins with record %d, want %d", i, got, want)
		}
	}
	s.ordered = true
	for range 2 {
		if got := first(); got != 0 {
			t.Errorf("an ordered answer begins with record %d, want 0", got)
		}
	}
}
