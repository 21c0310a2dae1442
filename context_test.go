package rrhealth

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/coredns/coredns/plugin/metadata"
	"github.com/coredns/coredns/request"
	"github.com/miekg/dns"
)

// Labels can be used by view, which decides before the chain, and by log,
// which writes after it.
func TestWhatIsToldToOtherPlugins(t *testing.T) {
	h := handler(t, "rrhealth www.example.org {\nbackend 192.0.2.1 192.0.2.2\npolicy sequential\n}")
	h.metadata = true
	labels := func(name string, qtype uint16) (before, after map[string]string) {
		r := query(name)
		r.Question[0].Qtype = qtype
		values := func(ctx context.Context) map[string]string {
			all := make(map[string]string)
			for label, f := range metadata.ValueFuncs(ctx) {
				all[strings.TrimPrefix(label, "rrhealth/")] = f()
			}
			return all
		}
		ctx := h.Metadata(metadata.ContextWithMetadata(context.Background()), request.Request{Req: r, W: nullWriter{}})
		before = values(ctx)
		_, _ = h.ServeDNS(ctx, nullWriter{}, r)
		return before, values(ctx)
	}
	for _, tc := range []struct {
		name          string
		qtype         uint16
		before, after string
	}{
		{"www.example.org.", dns.TypeA,
			"map[outcome:served policy:sequential pool:www.example.org.]",
			"map[first:192.0.2.1 outcome:served policy:sequential pool:www.example.org.]"},
		{"WWW.example.org.", dns.TypeAAAA,
			"map[outcome:nodata policy:sequential pool:www.example.org.]",
			"map[outcome:nodata policy:sequential pool:www.example.org.]"},
		{"www.example.org.", dns.TypeTXT, "map[policy:sequential pool:www.example.org.]", "map[policy:sequential pool:www.example.org.]"},
		{"other.example.org.", dns.TypeA, "map[]", "map[]"},
	} {
		before, after := labels(tc.name, tc.qtype)
		if got := fmt.Sprint(before); got != tc.before {
			t.Errorf("%s %d, before the chain: %s, want %s", tc.name, tc.qtype, got, tc.before)
		}
		if got := fmt.Sprint(after); got != tc.after {
			t.Errorf("%s %d, after it: %s, want %s", tc.name, tc.qtype, got, tc.after)
		}
	}
}

// A query may come by a name that it did not have when metadata was collected.
func TestARewrittenNameIsToldAsItWasAnswered(t *testing.T) {
	h := handler(t, "rrhealth www.example.org {\nbackend 192.0.2.1\n}\nrrhealth old.example.org {\nbackend 192.0.2.2\npolicy sequential\n}")
	h.metadata = true
	ctx := h.Metadata(metadata.ContextWithMetadata(context.Background()), request.Request{Req: query("old.example.org."), W: nullWriter{}})
	_, _ = h.ServeDNS(ctx, nullWriter{}, query("www.example.org."))
	var got []string
	for _, label := range []string{"pool", "policy", "first"} {
		got = append(got, metadata.ValueFunc(ctx, "rrhealth/"+label)())
	}
	if want := []string{"www.example.org.", "rotate", "192.0.2.1"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
