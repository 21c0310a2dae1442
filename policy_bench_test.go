package rrhealth

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/coredns/coredns/plugin/metadata"
	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/internal/harness"
)

// policyBlock returns a stanza of n backends whose weights and places differ.
func policyBlock(policy string, n int, more string) string {
	var b strings.Builder
	b.WriteString("rrhealth www.example.org {\n")
	for i := range n {
		fmt.Fprintf(&b, "backend 10.0.0.%d", i+1)
		switch {
		case strings.HasPrefix(policy, "nearest"):
			fmt.Fprintf(&b, " location %d %d", i%90, 2*i%180)
		case strings.HasPrefix(policy, "weighted"), strings.Contains(more, "weights"):
			fmt.Fprintf(&b, " weight %d", 1+i%7)
		}
		b.WriteString("\n")
	}
	fmt.Fprintf(&b, "policy %s\n%s\n}", policy, strings.ReplaceAll(more, "weights", ""))
	return b.String()
}

// policyQueries returns queries on behalf of many networks.
func policyQueries(n int) []*dns.Msg {
	all := make([]*dns.Msg, n)
	for i := range all {
		all[i] = harness.QueryFrom("www.example.org.", netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 0}), 24).String())
	}
	return all
}

// located returns a context in which the geoip plugin has set a place.
func located() context.Context {
	ctx := metadata.ContextWithMetadata(context.Background())
	for label, value := range map[string]string{
		"geoip/latitude": "51.5074", "geoip/longitude": "-0.1278", "geoip/continent/code": "EU", "geoip/country/code": "GB",
	} {
		metadata.SetValueFunc(ctx, label, func() string { return value })
	}
	return ctx
}

// A quietWriter has its address ready, as those of the server do.
type quietWriter struct{ nullWriter }

var quietAddr net.Addr = &net.UDPAddr{IP: net.IPv4(198, 51, 100, 7), Port: 53000}

func (quietWriter) RemoteAddr() net.Addr { return quietAddr }

// BenchmarkPolicy measures a query through ServeDNS for each policy. "plain"
// queries have no client subnet and no metadata, but for nearest, which has
// nothing to do without; it is to be compared with rotate/metadata.
func BenchmarkPolicy(b *testing.B) {
	for _, n := range []int{3, 100} {
		for _, bc := range []struct{ name, policy, more, with string }{
			{"rotate", "rotate", "", ""},
			{"shuffle", "shuffle", "", ""},
			{"weighted", "weighted", "", ""},
			{"sticky", "sticky", "", ""},
			{"sticky/weights", "sticky", "weights", ""},
			{"sequential", "sequential", "", ""},
			{"rotate/metadata", "rotate", "", "metadata"},
			{"nearest/metadata", "nearest", "", "metadata"},
			{"rotate/subnet", "rotate", "", "subnet"},
			{"sticky/subnet", "sticky", "", "subnet"},
			{"rotate/all", "rotate", "max_answers 0", ""},
			{"sticky/all", "sticky", "max_answers 0", ""},
			{"nearest/all/metadata", "nearest", "max_answers 0", "metadata"},
		} {
			b.Run(fmt.Sprintf("members=%d/%s", n, bc.name), func(b *testing.B) {
				h := handler(b, policyBlock(bc.policy, n, bc.more))
				ctx := context.Background()
				queries := []*dns.Msg{query("www.example.org.")}
				switch bc.with {
				case "metadata":
					ctx, h.metadata = located(), true
				case "subnet":
					queries = policyQueries(1 << 12)
				}
				b.ReportAllocs()
				i := 0
				for b.Loop() {
					_, _ = h.ServeDNS(ctx, quietWriter{}, queries[i])
					if i++; i == len(queries) {
						i = 0
					}
				}
			})
		}
	}
}

// What a policy adds to the one allocation of an answer is pinned: nothing,
// but for the labels that it sets.
func TestPoliciesHardlyAllocate(t *testing.T) {
	for _, tc := range []struct {
		policy, with string
		want         float64
	}{
		{"rotate", "", 1}, {"shuffle", "", 1}, {"weighted", "", 1}, {"sticky", "", 1}, {"sequential", "", 1}, {"nearest", "", 1},
		{"nearest", "metadata", 5}, // four labels published
		{"rotate", "metadata", 5},
		{"sticky", "subnet", 4}, // the option, the record, and the list that holds it
	} {
		for _, n := range []int{3, 100} {
			t.Run(fmt.Sprintf("%s %s %d", tc.policy, tc.with, n), func(t *testing.T) {
				h := handler(t, policyBlock(tc.policy, n, ""))
				ctx, q := context.Background(), query("www.example.org.")
				switch tc.with {
				case "metadata":
					ctx, h.metadata = located(), true
				case "subnet":
					q = harness.QueryFrom("www.example.org.", "198.51.100.0/24")
				}
				got := leastAllocs(func() { _, _ = h.ServeDNS(ctx, quietWriter{}, q) })
				if got > tc.want {
					t.Errorf("%v allocations, want at most %v", got, tc.want)
				}
			})
		}
	}
}
