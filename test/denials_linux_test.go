package test

import (
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/internal/harness"
)

// otherTypes are what the names below have besides addresses.
var otherTypes = []struct {
	qtype uint16
	data  string
}{
	{dns.TypeMX, "10 mx.example."}, {dns.TypeHTTPS, "1 . alpn=\"h2\""}, {dns.TypeSVCB, "1 . alpn=\"h3\""},
	{dns.TypeTXT, "\"some text\""}, {dns.TypeSRV, "1 2 443 srv.example."},
}

// zoneOfOtherTypes is a zone whose names have all of them, and an address that
// is down beside one that is up. Below deep there is a delegation.
func (n *network) zoneOfOtherTypes(zone, server string) string {
	text := fmt.Sprintf("$ORIGIN %s\n$TTL 300\n@ IN SOA ns hostmaster 1 7200 1800 86400 60\n@ IN NS ns\nns IN A %s\nchild.deep IN NS ns.child.deep\nns.child.deep IN A %s\n", zone, server, unsigned)
	for _, name := range []string{"@", "www", "deep", "lacking"} {
		text += fmt.Sprintf("%s IN A %s\n%s IN AAAA %s\n", name, v4Backend, name, v6Backend)
		for _, other := range otherTypes {
			text += fmt.Sprintf("%s IN %s %s\n", name, dns.TypeToString[other.qtype], other.data)
		}
	}
	return n.write("db."+zone, text)
}

// signedZones are zones whose A records are all down, by the server's address.
var signedZones = map[string]string{"filter.": "10.53.0.2", "serve.": "10.53.0.3", "bare.": "10.53.0.4"}

// zones returns server blocks for signedZones: one filtered, one with pools and
// the zone below them, one with pools and nothing below.
func (n *network) zones() string {
	n.t.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort(v6Backend, "0"))
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { _ = l.Close() })
	go harness.Accept(l)
	_, port, _ := net.SplitHostPort(l.Addr().String())
	// What refuses is down at once; what accepts has time to, however busy the machine.
	check := "check tcp://:" + port + "\ninterval 4s\ntimeout 3s\n}\n"
	blocks := ""
	keys := make(map[string]*dns.DNSKEY)
	for zone, addr := range signedZones {
		stanza := fmt.Sprintf("rrhealth %[1]s www.%[1]s deep.%[1]s lacking.%[1]s {\nbackend %[2]s %[3]s\n", zone, v4Backend, v6Backend)
		below := "file " + n.zoneOfOtherTypes(zone, addr) + " " + zone
		switch zone {
		case "filter.":
			stanza = "rrhealth {\nwatch 10.53.1.0/24 fd53::/64\n"
		case "bare.":
			below = ""
		}
		base, key := harness.NewKeyFor(n.t, zone)
		keys[zone] = key
		blocks += fmt.Sprintf("%s:53 {\nbind %s\nerrors\nonebyone\n%sdnssec {\nkey file %s\n}\n%s\n}\n", zone, addr, stanza+check, base, below)
	}
	child := n.write("db.child", "@ 300 IN SOA ns hostmaster 1 7200 1800 86400 60\n@ 300 IN NS ns\nns 300 IN A "+unsigned+"\n@ 300 IN TXT \"below\"\n")
	return blocks + fmt.Sprintf("child.deep.filter.:53 child.deep.serve.:53 {\nbind %s\nerrors\nfile %s\n}\n", unsigned, child) + n.signedRoot(signedZones, keys)
}

// A name whose A records are denied keeps its other types with any resolver
// that uses the proof: RFC 8198.
func TestADenialDeniesNothingElseToResolversThatValidate(t *testing.T) {
	if !apart(t, [2]string{"unbound", "unbound"}, [2]string{"named", "bind9"}, [2]string{"pdns_recursor", "pdns-recursor"},
		[2]string{"kresd", "knot-resolver"}, [2]string{"ldns-signzone", "ldnsutils"}) {
		return
	}
	n := newNetwork(t)
	harness.Start(t, n.zones())
	for zone, addr := range signedZones {
		harness.Eventually(t, "A is denied in "+zone, func() bool {
			r, err := harness.Exchange(harness.Query("www."+zone, dns.TypeA, true), "udp", addr+":53")
			return err == nil && r.Rcode == dns.RcodeSuccess && len(harness.Addrs(r)) == 0
		})
	}
	for _, r := range n.resolvers() {
		t.Run(filepath.Base(r.program), func(t *testing.T) {
			r.t = t
			r.checkZone("filter.")
			r.checkZone("serve.")
			// Here it is the dnssec plugin that denies, for a name of ours.
			r.wantSecure("lacking.serve.", dns.TypeCAA)
			r.wantOtherTypes("lacking.serve.")
			for _, name := range []string{"www.bare.", "bare."} {
				r.wantSecure(name, dns.TypeA)
				r.wantSecure(name, dns.TypeAAAA, v6Backend)
				if m := r.secure(name, dns.TypeNSEC); len(m.Answer) == 0 {
					t.Errorf("%s NSEC is no answer:\n%v", name, m)
				}
			}
		})
	}
}

// checkZone asks for the names of a zone: first for what is denied, then for the
// rest.
func (a resolver) checkZone(zone string) {
	a.t.Helper()
	for _, name := range []string{"www." + zone, zone, "deep." + zone} {
		a.wantSecure(name, dns.TypeA)
		a.wantOtherTypes(name)
	}
	for _, qtype := range []uint16{dns.TypeSOA, dns.TypeNS, dns.TypeDNSKEY} {
		if r := a.secure(zone, qtype); len(r.Answer) == 0 {
			a.t.Errorf("%s %s is empty:\n%v", zone, dns.Type(qtype), r)
		}
	}
	below := a.Exchange(harness.Query("child.deep."+zone, dns.TypeTXT, true))
	if below.Rcode != dns.RcodeSuccess || len(below.Answer) != 1 {
		a.t.Errorf("below the delegation: got\n%v", below)
	}
}

// secure returns what a is answered, which must be secure.
func (a resolver) secure(name string, qtype uint16) *dns.Msg {
	a.t.Helper()
	r := a.Exchange(harness.Query(name, qtype, true))
	if r.Rcode != dns.RcodeSuccess || !r.AuthenticatedData {
		a.t.Errorf("%s %s is not secure:\n%v", name, dns.TypeToString[qtype], r)
	}
	return r
}

// wantSecure fails the test where a is not answered these data, securely.
func (a resolver) wantSecure(name string, qtype uint16, want ...string) {
	a.t.Helper()
	r := a.secure(name, qtype)
	var got []string
	for _, rr := range r.Answer {
		if rr.Header().Rrtype == qtype {
			got = append(got, strings.TrimPrefix(rr.String(), rr.Header().String()))
		}
	}
	if !slices.Equal(got, want) {
		a.t.Errorf("%s %s: got %q, want %q:\n%v", name, dns.TypeToString[qtype], got, want, r)
	}
}

// wantOtherTypes asks for everything that name has but A.
func (a resolver) wantOtherTypes(name string) {
	a.t.Helper()
	for _, other := range otherTypes {
		a.wantSecure(name, other.qtype, other.data)
	}
	a.wantSecure(name, dns.TypeAAAA, v6Backend)
}
