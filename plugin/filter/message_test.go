package filter

import (
	"fmt"
	"reflect"
	"testing"

	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/plugin/pool"
)

func TestAnAnswerThatIsNotPositivePassesAsItIs(t *testing.T) {
	r := query("www.example.org.", dns.TypeA, false)
	set := records(t, "www.example.org. 300 IN A 192.0.2.1", "www.example.org. 300 IN A 192.0.2.2")
	change := func(f func(*dns.Msg)) *dns.Msg {
		m := answerTo(r, set...)
		f(m)
		return m
	}
	for name, m := range map[string]*dns.Msg{
		"nil":           nil,
		"empty":         new(dns.Msg),
		"NXDOMAIN":      change(func(m *dns.Msg) { m.Rcode = dns.RcodeNameError }),
		"SERVFAIL":      change(func(m *dns.Msg) { m.Rcode = dns.RcodeServerFailure }),
		"truncated":     change(func(m *dns.Msg) { m.Truncated = true }),
		"no question":   change(func(m *dns.Msg) { m.Question = nil }),
		"two questions": change(func(m *dns.Msg) { m.Question = append(m.Question, m.Question[0]) }),
		"a query":       change(func(m *dns.Msg) { m.Response = false }),
		"a referral": change(func(m *dns.Msg) {
			m.Answer, m.Ns, m.Extra = nil, records(t, "example.org. 300 IN NS ns.example.org."), records(t, "ns.example.org. 300 IN A 192.0.2.1")
		}),
		"name servers": change(func(m *dns.Msg) {
			m.Answer, m.Extra = records(t, "example.org. 300 IN NS ns.example.org."), records(t, "ns.example.org. 300 IN A 192.0.2.1")
		}),
		"NODATA":   change(func(m *dns.Msg) { m.Answer, m.Ns = nil, records(t, "example.org. 300 IN SOA a. b. 1 2 3 4 5") }),
		"an alias": change(func(m *dns.Msg) { m.Answer = records(t, "www.example.org. 300 IN CNAME www.example.net.") }),
		"unwatched": change(func(m *dns.Msg) {
			m.Answer = records(t, "www.example.org. 300 IN A 127.0.0.1", "www.example.org. 300 IN A 169.254.169.254")
		}),
	} {
		t.Run(name, func(t *testing.T) {
			if got := judged(t, filtering(plainSettings, nil), r, m); got != m {
				t.Errorf("got another message:\n%v\nwant\n%v", got, m)
			}
		})
	}
}

// The cases are answers as they come from below, and what leaves.
func TestAnswersAreThinned(t *testing.T) {
	const www, sig = "www.example.org. 300 IN ", "www.example.org. 300 IN RRSIG "
	signature := sig + "A 13 3 300 20300101000000 20200101000000 1 example.org. AAAA"
	for _, tc := range []struct {
		name                                 string
		qtype                                uint16
		do                                   bool
		answer, extra, wantAnswer, wantExtra []string
		ad                                   bool // survives
	}{
		{
			name: "one set", qtype: dns.TypeA,
			answer:     []string{www + "A 192.0.2.1", www + "A 192.0.2.2"},
			wantAnswer: []string{"www.example.org. 10 IN A 192.0.2.2"},
		},
		{
			name: "an alias stays first", qtype: dns.TypeA,
			answer:     []string{"a.example.org. 300 IN CNAME www.example.org.", www + "A 192.0.2.1", www + "A 192.0.2.2"},
			wantAnswer: []string{"a.example.org. 300 IN CNAME www.example.org.", "www.example.org. 10 IN A 192.0.2.2"},
		},
		{
			name: "case does not part a set", qtype: dns.TypeA,
			answer:     []string{www + "A 192.0.2.1", "WWW.example.org. 300 IN A 192.0.2.2"},
			wantAnswer: []string{"WWW.example.org. 10 IN A 192.0.2.2"},
		},
		{
			name: "a set in pieces", qtype: dns.TypeANY,
			answer:     []string{www + "A 192.0.2.1", www + "TXT \"t\"", www + "A 192.0.2.2", www + "AAAA 2001:db8::9"},
			wantAnswer: []string{"www.example.org. 10 IN A 192.0.2.2", www + "TXT \"t\"", "www.example.org. 30 IN AAAA 2001:db8::9"},
		},
		{
			name: "ANY keeps a set that is all down", qtype: dns.TypeANY,
			answer:     []string{www + "A 192.0.2.1", www + "AAAA 2001:db8::9"},
			wantAnswer: []string{"www.example.org. 10 IN A 192.0.2.1", "www.example.org. 30 IN AAAA 2001:db8::9"},
			ad:         true,
		},
		{
			name: "one TTL for all of a set", qtype: dns.TypeA,
			answer:     []string{www + "A 192.0.2.2", "www.example.org. 20 IN A 192.0.2.4"},
			wantAnswer: []string{"www.example.org. 20 IN A 192.0.2.2", "www.example.org. 20 IN A 192.0.2.4"},
			ad:         true,
		},
		{
			name: "a signature goes with a set that has changed, for those who do not check", qtype: dns.TypeA,
			answer:     []string{www + "A 192.0.2.1", www + "A 192.0.2.2", signature},
			wantAnswer: []string{"www.example.org. 10 IN A 192.0.2.2"},
		},
		{
			name: "a strange signature keeps a set whole", qtype: dns.TypeA, do: true,
			answer:     []string{www + "A 192.0.2.1", www + "A 192.0.2.2", signature},
			wantAnswer: []string{"www.example.org. 10 IN A 192.0.2.2", "www.example.org. 10 IN A 192.0.2.1", "www.example.org. 10 IN RRSIG A 13 3 300 20300101000000 20200101000000 1 example.org. AAAA"},
			ad:         true,
		},
		{
			name: "additional addresses", qtype: dns.TypeSRV,
			answer:     []string{www + "SRV 1 1 1 a.example.org.", www + "SRV 1 1 1 b.example.org."},
			extra:      []string{"a.example.org. 300 IN A 192.0.2.1", "a.example.org. 300 IN A 192.0.2.2", "b.example.org. 300 IN A 192.0.2.3", "b.example.org. 300 IN AAAA 2001:db8::9"},
			wantAnswer: []string{"www.example.org. 10 IN SRV 1 1 1 a.example.org.", "www.example.org. 10 IN SRV 1 1 1 b.example.org."},
			wantExtra:  []string{"a.example.org. 10 IN A 192.0.2.2", "b.example.org. 30 IN AAAA 2001:db8::9"},
		},
		{
			name: "hints", qtype: dns.TypeHTTPS,
			answer:     []string{www + "HTTPS 1 . mandatory=alpn,ipv6hint alpn=h2 ipv4hint=192.0.2.1,192.0.2.2 ipv6hint=2001:db8::1"},
			wantAnswer: []string{"www.example.org. 10 IN HTTPS 1 . mandatory=alpn alpn=h2 ipv4hint=192.0.2.2"},
		},
		{
			name: "hints with a strange signature", qtype: dns.TypeHTTPS, do: true,
			answer:     []string{www + "HTTPS 1 . ipv4hint=192.0.2.1", sig + "HTTPS 13 3 300 20300101000000 20200101000000 1 example.org. AAAA"},
			wantAnswer: []string{"www.example.org. 10 IN HTTPS 1 . ipv4hint=192.0.2.1", "www.example.org. 10 IN RRSIG HTTPS 13 3 300 20300101000000 20200101000000 1 example.org. AAAA"},
			ad:         true,
		},
		{
			name: "additional hints", qtype: dns.TypeSRV,
			answer:     []string{www + "SRV 1 1 1 a.example.org."},
			extra:      []string{"a.example.org. 300 IN HTTPS 1 . ipv4hint=192.0.2.1,192.0.2.2", "b.example.org. 20 IN HTTPS 1 . ipv4hint=192.0.2.2"},
			wantAnswer: []string{www + "SRV 1 1 1 a.example.org."},
			wantExtra:  []string{"a.example.org. 10 IN HTTPS 1 . ipv4hint=192.0.2.2", "b.example.org. 20 IN HTTPS 1 . ipv4hint=192.0.2.2"},
		},
		{
			name: "an IPv4 address in IPv6 form is none of ours", qtype: dns.TypeAAAA,
			answer:     []string{www + "AAAA ::ffff:192.0.2.1", www + "AAAA 2001:db8::9"},
			wantAnswer: []string{"www.example.org. 30 IN AAAA ::ffff:192.0.2.1", "www.example.org. 30 IN AAAA 2001:db8::9"},
			ad:         true,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := query("www.example.org.", tc.qtype, tc.do)
			m := answerTo(r, records(t, tc.answer...)...)
			m.AuthenticatedData = true
			m.Extra = records(t, tc.extra...)
			before := m.Copy()
			config := plainSettings
			config.Policy = pool.Sequential
			got := judged(t, filtering(config, nil), r, m)
			if !reflect.DeepEqual(m.Copy(), before) {
				t.Errorf("the message from below was changed:\n%v\nwas\n%v", m, before)
			}
			for section, pair := range map[string][2][]dns.RR{"answer": {got.Answer, records(t, tc.wantAnswer...)}, "additional": {got.Extra, records(t, tc.wantExtra...)}} {
				if g, w := fmt.Sprint(pair[0]), fmt.Sprint(pair[1]); g != w {
					t.Errorf("%s:\n%s\nwant\n%s", section, g, w)
				}
			}
			if got.AuthenticatedData != tc.ad {
				t.Errorf("AD is %v, want %v", got.AuthenticatedData, tc.ad)
			}
		})
	}
}

func TestAnUnchangedAnswerIsTheVerySameMessage(t *testing.T) {
	r := query("www.example.org.", dns.TypeA, false)
	m := answerTo(r, records(t, "www.example.org. 30 IN A 192.0.2.2", "www.example.org. 30 IN A 192.0.2.4")...)
	config := plainSettings
	config.Policy = pool.Sequential
	if got := judged(t, filtering(config, nil), r, m); got != m {
		t.Errorf("got a copy:\n%v", got)
	}
}
