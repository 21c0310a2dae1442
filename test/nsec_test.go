package test

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/internal/harness"
)

// maxName is how many octets a name may have.
const maxName = 255

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

// No program can read a message with a name of more than 255 octets, and nothing on
// the way complains about it.
func TestDenialsOfLongNamesCanBeRead(t *testing.T) {
	backends, port := harness.Fleet(t, 1)
	check := fmt.Sprintf("backend %s\ncheck tcp://:%s\n%s", backends[0].IP(), port, harness.Quick)
	base, key := harness.NewKey(t)
	var names []string
	for octets := 240; octets <= maxName; octets++ {
		names = append(names, long(octets, "x", "example.org."))
	}
	names = append(names, "*.wild.example.org.")
	root := ".:0 {\nbind 127.0.0.1\nerrors\nrrhealth " + strings.Join(names, " ") + " {\n" + check + "}\n"
	names[len(names)-1] = long(maxName, "w", "wild.example.org.")
	for what, config := range map[string]string{"plain": root + "}\n", "signed": root + "dnssec example.org {\nkey file " + base + "\n}\n}\n"} {
		t.Run(what, func(t *testing.T) {
			s := harness.Start(t, config)
			for _, name := range names {
				for _, qtype := range []uint16{dns.TypeTXT, dns.TypeAAAA, dns.TypeNSEC} {
					for _, do := range []bool{false, true} {
						m := legible(t, s, name, qtype, do)
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
			s := harness.Start(t, zone+":0 {\nbind 127.0.0.1\nerrors\nrrhealth {\n"+check+"}\n}\n")
			legible(t, s, zone, dns.TypeAAAA, true)
			legible(t, s, zone, dns.TypeSOA, true)
		})
	}
	t.Run("above a name", func(t *testing.T) {
		s := harness.Start(t, ".:0 {\nbind 127.0.0.1\nerrors\nrrhealth www.example.org {\n"+check+"}\n}\n")
		legible(t, s, "org.", dns.TypeAAAA, true)
	})
}

// legible asks a question and returns the reply, which must be whole: two
// programs read it where signatures are asked for.
func legible(t *testing.T, s *harness.Server, name string, qtype uint16, do bool) *dns.Msg {
	t.Helper()
	conn, err := net.Dial("udp", s.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	q, err := harness.Query(name, qtype, do).Pack()
	if err != nil {
		t.Fatal(err)
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
		t.Errorf("%s %s, DO %v: %v\n%v", name, dns.Type(qtype), do, err, m)
	}
	if !do {
		return m
	}
	host, port, _ := net.SplitHostPort(s.Addr)
	out := harness.Run(t, "", harness.Program(t, "dig", "bind9-dnsutils"), "@"+host, "-p", port, "+dnssec", "+notcp", "+tries=1", "+time=5", name, dns.TypeToString[qtype])
	if !strings.Contains(out, "status: NOERROR") || strings.Contains(out, "malformed") || strings.Contains(out, "mismatch") {
		t.Errorf("dig %s %s:\n%s", name, dns.Type(qtype), out)
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
