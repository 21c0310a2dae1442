package test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/internal/harness"
)

// A validating resolver follows the aliases itself, believes what comes along
// with an answer if it is signed, and keeps it.
func TestAPoolsNameIsSignedEverywhere(t *testing.T) {
	base, key := harness.NewKey(t)
	zone := harness.Zone(t, aliasZone)
	for _, cache := range []string{"", "cache\n"} {
		t.Run(cache, func(t *testing.T) {
			f := newFarm(t, 3)
			s := harness.Start(t, harness.Corefile(f.pool("www.example.org www.new.example.org only.sub.example.org", "")+cache+fmt.Sprintf("onebyone\ndnssec {\nkey file %s\n}\nfile %s example.org", base, zone)))
			f.stop(f.all[0])
			up := f.all[1:]
			s.Settled("www.example.org.", dns.TypeA, up...)
			resolver := harness.Unbound(t, s.Addr, key)
			for _, name := range []string{"alias", "far", "www.old", "bare"} {
				name += ".example.org."
				for _, qtype := range []uint16{dns.TypeA, dns.TypeAAAA} {
					m := resolver.Exchange(harness.Query(name, qtype, true))
					if want := map[uint16][]string{dns.TypeA: up}[qtype]; !m.AuthenticatedData || m.Rcode != dns.RcodeSuccess || !slices.Equal(sorted(m), want) {
						t.Errorf("%s %s at unbound: want %v, secure, got\n%v", name, dns.TypeToString[qtype], want, m)
					}
					if name == "www.old.example.org." {
						continue // delv does not take CoreDNS's DNAME answers, with or without us
					}
					if out := delv(t, s.Addr, key, name, qtype); !strings.Contains(out, "fully validated") {
						t.Errorf("delv %s %s:\n%s", name, dns.TypeToString[qtype], out)
					}
				}
				m := s.Exchange(harness.Query(name, dns.TypeA, true), "udp")
				if got := sorted(m); !slices.Equal(got, up) || ofType(m.Answer, dns.TypeRRSIG) != 1+ofType(m.Answer, dns.TypeCNAME)+ofType(m.Answer, dns.TypeDNAME) {
					t.Errorf("%s: want %v with one signature for each set, got\n%v", name, up, m)
				}
			}
			for name, qtype := range map[string]uint16{"srv.example.org.": dns.TypeSRV, "mx.example.org.": dns.TypeMX, "svc.example.org.": dns.TypeHTTPS, "Svc.example.org.": dns.TypeSVCB, "www.example.org.": dns.TypeHTTPS} {
				m := resolver.Exchange(harness.Query(name, qtype, true))
				if !m.AuthenticatedData || m.Rcode != dns.RcodeSuccess || len(m.Answer) == 0 {
					t.Errorf("%s %s at unbound: not secure:\n%v", name, dns.TypeToString[qtype], m)
				}
				if out := delv(t, s.Addr, key, name, qtype); !strings.Contains(out, "fully validated") {
					t.Errorf("delv %s %s:\n%s", name, dns.TypeToString[qtype], out)
				}
				if hints := hintsIn(m); qtype != dns.TypeSRV && qtype != dns.TypeMX && !slices.Equal(hints, up) {
					t.Errorf("%s %s: hints %v, want %v", name, dns.TypeToString[qtype], hints, up)
				}
				m = s.Exchange(harness.Query(name, qtype, true), "udp")
				if got := beside(m, "www.example.org."); len(got) > 0 && (!slices.Equal(got, up) || ofType(m.Extra, dns.TypeRRSIG) != 1) {
					t.Errorf("%s %s: beside it %v, want %v with one signature", name, dns.TypeToString[qtype], got, up)
				}
			}
		})
	}
}

// ofType returns how many of rrs are of a type.
func ofType(rrs []dns.RR, rrtype uint16) (n int) {
	for _, rr := range rrs {
		if rr.Header().Rrtype == rrtype {
			n++
		}
	}
	return n
}

// What another key has signed cannot be replaced for clients that validate: they
// get it whole, with what the pool answers in front. All others get the pool's.
func TestAPoolsNameInASetSignedByOthers(t *testing.T) {
	needsAddressesBesideServices(t)
	f := newFarm(t, 3)
	f.stop(f.all[0])
	zone := harness.Zone(t, harness.SOA+addressRecords("www", f.all...)+"alias IN CNAME www\nsrv IN SRV 1 1 443 www\nsvc IN HTTPS 1 www ipv4hint="+strings.Join(f.all, ",")+"\n")
	file, key := harness.Presigned(t, zone)
	s := harness.Start(t, harness.Corefile(f.pool("www.example.org", "")+"onebyone\nfile "+file+" example.org"))
	up := f.all[1:]
	s.Settled("www.example.org.", dns.TypeA, up...)
	before := harness.Metric(t, "coredns_rrhealth_signed_addresses_total", "pool", "www.example.org.")
	m := s.Exchange(harness.Query("alias.example.org.", dns.TypeA, true), "udp")
	if got := harness.Addrs(m); len(got) != 3 || got[2] != f.all[0] || ofType(m.Answer, dns.TypeRRSIG) != 2 {
		t.Errorf("with DO: want all three, %s last, and two signatures, got\n%v", f.all[0], m)
	}
	m = s.Exchange(harness.Query("srv.example.org.", dns.TypeSRV, true), "udp")
	if got := beside(m, "www.example.org."); !slices.Equal(got, f.all) {
		t.Errorf("beside SRV with DO: want all three, got\n%v", m)
	}
	m = s.Exchange(harness.Query("svc.example.org.", dns.TypeHTTPS, true), "udp")
	if got := hintsIn(m); !slices.Equal(got, f.all) {
		t.Errorf("hints with DO: want all three, got\n%v", m)
	}
	if got := harness.Metric(t, "coredns_rrhealth_signed_addresses_total", "pool", "www.example.org.") - before; got != 4 { // two beside or in HTTPS
		t.Errorf("%v addresses counted that had to stay, want 4", got)
	}
	for _, name := range []string{"alias.example.org", "svc.example.org"} {
		qtype := map[string]uint16{"alias.example.org": dns.TypeA, "svc.example.org": dns.TypeHTTPS}[name]
		if out := delv(t, s.Addr, key, name, qtype); !strings.Contains(out, "fully validated") {
			t.Errorf("delv %s:\n%s", name, out)
		}
	}
	m = s.Exchange(harness.Query("alias.example.org.", dns.TypeA, false), "udp")
	if got := sorted(m); !slices.Equal(got, up) || ofType(m.Answer, dns.TypeRRSIG) != 0 {
		t.Errorf("without DO: want %v and no signature, got\n%v", up, m)
	}
	m = s.Exchange(harness.Query("srv.example.org.", dns.TypeSRV, false), "udp")
	if got := beside(m, "www.example.org."); !slices.Equal(got, up) {
		t.Errorf("beside SRV without DO: want %v, got\n%v", up, m)
	}
}

// The file plugin asks the server for the end of an alias that leads out of its
// zone. What had to stay in that answer is counted once, in the answer around it.
func TestASetSignedByOthersCountsOnceBehindTwoZones(t *testing.T) {
	f := newFarm(t, 2)
	f.stop(f.all[0])
	far, _ := harness.Presigned(t, harness.Zone(t, harness.SOA+addressRecords("www", f.all...)+"alias IN CNAME www\n"))
	near := harness.Zone(t, strings.ReplaceAll(harness.SOA, "@", "example.net.")+"far.example.net. IN CNAME alias.example.org.")
	s := harness.Start(t, "example.org:0 example.net:0 {\nbind 127.0.0.1\nerrors\n"+f.pool("www.example.org", "")+"file "+far+" example.org\nfile "+near+" example.net\n}\n")
	s.Settled("www.example.org.", dns.TypeA, f.all[1])
	const metric = "coredns_rrhealth_signed_addresses_total"
	before := harness.Metric(t, metric, "pool", "www.example.org.")
	m := s.Exchange(harness.Query("far.example.net.", dns.TypeA, true), "udp")
	if got := harness.Addrs(m); !slices.Equal(got, []string{f.all[1], f.all[0]}) {
		t.Errorf("want both addresses, %s last, got\n%v", f.all[0], m)
	}
	if got := harness.Metric(t, metric, "pool", "www.example.org.") - before; got != 1 {
		t.Errorf("%v addresses counted that had to stay, want 1", got)
	}
}
