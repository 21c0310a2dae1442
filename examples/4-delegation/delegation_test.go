//go:build linux

// Package delegation tests the example in this folder.
package delegation

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/examples/internal/lab"
)

const (
	// bound is interval + 2 × fast + timeout of the Corefile.
	bound = 2*time.Second + 2*500*time.Millisecond + 400*time.Millisecond

	// settledTTL is the TTL of a pool with an interval of two seconds.
	settledTTL = 4

	name = "get.example.org."
)

type set struct {
	*lab.Lab
	resolver, client *lab.Host
	machines         [2]*lab.Host
	web              [2]*lab.Web
	control          string // unbound's configuration, for unbound-control
	signed           bool
}

// build sets up a parent, two download servers that answer DNS themselves, and
// a resolver that is configured with the root and, if signed, the key of the
// zone.
func build(t *testing.T, allDown string, signed bool) set {
	t.Helper()
	l := lab.New(t, "unbound", "unbound-control")
	parent := l.Host("parent", "10.0.0.2")
	s := set{Lab: l, resolver: l.Host("resolver", "10.0.0.1"), client: l.Host("client", "10.9.0.1"), signed: signed}
	corefile, anchor, env := "Corefile", "", []string{"ALL_DOWN=" + allDown}
	if signed {
		corefile = "Corefile.signed"
		anchor = fmt.Sprintf("\ttrust-anchor: %q\n", s.key())
		env = append(env, "KEY="+s.Dir+"/Kget")
	}
	parent.CoreDNS("Corefile.parent")
	for i := range s.machines {
		s.machines[i] = l.Host(fmt.Sprintf("get%d", i+1), fmt.Sprintf("10.4.0.%d", i+1))
		s.web[i] = s.machines[i].Web(80)
		s.machines[i].CoreDNS(corefile, append(env, "ADDRESS="+s.machines[i].Addr())...)
	}
	socket := l.Dir + "/control"
	s.resolver.Unbound(anchor + fmt.Sprintf(`	root-hints: %q
remote-control:
	control-enable: yes
	control-interface: %s
	control-use-cert: no
`, l.File("hints", ". 3600 NS a.root.\na.root. 3600 A 10.0.0.2\n"), socket))
	s.control = l.Dir + "/unbound-resolver.conf"
	l.Hold("dig @10.0.0.1 get.example.org")
	s.fresh()
	return s
}

// key makes a key for the zone, as dnssec-keygen does, and returns its DS record.
func (s set) key() string {
	s.T.Helper()
	k := &dns.DNSKEY{
		Hdr:   dns.RR_Header{Name: name, Rrtype: dns.TypeDNSKEY, Class: dns.ClassINET, Ttl: 3600},
		Flags: dns.ZONE | dns.SEP, Protocol: 3, Algorithm: dns.ECDSAP256SHA256,
	}
	private, err := k.Generate(256)
	if err != nil {
		s.T.Fatal(err)
	}
	s.File("Kget.key", k.String()+"\n")
	s.File("Kget.private", k.PrivateKeyString(private))
	return strings.ReplaceAll(k.ToDS(dns.SHA256).String(), "\t", " ")
}

// fresh flushes the name, and the state of name servers, from the resolver.
func (s set) fresh() {
	s.T.Helper()
	for _, args := range [][]string{{"flush_zone", name}, {"flush_infra", "all"}} {
		if out, err := s.resolver.Run("unbound-control", append([]string{"-c", s.control}, args...)...); err != nil {
			s.T.Fatalf("unbound-control %v: %v\n%s", args, err, out)
		}
	}
}

// idle reports whether the resolver has no query for the name in progress.
// While it has one, it adds new clients to it, and they get the same answer.
func (s set) idle() bool {
	s.T.Helper()
	out, err := s.resolver.Run("unbound-control", "-c", s.control, "dump_requestlist")
	if err != nil {
		s.T.Fatalf("unbound-control dump_requestlist: %v\n%s", err, out)
	}
	return !strings.Contains(out, name)
}

// resolve makes one lookup, for which the resolver must query the name servers
// again. It repeats the query as every stub resolver does (glibc after 5 s):
// unbound discards an answer that arrives later than 1.9 s after the query,
// because the client has repeated its query by then, and gets the answer from
// the cache.
func (s set) resolve() (r *dns.Msg, err error) {
	s.T.Helper()
	s.fresh()
	m := new(dns.Msg).SetQuestion(name, dns.TypeA)
	m.AuthenticatedData = true // ask for the AD bit: RFC 6840, section 5.7
	for range 4 {
		r, err = s.client.Exchange(m, s.resolver.Addr(), 3*time.Second)
		if err == nil {
			if len(r.Answer) > 0 && r.AuthenticatedData != s.signed {
				s.T.Errorf("AD is %v, want %v:\n%v", r.AuthenticatedData, s.signed, r)
			}
			return r, nil
		}
	}
	return r, err
}

// always resolves n times, and returns how often the answer was not want alone.
func (s set) always(want string, n int) (failed int) {
	s.T.Helper()
	var slowest time.Duration
	defer func() { s.T.Logf("the slowest of %d lookups took %v", n, slowest.Round(time.Millisecond)) }()
	for range n {
		begin := time.Now()
		r, err := s.resolve()
		slowest = max(slowest, time.Since(begin))
		if err != nil || !slices.Equal(lab.Addrs(r), []string{want}) {
			s.T.Errorf("the resolver answers %v (%v), want %s", r, err, want)
			failed++
		}
	}
	return failed
}

// silent waits until the machine's name server no longer answers with its
// address, and returns the time from since to the last such answer.
func (s set) silent(machine *lab.Host, since time.Time) time.Duration {
	s.T.Helper()
	last := since
	s.Eventually(machine.Name+" withdraws", func() bool {
		r, err := s.client.Exchange(new(dns.Msg).SetQuestion(name, dns.TypeA), machine.Addr(), 500*time.Millisecond)
		if err == nil && len(lab.Addrs(r)) > 0 {
			last = time.Now()
			return false
		}
		return true
	})
	return last.Sub(since)
}

const queries = 6

// TestAResolverUsesTheOtherServer has a machine whose name server is up and
// whose web server is down: it must answer so that the resolver uses the other.
func TestAResolverUsesTheOtherServer(t *testing.T) {
	for _, allDown := range []string{"drop", "refused", "servfail"} {
		for _, signed := range []bool{false, true} {
			title := "4 delegation, all_down " + allDown
			if signed {
				title += ", signed"
			}
			t.Run(title, func(t *testing.T) { usesTheOther(t, title, build(t, allDown, signed)) })
		}
	}
}

func usesTheOther(t *testing.T, title string, s set) {
	t.Helper()
	s.ready()
	stopped := time.Now()
	s.web[0].Stop()
	detection := s.silent(s.machines[0], stopped)
	failed := s.always(s.machines[1].Addr(), queries)

	// With both down the resolver fails, instead of answering an address that
	// is down.
	s.web[1].Stop()
	s.silent(s.machines[1], time.Now())
	if r, err := s.resolve(); !failure(r, err) {
		t.Errorf("with both down the resolver answers %v (%v), want SERVFAIL", r, err)
	}

	s.web[0].Start()
	s.Eventually("the first machine answers again", func() bool { return s.gives(s.machines[0]) })
	s.Eventually("the resolver has no query in progress", s.idle)
	failed += s.always(s.machines[0].Addr(), 3)
	lab.Report(t, lab.Row{
		Scenario: title, Killed: "one web server, its name server is up",
		Detection: detection, Bound: bound, Failed: failed, Of: queries + 3,
	})
}

// failure reports whether a resolver found no answer: it answers SERVFAIL, or
// is still querying servers that do not answer.
func failure(r *dns.Msg, err error) bool {
	return err == nil && r.Rcode == dns.RcodeServerFailure || errors.Is(err, os.ErrDeadlineExceeded)
}

// ready waits until both name servers have had their first verdicts.
func (s set) ready() {
	s.T.Helper()
	for _, m := range s.machines {
		s.Eventually(m.Name+" answers with its address", func() bool { return s.gives(m) })
	}
}

// gives reports whether a machine's name server answers with its address and
// the settled TTL.
func (s set) gives(m *lab.Host) bool {
	r, err := s.client.Ask(m.Addr(), name, dns.TypeA)
	return err == nil && slices.Equal(lab.Addrs(r), m.Addrs) && r.Answer[0].Header().Ttl == settledTTL
}

// TestAnswerFailsOpen has all_down answer: the addresses that are down are
// answered.
func TestAnswerFailsOpen(t *testing.T) {
	for _, signed := range []bool{false, true} {
		title := "4 delegation, all_down answer"
		if signed {
			title += ", signed"
		}
		t.Run(title, func(t *testing.T) {
			s := build(t, "answer", signed)
			s.ready()
			s.web[0].Stop()
			s.web[1].Stop()
			s.Eventually("both are down", func() bool { return !s.gives(s.machines[0]) && !s.gives(s.machines[1]) })
			r, err := s.resolve()
			if err != nil || len(lab.Addrs(r)) != 1 {
				t.Errorf("with both down the resolver answers %v (%v), want one address", r, err)
			}
			lab.Report(t, lab.Row{Scenario: title, Killed: "both web servers", Detection: -1, Of: 1})
		})
	}
}

// TestAMachineThatIsGone cuts a whole machine off. Plain delegation handles
// that, and must go on doing so.
func TestAMachineThatIsGone(t *testing.T) {
	s := build(t, "drop", false)
	s.ready()
	s.Cut(s.machines[0])
	failed := s.always(s.machines[1].Addr(), queries)
	lab.Report(t, lab.Row{Scenario: "4 delegation", Killed: "one machine, packets dropped", Detection: -1, Failed: failed, Of: queries})
}
