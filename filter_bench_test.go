package rrhealth

import (
	"context"
	"fmt"
	"testing"

	"github.com/coredns/coredns/plugin"
	"github.com/coredns/coredns/plugin/test"
	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/internal/harness"
	"github.com/rrhealth/rrhealth/plugin/pool"
	"github.com/rrhealth/rrhealth/plugin/verdict"
)

// A discard takes messages and forgets them.
type discard struct{ test.ResponseWriter }

func (*discard) WriteMsg(*dns.Msg) error { return nil }

// benchFilter returns a handler that filters an answer of n addresses, with
// the given TTL and policy, down of which are down.
func benchFilter(tb testing.TB, n, down int, ttl int, policy pool.Policy) (plugin.Handler, *dns.Msg) {
	tb.Helper()
	r := harness.Query("www.example.org.", dns.TypeA, false)
	m := answerTo(r)
	states := make(map[string]verdict.State)
	for i := range n {
		addr := fmt.Sprintf("192.0.2.%d", i+1)
		m.Answer = append(m.Answer, rrs(tb, fmt.Sprintf("www.example.org. %d IN A %s", ttl, addr))...)
		states[addr] = verdict.Up
		if i < down {
			states[addr] = verdict.Down
		}
	}
	config := plainConfig
	config.Policy = policy
	return filtering(config, m, states), r
}

func BenchmarkFilter(b *testing.B) {
	for _, n := range []int{3, 30} {
		for _, bc := range []struct {
			name   string
			down   int
			ttl    int
			policy pool.Policy
		}{
			{"nothing to do", 0, 30, pool.Sequential},
			{"rotated", 0, 30, pool.Rotate},
			{"rotated, TTL capped", 0, 300, pool.Rotate},
			{"one down", 1, 300, pool.Rotate},
		} {
			b.Run(fmt.Sprintf("%d records/%s", n, bc.name), func(b *testing.B) {
				h, r := benchFilter(b, n, bc.down, bc.ttl, bc.policy)
				w, ctx := new(discard), context.Background()
				b.ReportAllocs()
				for b.Loop() {
					_, _ = h.ServeDNS(ctx, w, r)
				}
			})
		}
		b.Run(fmt.Sprintf("%d records/no filter", n), func(b *testing.B) {
			h, r := benchFilter(b, n, 0, 30, pool.Sequential)
			next := h.(*RRHealth).Next
			w, ctx := new(discard), context.Background()
			b.ReportAllocs()
			for b.Loop() {
				_, _ = plugin.NextOrFailure("test", next, ctx, w, r)
			}
		})
	}
}

func TestJudgingAnAnswerHardlyAllocates(t *testing.T) {
	for _, tc := range []struct {
		name         string
		n, down, ttl int
		policy       pool.Policy
		want         float64 // with the two that a wrapped writer costs
	}{
		{"nothing to do", 3, 0, 30, pool.Sequential, 2},
		{"rotated", 3, 0, 30, pool.Rotate, 4},
		{"one down, TTL capped", 3, 1, 300, pool.Rotate, 5},
		{"30 records, one down", 30, 1, 300, pool.Rotate, 6},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := new(discard)
			h, r := benchFilter(t, tc.n, tc.down, tc.ttl, tc.policy)
			got := leastAllocs(func() { _, _ = h.ServeDNS(context.Background(), w, r) })
			if got > tc.want {
				t.Errorf("%v allocations, want at most %v", got, tc.want)
			}
		})
	}
}

// passing returns a handler with pools, above a plugin that answers with n
// addresses of other names: in the answer section, or beside SRV records.
func passing(tb testing.TB, n int, srv bool) (*RRHealth, *dns.Msg) {
	tb.Helper()
	h := handler(tb, "rrhealth www.example.org *.wild.example.org {\nbackend 192.0.2.1\n}")
	r := harness.Query("other.example.org.", dns.TypeA, false)
	m := answerTo(r)
	for i := range n {
		if !srv {
			m.Answer = append(m.Answer, rrs(tb, fmt.Sprintf("other.example.org. 30 IN A 192.0.2.%d", i+1))...)
			continue
		}
		m.Answer = append(m.Answer, rrs(tb, fmt.Sprintf("other.example.org. 30 IN SRV 1 1 1 h%d.example.org.", i))...)
		m.Extra = append(m.Extra, rrs(tb, fmt.Sprintf("h%d.example.org. 30 IN A 192.0.2.%d", i, i+1))...)
	}
	h.Next = plugin.HandlerFunc(func(_ context.Context, w dns.ResponseWriter, _ *dns.Msg) (int, error) {
		return dns.RcodeSuccess, w.WriteMsg(m)
	})
	return h, r
}

// A server block with pools looks through all that the plugins below answer for
// their names. Where there are none, that is to cost next to nothing.
func BenchmarkPassingOn(b *testing.B) {
	for _, n := range []int{3, 30} {
		for _, srv := range []bool{false, true} {
			h, r := passing(b, n, srv)
			w, ctx := new(discard), context.Background()
			b.Run(fmt.Sprintf("%d records/SRV %t/pools", n, srv), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					_, _ = h.ServeDNS(ctx, w, r)
				}
			})
			b.Run(fmt.Sprintf("%d records/SRV %t/none", n, srv), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					_, _ = plugin.NextOrFailure("test", h.Next, ctx, w, r)
				}
			})
		}
	}
}

func TestPassingOnHardlyAllocates(t *testing.T) {
	for _, srv := range []bool{false, true} {
		w := new(discard)
		h, r := passing(t, 30, srv)
		if got := leastAllocs(func() { _, _ = h.ServeDNS(context.Background(), w, r) }); got > 2 {
			t.Errorf("SRV %t: %v allocations, want the two of a wrapped writer", srv, got)
		}
	}
}
