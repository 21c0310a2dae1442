package rrhealth

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/coredns/caddy"
	"github.com/coredns/coredns/request"
	"github.com/miekg/dns"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// A nullWriter takes answers and drops them.
type nullWriter struct{ dns.ResponseWriter }

func (nullWriter) WriteMsg(*dns.Msg) error     { return nil }
func (nullWriter) Write(b []byte) (int, error) { return len(b), nil }
func (nullWriter) RemoteAddr() net.Addr        { return &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 53000} }
func (nullWriter) LocalAddr() net.Addr         { return &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 53} }

// handler returns the handler of a server block for example.org, not started.
func handler(tb testing.TB, block string) *RRHealth {
	tb.Helper()
	c := caddy.NewTestController("dns", block)
	c.ServerBlockKeys = []string{"example.org."}
	stanzas, err := parse(c, "")
	if err != nil {
		tb.Fatal(err)
	}
	return newHandler([]string{"example.org."}, stanzas)
}

// manyBackends lists n addresses.
func manyBackends(n int) string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf("10.0.%d.%d", i/250, i%250+1))
	}
	return strings.Join(all, " ")
}

func query(name string) *dns.Msg {
	m := new(dns.Msg)
	m.SetQuestion(name, dns.TypeA)
	return m
}

func BenchmarkServeDNS(b *testing.B) {
	names := func(n int) string {
		var all []string
		for i := range n {
			all = append(all, fmt.Sprintf("n%d.example.org", i))
		}
		return strings.Join(all, " ")
	}
	for _, bc := range []struct {
		name            string
		backends, names int
		more            string
	}{
		{"backends=3/names=1", 3, 1, ""},
		{"backends=100/names=1", 100, 1, ""},
		{"backends=100/names=1/answers=all", 100, 1, "max_answers 0"},
		{"backends=3/names=100000", 3, 100_000, ""},
	} {
		b.Run(bc.name, func(b *testing.B) {
			h := handler(b, fmt.Sprintf("rrhealth %s {\nbackend %s\n%s\n}", names(bc.names), manyBackends(bc.backends), bc.more))
			queries := make([]*dns.Msg, min(bc.names, 1<<16))
			for i := range queries {
				queries[i] = query(fmt.Sprintf("n%d.example.org.", i*(bc.names/len(queries))))
			}
			ctx := context.Background()
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				_, _ = h.ServeDNS(ctx, nullWriter{}, queries[i])
				if i++; i == len(queries) {
					i = 0
				}
			}
		})
	}
}

func BenchmarkServeDNSParallel(b *testing.B) {
	h := handler(b, "rrhealth www.example.org {\nbackend "+manyBackends(3)+"\n}")
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		m := query("www.example.org.")
		for pb.Next() {
			_, _ = h.ServeDNS(context.Background(), nullWriter{}, m)
		}
	})
}

// What a query allocates is pinned: it is most of what a plugin can do to the
// speed of the server.
func TestAQueryHardlyAllocates(t *testing.T) {
	for _, tc := range []struct {
		name, block, query string
		qtype              uint16
		want               float64
	}{
		{"3 backends", "rrhealth www.example.org {\nbackend " + manyBackends(3) + "\n}", "www.example.org.", dns.TypeA, 1},
		{"3 backends, case to be kept", "rrhealth www.example.org {\nbackend " + manyBackends(3) + "\n}", "wWw.example.org.", dns.TypeA, 1},
		{"100 backends, 8 answered", "rrhealth www.example.org {\nbackend " + manyBackends(100) + "\n}", "www.example.org.", dns.TypeA, 1},
		{"100 backends, all answered", "rrhealth www.example.org {\nmax_answers 0\nbackend " + manyBackends(100) + "\n}", "www.example.org.", dns.TypeA, 5},
		{"shuffle", "rrhealth www.example.org {\npolicy shuffle\nbackend " + manyBackends(3) + "\n}", "www.example.org.", dns.TypeA, 1},
		{"weighted", "rrhealth www.example.org {\nbackend " + manyBackends(3) + " weight 5\n}", "www.example.org.", dns.TypeA, 1},
		{"no data", "rrhealth www.example.org {\nbackend " + manyBackends(3) + "\n}", "www.example.org.", dns.TypeAAAA, 5},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h := handler(t, tc.block)
			m := query(tc.query)
			m.Question[0].Qtype = tc.qtype
			got := leastAllocs(func() { _, _ = h.ServeDNS(context.Background(), nullWriter{}, m) })
			if got > tc.want {
				t.Errorf("%v allocations, want at most %v", got, tc.want)
			}
		})
	}
}

// BenchmarkFastPath measures an answer that is written as bytes, without the
// server around it. In parallel, each goroutine has a pool and a socket of its
// own, so that what they share is what they wait for.
func BenchmarkFastPath(b *testing.B) {
	const goroutines = 8
	var block strings.Builder
	writers := make([]dns.ResponseWriter, goroutines)
	for i := range writers {
		fmt.Fprintf(&block, "rrhealth n%d.example.org {\nbackend %s\n}\n", i, manyBackends(3))
		writers[i] = serverWriter(b, "udp")
	}
	h := handler(b, block.String())
	ask := func(i int) func() {
		r := query(fmt.Sprintf("n%d.example.org.", i))
		w := request.NewScrubWriter(r, writers[i])
		return func() { _, _ = h.ServeDNS(context.Background(), w, r) }
	}
	b.Run("alone", func(b *testing.B) {
		before, f := testutil.ToFloat64(fastPathAnswers), ask(0)
		b.ReportAllocs()
		for b.Loop() {
			f()
		}
		if testutil.ToFloat64(fastPathAnswers) == before {
			b.Error("the answers took the slow path")
		}
	})
	b.Run("parallel", func(b *testing.B) {
		var next atomic.Int64
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			f := ask(int(next.Add(1)-1) % goroutines)
			for pb.Next() {
				f()
			}
		})
	})
}
