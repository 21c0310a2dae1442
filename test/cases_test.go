package test

import (
	"fmt"
	"testing"

	"github.com/coredns/coredns/plugin/test"
	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/internal/harness"
)

// A pool and a filter in the form of CoreDNS's own tables. The order of answers is not
// looked at here; a TTL of 303 stands for any.
func TestCases(t *testing.T) {
	backends, port := harness.Fleet(t, 3)
	zone := harness.Zone(t, harness.SOA+fmt.Sprintf("mail IN MX 10 www\nweb IN A %s\nweb IN A %s\nweb IN TXT \"v=1\"\nalias IN CNAME web", backends[0].IP(), backends[1].IP()))
	check := fmt.Sprintf("check http://:%s/\n%s\n", port, harness.Quick)
	s := harness.Start(t, harness.Corefile(fmt.Sprintf(
		"rrhealth www.example.org {\nbackend %s %s\nbackend %s tier 2\n%s}\nrrhealth web.example.org alias.example.org {\nwatch %s/32 %s/32\n%s}\nfile %s example.org",
		backends[0].IP(), backends[1].IP(), backends[2].IP(), check, backends[0].IP(), backends[1].IP(), check, zone)))
	s.AwaitReady()
	backends[1].Stop()
	s.Settled("www.example.org.", dns.TypeA, backends[0].IP())
	s.Settled("web.example.org.", dns.TypeA, backends[0].IP())

	first := backends[0].IP()
	soa := test.SOA("example.org. 303 IN SOA ns.example.org. hostmaster.example.org. 1 7200 3600 1209600 60")
	for _, tc := range []test.Case{
		{Qname: "www.example.org.", Qtype: dns.TypeA, Authoritative: true, Answer: []dns.RR{test.A("www.example.org. 303 IN A " + first)}},
		{Qname: "web.example.org.", Qtype: dns.TypeA, Authoritative: true, Answer: []dns.RR{test.A("web.example.org. 303 IN A " + first)}, Ns: []dns.RR{test.NS("example.org. 303 IN NS ns.example.org.")}},
		{Qname: "web.example.org.", Qtype: dns.TypeTXT, Authoritative: true, Answer: []dns.RR{test.TXT(`web.example.org. 303 IN TXT "v=1"`)}, Ns: []dns.RR{test.NS("example.org. 303 IN NS ns.example.org.")}},
		{
			Qname: "alias.example.org.", Qtype: dns.TypeA, Authoritative: true,
			Answer: []dns.RR{test.CNAME("alias.example.org. 303 IN CNAME web.example.org."), test.A("web.example.org. 303 IN A " + first)},
			Ns:     []dns.RR{test.NS("example.org. 303 IN NS ns.example.org.")},
		},
		{
			Qname: "mail.example.org.", Qtype: dns.TypeMX, Authoritative: true,
			Answer: []dns.RR{test.MX("mail.example.org. 303 IN MX 10 www.example.org.")}, Ns: []dns.RR{test.NS("example.org. 303 IN NS ns.example.org.")},
		},
		{Qname: "missing.example.org.", Qtype: dns.TypeA, Rcode: dns.RcodeNameError, Authoritative: true, Ns: []dns.RR{soa}},
	} {
		t.Run(tc.Qname+" "+dns.TypeToString[tc.Qtype], func(t *testing.T) {
			if err := test.SortAndCheck(s.Exchange(tc.Msg(), "udp"), tc); err != nil {
				t.Error(err)
			}
		})
	}
}
