package test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/internal/harness"
	"github.com/rrhealth/rrhealth/internal/lease"
)

// subnet returns the client subnet option of m as text: 198.51.100.0/24/20 with
// the scope last, or "" if it has none.
func subnet(t *testing.T, m *dns.Msg) string {
	t.Helper()
	if m.IsEdns0() == nil {
		return ""
	}
	var found []string
	for _, o := range m.IsEdns0().Option {
		if s, ok := o.(*dns.EDNS0_SUBNET); ok {
			found = append(found, fmt.Sprintf("%s/%d/%d", s.Address, s.SourceNetmask, s.SourceScope))
		}
	}
	if len(found) > 1 {
		t.Errorf("%d client subnet options, want one: %v", len(found), found)
	}
	return strings.Join(found, " ")
}

// RFC 7871, section 7.2.1: a client that sends the option gets it back, with a scope
// of 0 where the answer is the same for all clients.
func TestTheScopeOfAnAnswer(t *testing.T) {
	s := harness.Start(t, harness.Corefile(`
	metadata
	rrhealth sticky.example.org {
		backend 192.0.2.1 192.0.2.2 192.0.2.3
		policy sticky
	}
	rrhealth narrow.example.org {
		backend 192.0.2.1 192.0.2.2 192.0.2.3
		policy sticky 20 48
	}
	rrhealth lone.example.org {
		backend 192.0.2.1
		policy sticky
	}
	rrhealth nearest.example.org {
		backend 192.0.2.1 location 50 8
		backend 192.0.2.2 location 40 -74
		policy nearest
	}
	rrhealth rotate.example.org {
		backend 192.0.2.1 192.0.2.2
	}`))
	for _, tc := range []struct {
		name, network string
		qtype         uint16
		want          string
	}{
		{"sticky", "198.51.100.0/24", dns.TypeA, "198.51.100.0/24/24"},
		{"sticky", "198.51.100.7/32", dns.TypeA, "198.51.100.7/32/24"}, // as much as was used
		{"sticky", "198.51.0.0/16", dns.TypeA, "198.51.0.0/16/16"},     // as much as there was
		{"sticky", "0.0.0.0/0", dns.TypeA, "0.0.0.0/0/0"},
		{"sticky", "2001:db8:1:2::/64", dns.TypeA, "2001:db8:1:2::/64/56"},
		{"sticky", "2001:db8::/32", dns.TypeA, "2001:db8::/32/32"},
		{"sticky", "198.51.100.0/24", dns.TypeAAAA, "198.51.100.0/24/0"}, // NODATA is for all
		{"sticky", "198.51.100.0/24", dns.TypeTXT, "198.51.100.0/24/0"},
		{"sticky", "", dns.TypeA, ""},
		{"narrow", "198.51.100.0/24", dns.TypeA, "198.51.100.0/24/20"},
		{"narrow", "2001:db8:1:2::/64", dns.TypeA, "2001:db8:1:2::/64/48"},
		{"lone", "198.51.100.0/24", dns.TypeA, "198.51.100.0/24/0"},
		{"nearest", "198.51.100.0/24", dns.TypeA, "198.51.100.0/24/24"},
		{"nearest", "198.51.100.7/32", dns.TypeA, "198.51.100.7/32/32"},
		{"nearest", "0.0.0.0/0", dns.TypeA, "0.0.0.0/0/0"},
		{"rotate", "198.51.100.0/24", dns.TypeA, "198.51.100.0/24/0"},
		{"rotate", "", dns.TypeA, ""},
	} {
		m := harness.QueryFrom(tc.name+".example.org.", tc.network)
		m.Question[0].Qtype = tc.qtype
		r := s.Exchange(m, "udp")
		if got := subnet(t, r); got != tc.want || r.Rcode != dns.RcodeSuccess {
			t.Errorf("%s, type %s, %q: %s, option %q, want %q", tc.name, dns.TypeToString[tc.qtype], tc.network, dns.RcodeToString[r.Rcode], got, tc.want)
		}
	}
	// Without EDNS there is no place for an option.
	if r := s.Ask("sticky.example.org.", dns.TypeA); r.IsEdns0() != nil {
		t.Errorf("OPT for a client without EDNS: %v", r)
	}
	// What dig sends for +subnet=0.
	m := harness.QueryFrom("sticky.example.org.", "0.0.0.0/0")
	m.IsEdns0().Option[0].(*dns.EDNS0_SUBNET).Family = 0
	if r := s.Exchange(m, "udp"); r.Rcode != dns.RcodeSuccess || len(r.Answer) != 3 {
		t.Errorf("family 0: %v", r)
	}
	// The flags of the query's OPT come back beside the option.
	m = harness.QueryFrom("sticky.example.org.", "198.51.100.0/24")
	m.IsEdns0().SetDo()
	if r := s.Exchange(m, "udp"); !r.IsEdns0().Do() || subnet(t, r) == "" {
		t.Errorf("DO and the option: %v", r)
	}
}

func TestAMalformedClientSubnetIsAFormErr(t *testing.T) {
	s := harness.Start(t, harness.Corefile("rrhealth www.example.org {\n"+tenBackends+"policy sticky\n}"))
	scoped := harness.QueryFrom("www.example.org.", "198.51.100.0/24")
	scoped.IsEdns0().Option[0].(*dns.EDNS0_SUBNET).SourceScope = 24
	// The library zeroes the bits beyond the length, so their bytes are put in.
	beyond, err := harness.QueryFrom("www.example.org.", "198.51.100.0/24").Pack()
	if err != nil {
		t.Fatal(err)
	}
	beyond[len(beyond)-5]-- // the length: 23 of an odd third byte
	if beyond[len(beyond)-1] = 101; beyond[len(beyond)-5] != 23 {
		t.Fatalf("no length where it was looked for: %x", beyond)
	}
	packed, err := scoped.Pack()
	if err != nil {
		t.Fatal(err)
	}
	for name, query := range map[string][]byte{"a scope": packed, "bits beyond the length": beyond} {
		r := exchangeBytes(t, s.Addr, query)
		if r.Rcode != dns.RcodeFormatError || len(r.Answer) != 0 || subnet(t, r) != "" {
			t.Errorf("%s: %v\nwant FORMERR", name, r)
		}
	}
}

func exchangeBytes(t *testing.T, addr string, query []byte) *dns.Msg {
	t.Helper()
	conn, err := dns.Dial("udp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write(query); err != nil {
		t.Fatal(err)
	}
	r, err := conn.ReadMsg()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// An extended error and a client subnet share the one OPT record that a message
// may have.
func TestOneOPTRecordHoldsAllThatIsToSay(t *testing.T) {
	s := harness.Start(t, harness.Corefile(fmt.Sprintf(`rrhealth www.example.org {
		backend 127.0.63.1 127.0.63.2
		check tcp://:%s
		%s
		policy sticky
	}`, lease.Closed(t), harness.Quick)))
	harness.Eventually(t, "all is down", func() bool { return allDown(t) })
	r := s.Exchange(harness.QueryFrom("www.example.org.", "198.51.100.0/24"), "udp")
	opts := 0
	for _, rr := range r.Extra {
		if rr.Header().Rrtype == dns.TypeOPT {
			opts++
		}
	}
	if opts != 1 || subnet(t, r) != "198.51.100.0/24/24" || harness.EDE(r) == "" {
		t.Errorf("%d OPT records, option %q, extended error %q in\n%v", opts, subnet(t, r), harness.EDE(r), r)
	}
}
