package reply

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

func TestAnNSECRecordDeniesTheTypeAndNothingElse(t *testing.T) {
	for _, denied := range []uint16{dns.TypeA, dns.TypeAAAA, dns.TypeMX, dns.TypeHTTPS, dns.TypeNS, dns.TypeCNAME, dns.TypeDS, dns.TypeSOA, dns.TypeNSEC, dns.TypeRRSIG, 65400} {
		for _, apex := range []bool{false, true} {
			record := NSEC("Www.Example.org.", denied, apex, 30)
			wire := make([]byte, 1000)
			n, err := dns.PackRR(record, wire, 0, nil, false)
			if err != nil {
				t.Fatal(err)
			}
			rr, _, err := dns.UnpackRR(wire[:n], 0)
			if err != nil {
				t.Fatal(err)
			}
			got := rr.(*dns.NSEC)
			if got.Hdr.Name != "www.example.org." || got.NextDomain != `\000.www.example.org.` || got.Hdr.Ttl != 30 {
				t.Errorf("got %v", got)
			}
			has := func(types ...uint16) (some, all bool) {
				all = true
				for _, qtype := range types {
					one := slices.Contains(got.TypeBitMap, qtype)
					some, all = some || one, all && (one || qtype == denied)
				}
				return some, all
			}
			what := fmt.Sprintf("%s denied, apex %v", dns.Type(denied), apex)
			if _, all := has(dns.TypeRRSIG, dns.TypeNSEC); !all || !slices.Contains(got.TypeBitMap, dns.TypeNSEC) {
				t.Errorf("%s: RRSIG and NSEC are not both there: %v", what, got)
			}
			if denied != dns.TypeNSEC && slices.Contains(got.TypeBitMap, denied) {
				t.Errorf("%s: is there: %v", what, got)
			}
			if some, _ := has(dns.TypeCNAME, dns.TypeDNAME, dns.TypeDS, dns.TypeANY, dns.TypeOPT); some {
				t.Errorf("%s: a type that must not be there: %v", what, got)
			}
			if some, all := has(dns.TypeNS, dns.TypeSOA, dns.TypeDNSKEY); some && !apex || apex && !all {
				t.Errorf("%s: the apex's types: %v", what, got)
			}
			if _, all := has(dns.TypeA, dns.TypeAAAA, dns.TypeMX, dns.TypeTXT, dns.TypeSRV, dns.TypeHTTPS, dns.TypeSVCB, dns.TypeCAA, dns.TypeTLSA,
				dns.TypeSSHFP, dns.TypeNAPTR, dns.TypeLOC, dns.TypeHINFO, dns.TypeCERT, dns.TypeURI, dns.TypePTR, dns.TypeRP); !all {
				t.Errorf("%s: denies more: %v", what, got)
			}
		}
	}
}

// long returns a name of so many octets on the wire, below base.
func long(octets int, fill, base string) string {
	name := base
	for left := octets - len(base) - 1; left > 0; {
		n := min(left-1, 63)
		if left-1-n == 1 { // a label takes two octets at least
			n--
		}
		name, left = strings.Repeat(fill, n)+"."+name, left-1-n
	}
	return name
}

func TestTheSuccessorIsTheNextName(t *testing.T) {
	x := func(n int) string { return strings.Repeat("x.", n) }
	wide := strings.Repeat("x", 62)
	for name, want := range map[string]string{
		".":                            `\000.`,
		"org.":                         `\000.org.`,
		long(253, "x", "example.org."): `\000.` + long(253, "x", "example.org."),
		x(125) + "zz.":                 `x\000.` + x(124) + "zz.",   // no room for a label, but for an octet
		wide + "x." + x(93) + "zz.":    wide + "y." + x(93) + "zz.", // nor for that
		x(126) + "z.":                  "y." + x(125) + "z.",
		"@." + x(125) + "z.":           "[." + x(125) + "z.", // not A, which is sorted as a
		`z\255.` + x(124) + "zz.":      "{." + x(124) + "zz.",
		`\255.` + x(125) + "z.":        "", // what follows is not below its parent
	} {
		if got := successor(name); got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
}

func FuzzSuccessor(f *testing.F) {
	for _, name := range []string{"org.", long(254, "x", "org."), long(255, "x", "org."), long(255, `\255`, "org."), long(255, "@", "org."), long(254, `z\255`, "org.")} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		var room [maxName]byte
		name = strings.ToLower(dns.Fqdn(name))
		n, err := dns.PackDomainName(name, room[:], 0, nil, false)
		if err != nil {
			t.Skip()
		}
		name, _, _ = dns.UnpackDomainName(room[:n], 0)
		next := successor(name)
		if next == "" {
			if !slices.Contains(room[:n], 0xff) {
				t.Errorf("nothing follows %s", name)
			}
			return
		}
		if !fits(next) || next != strings.ToLower(next) {
			t.Errorf("%s: %s does not fit", name, next)
		}
		if compareNames(t, name, next) >= 0 {
			t.Errorf("%s does not come behind %s", next, name)
		}
		// Nothing lies in between: not the name with a label or an octet more.
		for _, between := range []string{`\000.` + name, strings.Replace(name, ".", `\000.`, 1)} {
			_, err := dns.PackDomainName(between, make([]byte, maxName), 0, nil, false)
			if err == nil && compareNames(t, name, between) < 0 && compareNames(t, between, next) < 0 {
				t.Errorf("%s lies between %s and %s", between, name, next)
			}
		}
	})
}

// compareNames compares names in the canonical order (RFC 4034, section 6.1).
func compareNames(t *testing.T, a, b string) int {
	t.Helper()
	labels := func(name string) [][]byte {
		wire := make([]byte, maxName)
		if _, err := dns.PackDomainName(name, wire, 0, nil, false); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var all [][]byte
		for at := 0; wire[at] != 0; at += 1 + int(wire[at]) {
			all = append(all, bytes.ToLower(wire[at+1:at+1+int(wire[at])]))
		}
		slices.Reverse(all)
		return all
	}
	return slices.CompareFunc(labels(a), labels(b), bytes.Compare)
}
