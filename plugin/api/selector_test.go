package api

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
)

func TestSelectorsSelect(t *testing.T) {
	backends := []struct {
		addr string
		Configured
	}{
		{"192.0.2.1", Configured{Tier: 1, Location: "EU/DE"}},
		{"192.0.2.2", Configured{Tier: 2, Location: "EU"}},
		{"192.0.2.12", Configured{Tier: 2, Location: "NA/US"}},
		{"198.51.100.1", Configured{Tier: 1, Location: "52.5 13.4"}},
		{"2001:db8::1", Configured{Tier: 2}},
	}
	for _, tc := range []struct{ selectors, want string }{
		{"192.0.2.1", "192.0.2.1"},
		{"192.0.2.1 192.0.2.2", "192.0.2.1 192.0.2.2"},
		{"::ffff:192.0.2.1", "192.0.2.1"},
		{"2001:DB8:0::1", "2001:db8::1"},
		{"192.0.2.*", "192.0.2.1 192.0.2.2 192.0.2.12"},
		{"192.0.2.?", "192.0.2.1 192.0.2.2"},
		{"192.0.2.[12]", ""}, // below: no * and no ?
		{"192.0.2.[12]*", "192.0.2.1 192.0.2.2 192.0.2.12"},
		{"2001:DB8:*", "2001:db8::1"},
		{"*", "192.0.2.1 192.0.2.2 192.0.2.12 198.51.100.1 2001:db8::1"},
		{"192.0.2.3/30", "192.0.2.1 192.0.2.2"},
		{"tier=2", "192.0.2.2 192.0.2.12 2001:db8::1"},
		{"tier=1 tier=2", "192.0.2.1 192.0.2.2 192.0.2.12 198.51.100.1 2001:db8::1"},
		{"tier=2 192.0.2.0/24", "192.0.2.2 192.0.2.12"},
		{"tier=2 192.0.2.12 192.0.2.1 2001:db8::/32", "192.0.2.12 2001:db8::1"},
		{"location=EU", "192.0.2.1 192.0.2.2"},
		{"location=EU/DE", "192.0.2.1"},
		{"location=E", ""},
		{"location=52.5 13.4", ""}, // see TestALocationMayHaveASpace
		{"location=EU location=NA tier=2", "192.0.2.2 192.0.2.12"},
	} {
		s, err := ParseSelectors(strings.Fields(tc.selectors))
		if err != nil {
			if tc.want != "" {
				t.Errorf("%s: %v", tc.selectors, err)
			}
			continue
		}
		var got []string
		for _, b := range backends {
			if s.Match(netip.MustParseAddr(b.addr), b.Configured) {
				got = append(got, b.addr)
			}
		}
		if strings.Join(got, " ") != tc.want {
			t.Errorf("%s: got %v, want %s", tc.selectors, got, tc.want)
		}
	}
}

func TestALocationMayHaveASpace(t *testing.T) {
	s, err := ParseSelectors([]string{"location=52.5 13.4"})
	if err != nil || !s.Match(netip.MustParseAddr("192.0.2.1"), Configured{Location: "52.5 13.4"}) {
		t.Errorf("%+v, %v: does not match", s, err)
	}
}

func TestSelectorsThatCannotBeRead(t *testing.T) {
	for _, tc := range []struct{ selectors, want string }{
		{"", "selector: nothing given; write ADDRESS"},
		{"www.example.org", `(got "www.example.org"); write ADDRESS`},
		{"192.0.2.1 192.0.2", `(got "192.0.2"); write`},
		{"192.0.2.0/33", `(got "192.0.2.0/33")`},
		{"fe80::1%eth0", `(got "fe80::1%eth0")`},
		{"192.0.2.[12]", `(got "192.0.2.[12]")`},
		{"[*", `(got "[*")`},
		{"tier=0", `not a tier (got "tier=0"); write tier=N`},
		{"tier=two", `not a tier`},
		{"location=", `no location`},
		{"weight=2", `no property "weight" (got "weight=2")`},
	} {
		_, err := ParseSelectors(strings.Fields(tc.selectors))
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%q: got %v, want %s", tc.selectors, err, tc.want)
		}
	}
}

func TestExactAddresses(t *testing.T) {
	s, err := ParseSelectors([]string{"192.0.2.9", "192.0.2.*", "tier=1", "2001:db8::9"})
	want := []netip.Addr{netip.MustParseAddr("192.0.2.9"), netip.MustParseAddr("2001:db8::9")}
	if err != nil || !slices.Equal(s.Exact(), want) {
		t.Errorf("got %v, %v, want %v", s.Exact(), err, want)
	}
}
