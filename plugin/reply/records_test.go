package reply

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/plugin/pool"
)

func TestAddr(t *testing.T) {
	mapped := net.IPv4(192, 0, 2, 1) // in 16 bytes
	for _, tc := range []struct {
		name string
		rr   dns.RR
		want string
	}{
		{"A", rr(t, "x. 30 IN A 192.0.2.1"), "192.0.2.1"},
		{"A in 16 bytes", &dns.A{A: mapped}, "192.0.2.1"},
		{"AAAA", rr(t, "x. 30 IN AAAA 2001:db8::1"), "2001:db8::1"},
		{"A without address", new(dns.A), "invalid IP"},
		{"A with an IPv6 address", &dns.A{A: net.IPv6loopback}, "invalid IP"},
		{"AAAA with an IPv4 address", &dns.AAAA{AAAA: mapped}, "invalid IP"},
		{"AAAA with four bytes", &dns.AAAA{AAAA: mapped.To4()}, "invalid IP"},
		{"another type", rr(t, "x. 30 IN MX 10 y."), "invalid IP"},
		{"no record", nil, "invalid IP"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := Addr(tc.rr).String(); got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
}

func TestRecordsAreThoseOfTheMembers(t *testing.T) {
	for _, f := range pool.Families {
		members, order := membersOf(f, 3)
		got := Records("www.example.org.", 7, members, order)
		if len(got) != 3 || cap(got) < 4 {
			t.Fatalf("%d records with room for %d, want 3 with room for a signature", len(got), cap(got))
		}
		for i, rr := range got {
			want := fmt.Sprintf("www.example.org.\t7\tIN\t%s\t%s", [...]string{pool.V4: "A", pool.V6: "AAAA"}[f], members[order[i]].Addr)
			if rr.String() != want {
				t.Errorf("got %v, want %s", rr, want)
			}
		}
	}
}

func TestACopyHasAnotherHeader(t *testing.T) {
	for _, line := range []string{
		"x. 30 IN A 192.0.2.1",
		"x. 30 IN AAAA 2001:db8::1",
		"x. 30 IN RRSIG A 13 3 3600 20300101000000 20200101000000 1 example.org. BBBB",
		"x. 30 IN HTTPS 1 . ipv4hint=192.0.2.1",
	} {
		from := rr(t, line)
		before := from.String()
		got := Copy(from, "Y.", 7)
		if want := strings.Replace(before, "x.\t30", "Y.\t7", 1); got.String() != want {
			t.Errorf("got %v, want %s", got, want)
		}
		if from.String() != before {
			t.Errorf("the record has become %v", from)
		}
	}
}

func TestRecordsAreCopiedOnlyForAnotherTTL(t *testing.T) {
	var rrs []dns.RR
	for _, line := range []string{
		"x. 30 IN A 192.0.2.1", "x. 7 IN A 192.0.2.2", "x. 30 IN AAAA 2001:db8::1", "x. 7 IN AAAA 2001:db8::2", "x. 30 IN MX 10 y.", "x. 7 IN MX 10 z.",
	} {
		rrs = append(rrs, rr(t, line))
	}
	before := fmt.Sprint(rrs)
	places := []int32{5, 4, 3, 2, 1, 0}
	var s Section
	s.Group(rrs, func(uint16) bool { return true })
	got := s.AppendWithTTL(nil, s.Store(places...), 7)
	for i, place := range places {
		same, had := got[i] == rrs[place], rrs[place].Header().Ttl == 7
		if same != had || got[i].Header().Ttl != 7 {
			t.Errorf("%v became %v, the same record: %t", rrs[place], got[i], same)
		}
	}
	if fmt.Sprint(rrs) != before {
		t.Errorf("the records have become %v", rrs)
	}
}

func TestCopiesOfASetAreOneAllocation(t *testing.T) {
	var rrs []dns.RR
	var places []int32
	for i := range 30 {
		rrs, places = append(rrs, Record("x.", 300, netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}))), append(places, int32(i))
	}
	var s Section
	s.Group(rrs, func(uint16) bool { return true })
	dst, all := make([]dns.RR, 0, len(rrs)), s.Store(places...)
	if got := leastAllocs(func() { s.AppendWithTTL(dst, all, 30) }); got != 1 {
		t.Errorf("%v allocations, want one", got)
	}
}

func TestHints(t *testing.T) {
	for line, want := range map[string]string{
		"x. 30 IN HTTPS 1 . alpn=h2 ipv4hint=192.0.2.1,192.0.2.2 ipv6hint=2001:db8::1": "192.0.2.1 192.0.2.2 2001:db8::1",
		"x. 30 IN SVCB 1 y. ipv6hint=2001:db8::1":                                      "2001:db8::1",
		"x. 30 IN SVCB 0 y.":   "",
		"x. 30 IN A 192.0.2.1": "",
	} {
		var got []string
		for addr := range Hints(rr(t, line)) {
			got = append(got, addr.String())
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: got %v, want %s", line, got, want)
		}
	}
	for addr := range Hints(rr(t, "x. 30 IN HTTPS 1 . ipv4hint=192.0.2.1,192.0.2.2")) {
		if addr.String() != "192.0.2.1" {
			t.Errorf("%s comes after the end", addr)
		}
		break
	}
}

func TestDropHints(t *testing.T) {
	const down1, down2, up = "192.0.2.1", "2001:db8::1", "192.0.2.9"
	drop := func(addr netip.Addr) bool { return addr.String() == down1 || addr.String() == down2 }
	for _, tc := range []struct{ name, value, want string }{
		{"one of two", "alpn=h2 ipv4hint=192.0.2.1,192.0.2.9", `alpn="h2" ipv4hint="192.0.2.9"`},
		{"all of one family", "ipv4hint=192.0.2.9 ipv6hint=2001:db8::1", `ipv4hint="192.0.2.9"`},
		{"all, which were mandatory", "mandatory=alpn,ipv4hint alpn=h2 ipv4hint=192.0.2.1", `mandatory="alpn" alpn="h2"`},
		{"all, and nothing else was mandatory", "mandatory=ipv4hint ipv4hint=192.0.2.1", ""},
		{"none", "mandatory=ipv4hint ipv4hint=192.0.2.9", "unchanged"},
		{"no hints", "alpn=h2", "unchanged"},
	} {
		for _, rrtype := range []string{"HTTPS", "SVCB"} {
			t.Run(tc.name+", "+rrtype, func(t *testing.T) {
				from := rr(t, "x. 30 IN "+rrtype+" 1 . "+tc.value)
				before := from.String()
				got, want := "unchanged", tc.want
				if dropped := DropHints(from, drop); dropped != nil {
					got = strings.TrimSpace(strings.TrimPrefix(dropped.String(), "x.\t30\tIN\t"+rrtype+"\t1 ."))
				}
				if got != want {
					t.Errorf("got %s, want %s", got, want)
				}
				if from.String() != before {
					t.Errorf("the record has become %v", from)
				}
			})
		}
	}
	if got := DropHints(rr(t, "x. 30 IN A "+down1), drop); got != nil {
		t.Errorf("a record without hints became %v", got)
	}
	if drop(netip.MustParseAddr(up)) {
		t.Errorf("%s is dropped", up)
	}
}

func TestEditHintsIsGivenEachFamily(t *testing.T) {
	from := rr(t, "x. 30 IN HTTPS 1 . ipv4hint=192.0.2.1,192.0.2.2 ipv6hint=2001:db8::1")
	before := from.String()
	got := EditHints(from, func(f pool.Family, ips []net.IP) []net.IP {
		if f == pool.V4 {
			slices.Reverse(ips)
			return ips
		}
		return []net.IP{net.ParseIP("2001:db8::2")}
	})
	if want := "x.\t30\tIN\tHTTPS\t1 . ipv4hint=\"192.0.2.2,192.0.2.1\" ipv6hint=\"2001:db8::2\""; got.String() != want {
		t.Errorf("got %v, want %s", got, want)
	}
	if from.String() != before {
		t.Errorf("the record has become %v", from)
	}
	other := rr(t, "x. 30 IN A 192.0.2.1")
	if got := EditHints(other, nil); got == other || got.String() != other.String() {
		t.Errorf("a record without hints became %v, want a copy", got)
	}
}

func TestSameName(t *testing.T) {
	for _, tc := range []struct {
		a, b string
		want bool
	}{
		{"www.example.org.", "www.example.org.", true},
		{"www.example.org.", "WWW.eXample.ORG.", true},
		{"", "", true},
		{"www.example.org.", "www.example.org", false},
		{"www.example.org.", "wwx.example.org.", false},
		{"[.", "{.", false}, // ASCII letters are not all that differs by 32
		{"@.", "`.", false},
		{"\xc4.", "\xe4.", false},
	} {
		if got := SameName(tc.a, tc.b); got != tc.want {
			t.Errorf("%q and %q: got %t, want %t", tc.a, tc.b, got, tc.want)
		}
	}
}
