package rrhealth

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/coredns/coredns/request"
	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/internal/harness"
	"github.com/rrhealth/rrhealth/plugin/pool"
	"github.com/rrhealth/rrhealth/plugin/reply"
)

// A pen signs for example.org with key 7, and keeps what it was given.
type pen struct{ signed []string }

func (p *pen) Sign(state request.Request, _ time.Time, _ string) *dns.Msg {
	m := state.Req
	p.signed = append(p.signed, fmt.Sprint(m.Answer))
	if first := m.Answer[0].Header(); dns.IsSubDomain("example.org.", first.Name) {
		m.Answer = append(m.Answer, &dns.RRSIG{
			Hdr:         dns.RR_Header{Name: first.Name, Rrtype: dns.TypeRRSIG, Class: dns.ClassINET, Ttl: first.Ttl},
			TypeCovered: first.Rrtype, Algorithm: dns.ECDSAP256SHA256, KeyTag: 7, SignerName: "example.org.", Signature: "AAAA",
		})
	}
	return m
}

// The plugin's cache of signatures is keyed by the records as they come.
func TestWhateverOrderCaseAndTTLASetHasItIsSignedTheSame(t *testing.T) {
	p := new(pen)
	s := &signer{dnssec: p}
	for _, lines := range [][]string{
		{"www.example.org. 30 IN A 192.0.2.1", "www.example.org. 30 IN A 192.0.2.2"},
		{"www.example.org. 30 IN A 192.0.2.2", "www.example.org. 30 IN A 192.0.2.1"},
		{"wWw.eXample.org. 7 IN A 192.0.2.2", "wWw.eXample.org. 7 IN A 192.0.2.1"},
	} {
		set := rrs(t, lines...)
		sigs := s.set(set, "")
		if len(sigs) != 1 || sigs[0].Header().Name != set[0].Header().Name || sigs[0].Header().Ttl != set[0].Header().Ttl {
			t.Errorf("%v: signatures %v, want one with the owner and the TTL of the set", set, sigs)
		}
		if got := fmt.Sprint(set); got != fmt.Sprint(rrs(t, lines...)) {
			t.Errorf("the set was changed: %s", got)
		}
	}
	for _, signed := range p.signed {
		if signed != p.signed[0] {
			t.Errorf("signed %s and %s, want the same each time", p.signed[0], signed)
		}
	}
}

func TestOnlyWhoHasSignedASetSignsItAgain(t *testing.T) {
	for keyTag, want := range map[int]string{7: "192.0.2.2", 1: "192.0.2.2 192.0.2.1"} {
		r := harness.Query("www.example.org.", dns.TypeA, true)
		m := answerTo(r, rrs(t, "www.example.org. 300 IN A 192.0.2.1", "www.example.org. 300 IN A 192.0.2.2",
			fmt.Sprintf("www.example.org. 300 IN RRSIG A 13 3 300 20300101000000 20200101000000 %d example.org. BBBB", keyTag))...)
		config := plainConfig
		config.Policy = pool.Sequential
		h := filtering(config, m, down)
		h.signer = &signer{dnssec: new(pen)}
		got := written(t, h, r)
		if text := strings.Join(harness.Addrs(got), " "); text != want {
			t.Errorf("signed with key %d: %s, want %s", keyTag, text, want)
		}
		if sig, ok := got.Answer[len(got.Answer)-1].(*dns.RRSIG); !ok || int(sig.KeyTag) != keyTag || sig.Hdr.Ttl != 10 {
			t.Errorf("signed with key %d: %v", keyTag, got.Answer)
		}
		signed := h.rules.Filters[0].Counts.Signed.Addresses()
		if (signed == 1) != (keyTag == 1) {
			t.Errorf("signed with key %d: %d addresses counted as left for their signatures", keyTag, signed)
		}
	}
}

func TestWithoutThePluginNothingIsSigned(t *testing.T) {
	var s *signer
	if sigs := s.set(rrs(t, "www.example.org. 30 IN A 192.0.2.1"), ""); sigs != nil {
		t.Errorf("signatures %v", sigs)
	}
	if proof := s.denial("www.example.org.", dns.TypeA, reply.SOA("example.org.", reply.NegativeTTL), false, ""); proof != nil {
		t.Errorf("proof %v", proof)
	}
	if sigs := (&signer{dnssec: new(pen)}).set(rrs(t, "www.example.net. 30 IN A 192.0.2.1"), ""); sigs != nil {
		t.Errorf("signatures %v for a name in no zone of the plugin's", sigs)
	}
}

func TestOnlyADenialThatThePluginMadeUpIsCorrected(t *testing.T) {
	soa := "example.org. 60 IN SOA ns.example.org. hostmaster.example.org. 1 7200 1800 86400 60"
	record := `www.example.org. 60 IN NSEC \000.www.example.org. A TXT RRSIG NSEC`
	signed := func(owner string, keyTag int) string {
		return fmt.Sprintf("%s 60 IN RRSIG NSEC 13 3 3600 20300101000000 20200101000000 %d example.org. BBBB", owner, keyTag)
	}
	for _, tc := range []struct {
		name          string
		qtype         uint16
		answer        bool // the record stands in the answer section
		records       []string
		wantCorrected bool
	}{
		{"made up", dns.TypeMX, false, []string{soa, record, signed("wWw.example.org.", 7)}, true},
		{"the record itself", dns.TypeNSEC, true, []string{record, signed("www.example.org.", 7)}, true},
		{"another key", dns.TypeMX, false, []string{soa, record, signed("www.example.org.", 1)}, false},
		{"no signature", dns.TypeMX, false, []string{soa, record}, false},
		{"DS", dns.TypeDS, false, []string{soa, record, signed("www.example.org.", 7)}, false},
		{"a zone's own record", dns.TypeMX, false, []string{soa, "www.example.org. 60 IN NSEC x.example.org. A TXT RRSIG NSEC", signed("www.example.org.", 7)}, false},
		{"of another name", dns.TypeMX, false, []string{soa, `x.example.org. 60 IN NSEC \000.x.example.org. A RRSIG NSEC`, signed("x.example.org.", 7)}, false},
		{"nothing", dns.TypeMX, false, []string{soa}, false},
	} {
		m := new(dns.Msg)
		m.SetReply(harness.Query("www.example.org.", tc.qtype, true))
		m.Ns = rrs(t, tc.records...)
		if tc.answer {
			m.Answer, m.Ns = m.Ns, nil
		}
		before := m.String()
		got := (&signer{dnssec: new(pen)}).corrected(m, "")
		if m.String() != before {
			t.Errorf("%s: the message was changed", tc.name)
		}
		if (got.String() != before) != tc.wantCorrected {
			t.Errorf("%s: got\n%v", tc.name, got)
		}
		if tc.wantCorrected && (!strings.Contains(got.String(), "HTTPS") || strings.Contains(got.String(), "BBBB") || len(got.Answer)+len(got.Ns) != len(tc.records)) {
			t.Errorf("%s: got\n%v", tc.name, got)
		}
	}
}
