package filter

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/plugin/pool"
)

const zoneStart = "example.org. 3600 IN SOA ns.example.org. h.example.org. 7 2 3 4 60"

// lines returns records in one line each, with single spaces.
func lines(rrs []dns.RR) (all []string) {
	for _, rr := range rrs {
		all = append(all, strings.Join(strings.Fields(rr.String()), " "))
	}
	return all
}

// If all addresses that were asked for are down, all_down decides.
func TestAllDown(t *testing.T) {
	const a1 = "www.example.org. 300 IN A 192.0.2.1"
	start := "example.org. 10 IN SOA ns.example.org. h.example.org. 7 2 3 4 60" // the TTL of what is down
	for _, tc := range []struct {
		name       string
		action     pool.Action
		below      map[uint16]string // what a lookup finds
		rcode      int
		answer, ns []string
		dropped    bool
	}{
		{name: "answer", action: pool.ActAnswer, answer: []string{"www.example.org. 10 IN A 192.0.2.1"}},
		{name: "servfail", action: pool.ActServfail, rcode: dns.RcodeServerFailure},
		{name: "refused", action: pool.ActRefused, rcode: dns.RcodeRefused},
		{name: "drop", action: pool.ActDrop, dropped: true},
		{name: "nodata", action: pool.ActNoData, below: map[uint16]string{dns.TypeSOA: zoneStart}, ns: []string{start}},
		{name: "nodata without an SOA", action: pool.ActNoData, answer: []string{"www.example.org. 10 IN A 192.0.2.1"}},
		{name: "addresses", action: pool.ActAddresses, answer: []string{"www.example.org. 10 IN A 192.0.2.99"}},
		{
			name: "the other family is up", action: pool.ActServfail,
			below: map[uint16]string{dns.TypeSOA: zoneStart, dns.TypeAAAA: "www.example.org. 300 IN AAAA 2001:db8::2"}, ns: []string{start},
		},
		{
			name: "the other family is down", action: pool.ActServfail, rcode: dns.RcodeServerFailure,
			below: map[uint16]string{dns.TypeSOA: zoneStart, dns.TypeAAAA: "www.example.org. 300 IN AAAA 2001:db8::1"},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			settings := plainSettings
			settings.AllDown, settings.Fallback = tc.action, []netip.Addr{netip.MustParseAddr("192.0.2.99")}
			s := &server{zone: make(map[uint16][]dns.RR)}
			for qtype, line := range tc.below {
				s.zone[qtype] = records(t, line)
			}
			r := query("www.example.org.", dns.TypeA, false)
			got := judgedBelow(t, filtering(settings, nil), s, r, answerTo(r, records(t, a1)...))
			if got == nil || tc.dropped {
				if got != nil || !tc.dropped {
					t.Errorf("got %v, want dropped: %t", got, tc.dropped)
				}
				return
			}
			if got.Rcode != tc.rcode || !slices.Equal(lines(got.Answer), tc.answer) || !slices.Equal(lines(got.Ns), tc.ns) {
				t.Errorf("got\n%v\nwant rcode %d, answer %q, authority %q", got, tc.rcode, tc.answer, tc.ns)
			}
		})
	}
}

// A client that uses EDNS is given the reason.
func TestAllDownIsExplained(t *testing.T) {
	r := query("www.example.org.", dns.TypeA, true)
	m := answerTo(r, records(t, "www.example.org. 300 IN A 192.0.2.1")...)
	got := judged(t, filtering(plainSettings, nil), r, m)
	if o := got.IsEdns0(); o == nil || len(o.Option) != 1 || !strings.Contains(o.Option[0].String(), "all are answered") {
		t.Errorf("got\n%v\nwant an extended error", got)
	}
	if m.IsEdns0() != nil {
		t.Error("the message from below was changed")
	}
}

func TestDryRunLeavesAllAndCounts(t *testing.T) {
	rules := filtering(plainSettings, nil)
	f := rules.Filters[0]
	f.DryRun = true
	r := query("www.example.org.", dns.TypeA, false)
	m := answerTo(r, records(t, "www.example.org. 300 IN A 192.0.2.1", "www.example.org. 300 IN A 192.0.2.2")...)
	if got := judged(t, rules, r, m); got != m {
		t.Errorf("got\n%v\nwant the message as it was", got)
	}
	if noted, left := f.Counts.DryRun.Addresses(), f.Counts.Filtered.Addresses(); noted != 1 || left != 0 {
		t.Errorf("%d addresses counted under dry_run and %d left out, want 1 and 0", noted, left)
	}
}
