package rrhealth

import (
	"bytes"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

func TestAnNSECRecordDeniesTheTypeAndNothingElse(t *testing.T) {
	for _, denied := range []uint16{dns.TypeA, dns.TypeAAAA, dns.TypeMX, dns.TypeHTTPS, dns.TypeNS, dns.TypeCNAME, dns.TypeDS, dns.TypeSOA, dns.TypeNSEC, dns.TypeRRSIG, 65400} {
		for _, apex := range []bool{false, true} {
			record := nsec("Www.Example.org.", denied, apex, 30)
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

// Nobody can read a message with a name of more than 255 octets, and nothing on
// the way complains about it.
func TestDenialsOfLongNamesCanBeRead(t *testing.T) {
	backends, port := fleet(t, 1)
	check := fmt.Sprintf("backend %s\ncheck tcp://:%s\n%s", backends[0].ip(), port, quick)
	base, key := newKey(t)
	var names []string
	for octets := 240; octets <= maxName; octets++ {
		names = append(names, long(octets, "x", "example.org."))
	}
	names = append(names, "*.wild.example.org.")
	root := ".:0 {\nbind 127.0.0.1\nerrors\nrrhealth " + strings.Join(names, " ") + " {\n" + check + "}\n"
	names[len(names)-1] = long(maxName, "w", "wild.example.org.")
	for what, config := range map[string]string{"plain": root + "}\n", "signed": root + "dnssec example.org {\nkey file " + base + "\n}\n}\n"} {
		t.Run(what, func(t *testing.T) {
			s := start(t, config)
			for _, name := range names {
				for _, qtype := range []uint16{dns.TypeTXT, dns.TypeAAAA, dns.TypeNSEC} {
					for _, do := range []bool{false, true} {
						m := s.legible(name, qtype, do)
						if signed := verified(t, key, m); do && what == "signed" && signed == 0 {
							t.Errorf("%s %s: no signature:\n%v", name, dns.Type(qtype), m)
						}
					}
				}
			}
		})
	}
	for _, zone := range []string{long(245, "z", "org."), long(250, "z", "org."), long(maxName, "z", "org.")} {
		t.Run(fmt.Sprintf("a zone of %d", len(zone)+1), func(t *testing.T) {
			s := start(t, zone+":0 {\nbind 127.0.0.1\nerrors\nrrhealth {\n"+check+"}\n}\n")
			s.legible(zone, dns.TypeAAAA, true)
			s.legible(zone, dns.TypeSOA, true)
		})
	}
	t.Run("above a name", func(t *testing.T) {
		s := start(t, ".:0 {\nbind 127.0.0.1\nerrors\nrrhealth www.example.org {\n"+check+"}\n}\n")
		s.legible("org.", dns.TypeAAAA, true)
	})
}

// legible asks a question and returns the reply, which must be whole: two
// programs read it where signatures are asked for.
func (s *server) legible(name string, qtype uint16, do bool) *dns.Msg {
	s.t.Helper()
	conn, err := net.Dial("udp", s.addr)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	q, err := question(name, qtype, do).Pack()
	if err != nil {
		s.t.Fatal(err)
	}
	wire := make([]byte, dns.MaxMsgSize)
	m := new(dns.Msg)
	if _, err = conn.Write(q); err == nil {
		var n int
		n, err = conn.Read(wire)
		if err == nil {
			err = m.Unpack(wire[:n])
		}
	}
	if err != nil || m.Rcode != dns.RcodeSuccess || len(m.Answer)+len(m.Ns) == 0 {
		s.t.Errorf("%s %s, DO %v: %v\n%v", name, dns.Type(qtype), do, err, m)
	}
	if !do {
		return m
	}
	host, port, _ := net.SplitHostPort(s.addr)
	out := run(s.t, "", program(s.t, "dig", "bind9-dnsutils"), "@"+host, "-p", port, "+dnssec", "+notcp", "+tries=1", "+time=5", name, dns.TypeToString[qtype])
	if !strings.Contains(out, "status: NOERROR") || strings.Contains(out, "malformed") || strings.Contains(out, "mismatch") {
		s.t.Errorf("dig %s %s:\n%s", name, dns.Type(qtype), out)
	}
	return m
}

// verified checks the signatures in m, all of which must be by key, and returns
// how many there are.
func verified(t *testing.T, key *dns.DNSKEY, m *dns.Msg) (n int) {
	t.Helper()
	all := slices.Concat(m.Answer, m.Ns)
	for _, rr := range all {
		sig, ok := rr.(*dns.RRSIG)
		if !ok {
			continue
		}
		set := slices.DeleteFunc(slices.Clone(all), func(rr dns.RR) bool {
			return rr.Header().Rrtype != sig.TypeCovered || rr.Header().Name != sig.Hdr.Name
		})
		if err := sig.Verify(key, set); err != nil {
			t.Errorf("the signature of %v: %v", set, err)
		}
		n++
	}
	return n
}
