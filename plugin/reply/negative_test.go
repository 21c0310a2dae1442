package reply

import (
	"strings"
	"testing"

	"github.com/miekg/dns"
)

func TestNoDataDeniesTheTypeAlone(t *testing.T) {
	r := form{size: 1232, flags: 1}.query("wWw.example.org.", dns.TypeTXT)
	m := NoData(r, "example.org.", 7)
	if m.Rcode != dns.RcodeSuccess || !m.Authoritative || len(m.Answer) != 0 || len(m.Ns) != 1 {
		t.Fatalf("got\n%v", m)
	}
	soa, ok := m.Ns[0].(*dns.SOA)
	if !ok || soa.Hdr.Name != "example.org." || soa.Hdr.Ttl != 7 || soa.Minttl != NegativeTTL {
		t.Errorf("got %v, want an SOA of the zone with a TTL of 7", m.Ns[0])
	}
}

// Some plugin may leave a record out by making it nil.
func TestExistsPassesOverNilRecords(t *testing.T) {
	m := new(dns.Msg).SetRcode(form{size: -1}.query("www.example.org.", dns.TypeTXT), dns.RcodeNameError)
	m.Ns = []dns.RR{nil}
	if got := Exists(m, "example.org."); got.Rcode != dns.RcodeSuccess || len(got.Ns) != 2 || got.Ns[0].Header().Rrtype != dns.TypeSOA {
		t.Errorf("got\n%+v\nwant an SOA in front of the nil record", got)
	}
}

// A name of more than 255 octets makes a message that no client can read.
func TestTheSOAOfAnyZoneCanBePacked(t *testing.T) {
	zones := []string{".", "org.", "example.org."}
	for octets := 240; octets <= maxName; octets++ {
		zones = append(zones, long(octets, "z", "org."))
	}
	for _, zone := range zones {
		soa := SOA(zone, 30)
		wire := make([]byte, 4*maxName)
		n, err := dns.PackRR(soa, wire, 0, nil, false)
		if err != nil {
			t.Errorf("%s: %v", zone, err)
			continue
		}
		got, _, err := dns.UnpackRR(wire[:n], 0)
		if err != nil || got.String() != soa.String() {
			t.Errorf("%s: got %v (%v)", zone, got, err)
		}
		if in := soa.Mbox == "hostmaster."+zone; in != (zone != "." && len("hostmaster."+zone) < maxName) {
			t.Errorf("a zone of %d octets has the mailbox %s", len(zone)+1, soa.Mbox)
		}
	}
}

func TestExistsKeepsAnSOA(t *testing.T) {
	for _, tc := range []struct {
		name, ns, want string
	}{
		{"none", "", "example.org. SOA"},
		{"its own", "org. 60 IN SOA ns. host. 1 2 3 4 5", "org. SOA"},
		{"other records", "example.org. 60 IN NS ns.", "example.org. SOA, example.org. NS"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := new(dns.Msg).SetRcode(form{size: -1}.query("www.example.org.", dns.TypeTXT), dns.RcodeNameError)
			if tc.ns != "" {
				m.Ns = []dns.RR{rr(t, tc.ns)}
			}
			before := m.String()
			got := Exists(m, "example.org.")
			var owners []string
			for _, rr := range got.Ns {
				owners = append(owners, rr.Header().Name+" "+dns.TypeToString[rr.Header().Rrtype])
			}
			if got.Rcode != dns.RcodeSuccess || strings.Join(owners, ", ") != tc.want {
				t.Errorf("got\n%v\nwant %s in the authority section", got, tc.want)
			}
			if m.String() != before {
				t.Errorf("the message has become\n%v", m)
			}
		})
	}
}
