package rrhealth

import (
	"bytes"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/plugin/pkg/edns"
	"github.com/coredns/coredns/request"
	"github.com/miekg/dns"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/rrhealth/rrhealth/internal/harness"
	"github.com/rrhealth/rrhealth/plugin/pool"
	"github.com/rrhealth/rrhealth/plugin/reply"
)

// A packer keeps what is written, as the bytes that would be sent.
type packer struct {
	nullWriter
	addr net.Addr // of the client, unless it is the usual one
	sent []byte
}

func (p *packer) RemoteAddr() net.Addr {
	if p.addr == nil {
		return p.nullWriter.RemoteAddr()
	}
	return p.addr
}

func (p *packer) WriteMsg(m *dns.Msg) error {
	var err error
	p.sent, err = m.Pack()
	return err
}

// Of what a filter makes of an answer from below, the message, as the server sends
// it, and the bytes of the fast path are the same.
func TestTheFiltersFastPathIsByteEqualToTheSlowPath(t *testing.T) {
	addresses := func(owner, rrtype, prefix string, n int) (lines []string) {
		for i := range n {
			lines = append(lines, fmt.Sprintf("%s %d IN %s %s%d", owner, 20+10*i, rrtype, prefix, i+1))
		}
		return lines
	}
	alias := func(owner, target string) string { return owner + " 300 IN CNAME " + target }
	authority := []string{"example.org. 3600 IN NS ns1.example.org.", "example.org. 3600 IN NS NS2.example.net."}
	glue := []string{"ns1.example.org. 300 IN A 192.0.2.53", "ns1.example.org. 300 IN AAAA 2001:db8::53"}
	bodies := []struct {
		what              string
		answer, ns, extra []string
		twist             func(*dns.Msg)
		never             bool // as bytes
	}{
		{what: "A", answer: addresses("www.example.org.", "A", "192.0.2.", 3)},
		{what: "A, all the same TTL", answer: []string{"www.example.org. 30 IN A 192.0.2.4", "www.example.org. 30 IN A 192.0.2.5"}},
		{what: "AAAA", answer: addresses("www.example.org.", "AAAA", "2001:db8::", 4)},
		{what: "owners in two cases", answer: []string{"wWw.example.org. 30 IN A 192.0.2.3", "www.example.ORG. 40 IN A 192.0.2.4"}},
		{what: "alias", answer: append([]string{alias("www.example.org.", "a.example.net.")}, addresses("a.example.net.", "A", "192.0.2.", 5)...)},
		{what: "two aliases", answer: append([]string{alias("www.example.org.", `a\.b.example.net.`), alias(`a\.b.example.net.`, `\000\255.x.`)}, addresses(`\000\255.x.`, "A", "192.0.2.", 2)...)},
		{what: "alias only", answer: []string{alias("www.example.org.", "a.example.net.")}},
		{what: "both families", answer: append(addresses("www.example.org.", "A", "192.0.2.", 3), addresses("www.example.org.", "AAAA", "2001:db8::", 3)...)},
		{what: "authority", answer: addresses("www.example.org.", "A", "192.0.2.", 3), ns: authority},
		{what: "authority and glue", answer: addresses("www.example.org.", "A", "192.0.2.", 3), ns: authority, extra: glue},
		{what: "thirty", answer: addresses("www.example.org.", "A", "192.0.2.", 30)},
		{what: "a hundred", answer: addresses("www.example.org.", "A", "192.0.2.", 100)},
		{what: "OPT from below", answer: addresses("www.example.org.", "A", "192.0.2.", 3), twist: func(m *dns.Msg) { m.SetEdns0(4096, true) }, never: true},
		{what: "no record", answer: addresses("www.example.org.", "A", "192.0.2.", 2), twist: func(m *dns.Msg) { m.Ns = []dns.RR{nil} }, never: true},
		{what: "no address", answer: addresses("www.example.org.", "A", "192.0.2.", 2), twist: func(m *dns.Msg) { m.Answer[1].(*dns.A).A = nil }, never: true},
		{what: "another address", answer: addresses("www.example.org.", "A", "192.0.2.", 2), twist: func(m *dns.Msg) { m.Answer[1].(*dns.A).A = net.IPv6loopback }, never: true},
		{what: "signed", answer: append(addresses("www.example.org.", "A", "192.0.2.", 3), "www.example.org. 300 IN RRSIG A 13 3 300 20300101000000 20200101000000 1 example.org. AAAA")},
		{what: "SRV", answer: []string{"www.example.org. 300 IN SRV 1 1 80 a.example.org."}, extra: addresses("a.example.org.", "A", "192.0.2.", 3), never: true},
	}
	fast, slow := 0, 0
	for _, body := range bodies {
		for flags := range 64 {
			r := request1("www.example.org.", dns.TypeA, []int{-1, 512, 1232, 4096}[flags&3], flags>>2, "")
			m := answerTo(r, rrs(t, body.answer...)...)
			m.Ns = rrs(t, body.ns...)
			m.Authoritative, m.RecursionAvailable, m.AuthenticatedData = flags&4 != 0, flags&8 != 0, flags&16 != 0
			m.Compress, m.Zero = flags&32 != 0, flags&32 != 0
			m.Extra = rrs(t, body.extra...)
			if body.twist != nil {
				body.twist(m)
			}
			config := plainConfig
			config.Policy, config.MaxAnswers = pool.Policy(flags&1), flags&2
			h := filtering(config, m, down)
			switch ok := bothPaths(t, h, m, r); {
			case ok && body.never:
				t.Errorf("%s: as bytes", body.what)
			case ok:
				fast++
			default:
				slow++
			}
		}
	}
	if fast < 600 || slow < 300 {
		t.Errorf("%d answers took the fast path and %d the slow one, want many of both", fast, slow)
	}
}

// bothPaths makes of m, as an answer to r, what h's first filter does, as bytes
// and as the message that the server would send, over UDP and TCP. It fails the
// test where they differ, and reports whether there were bytes over UDP.
func bothPaths(t *testing.T, h *RRHealth, m, r *dns.Msg) (fast bool) {
	t.Helper()
	for i, addr := range []net.Addr{
		&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)},
		&net.UDPAddr{IP: net.IPv6loopback},
		&net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)},
	} {
		r := r.Copy() // the server changes it
		want := &packer{addr: addr}
		w := h.judging(t.Context(), request.NewScrubWriter(r, want), r, h.match(r), h.rules.Filters[0])
		j := w.query.Judge()
		result := j.Message(m, reply.Limits{})
		if result.Dropped() {
			return false
		}
		limits, ok := limitsOf(w.RemoteAddr(), r)
		if !ok {
			t.Fatalf("no bounds for %T", addr)
		}
		got := new(reply.Packet)
		fast = !handsBack(r) && result.Pack(got, limits)
		out := *result.Message()
		j.Put()
		out.Extra = slices.Clone(out.Extra)
		if err := w.ResponseWriter.WriteMsg(&out); err != nil && fast {
			t.Errorf("bytes where there is no message: %v", err)
		}
		if fast && !bytes.Equal(got.Bytes(), want.sent) {
			t.Errorf("over %s (%d), answer to\n%v\nfrom\n%v\nshort %x\nlong  %x", addr.Network(), i, r, m, got.Bytes(), want.sent)
		}
	}
	return fast
}

func request1(name string, qtype uint16, size, flags int, options string) *dns.Msg {
	m := new(dns.Msg)
	m.SetQuestion(name, qtype)
	m.Id = 4711
	m.RecursionDesired = flags&1 != 0
	m.CheckingDisabled = flags&2 != 0
	if size < 0 {
		return m
	}
	m.SetEdns0(uint16(size), flags&4 != 0)
	o := m.IsEdns0()
	if flags&8 != 0 {
		o.Hdr.Ttl |= 0x0080 | 0x4000 // bits that must be zero: one is cleared, one is not
	}
	if strings.Contains(options, "cookie") {
		o.Option = append(o.Option, &dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: "0123456789abcdef"})
	}
	if strings.Contains(options, "ecs") {
		o.Option = append(o.Option, &dns.EDNS0_SUBNET{Code: dns.EDNS0SUBNET, Family: 1, SourceNetmask: 24, Address: net.IPv4(192, 0, 2, 0).To4()})
		o.Option = append(o.Option, &dns.EDNS0_NSID{Code: dns.EDNS0NSID})
	}
	return m
}

func TestOptionsThatTheServerHandsBackTakeTheSlowPath(t *testing.T) {
	code := uint16(65001) // what is supported once, in a process, is for good
	for edns.SupportedOption(code) {
		code++
	}
	r := request1("www.example.org.", dns.TypeA, 1232, 0, "")
	r.IsEdns0().Option = []dns.EDNS0{&dns.EDNS0_LOCAL{Code: code, Data: []byte("x")}}
	if handsBack(r) {
		t.Error("an option without support took the slow path")
	}
	edns.SetSupportedOption(code)
	if !handsBack(r) {
		t.Error("an option that is to be handed back was dropped")
	}
}

// The client gets the same bytes, whichever plugins stand above. The test also
// checks which path they took: a fast path that is never taken would be useless,
// and one that bypasses a plugin that needs the message would be worse.
func TestEveryPluginAboveGetsWhatItNeeds(t *testing.T) {
	stanza := "rrhealth www.example.org {\nbackend 192.0.2.1 192.0.2.2 192.0.2.3 2001:db8::1\npolicy sequential\n}"
	for _, tc := range []struct {
		above string
		fast  bool
	}{
		{"", true},
		{"errors", true},
		{"prometheus 127.0.0.1:0", true},
		{"errors\nprometheus 127.0.0.1:0", true},
		{"acl {\nallow\n}", true},
		{"metadata", true},
		{"log", false},
		{"log\nprometheus 127.0.0.1:0", false},
		{"loadbalance", false},
		{"rewrite name other.example.org www.example.org", false},
		{"rewrite stop {\nname regex (.*)\\.example\\.net {1}.example.org\nanswer auto\n}", true},
	} {
		t.Run(tc.above, func(t *testing.T) {
			s := harness.Start(t, "example.org:0 {\nbind 127.0.0.1\n"+tc.above+"\n"+stanza+"\n}\n")
			for _, qtype := range []uint16{dns.TypeA, dns.TypeAAAA} {
				for _, size := range []int{-1, 512, 1232} {
					r := request1("wWw.example.org.", qtype, size, 1, "")
					before := fastAnswers(t)
					got := sent(t, s.Addr, r)
					if fast := fastAnswers(t) > before; fast != tc.fast && tc.above != "rewrite name other.example.org www.example.org" {
						t.Errorf("the fast path was taken: %t, want %t", fast, tc.fast)
					}
					want := &packer{}
					f := pool.V4
					if qtype == dns.TypeAAAA {
						f = pool.V6
					}
					p := &handlerOf(t, s).rules.Pools[0]
					members := p.Snapshot().Choices[f].Members
					order := []int{0, 1, 2}[:len(members)]
					r = request1("wWw.example.org.", qtype, size, 1, "")
					if err := request.NewScrubWriter(r, want).WriteMsg(reply.Answer(r, 30, members, order, f)); err != nil {
						t.Fatal(err)
					}
					if strings.HasPrefix(tc.above, "loadbalance") {
						continue // it shuffles
					}
					if !bytes.Equal(got, want.sent) {
						t.Errorf("sent %x\nwant %x", got, want.sent)
					}
				}
			}
		})
	}
}

// Two servers get the same queries. One of them logs, so that all its answers take
// the slow path. With any other plugin above, and any below, the client gets the
// same to the last bit.
func TestBothPathsSendTheSameBytes(t *testing.T) {
	backends, port := harness.Fleet(t, 3)
	up := harness.IPs(backends[1:]...)
	backends[0].Stop()
	zone := harness.Zone(t, strings.Join(numbered("web IN A "+strings.TrimSuffix(backends[0].IP(), "1")+"%d", 1, 4), "\n")+`
@ IN SOA ns1 hostmaster 1 7200 3600 1209600 60
@ IN NS ns1
ns1 IN A 192.0.2.53
web IN AAAA 2001:db8::1
alias IN CNAME web
srv IN SRV 1 1 80 web
*.wild IN A 192.0.2.7
many IN A 192.0.2.10
`+strings.Join(numbered("many IN A 192.0.2.%d", 100, 140), "\n"))
	ours := "rrhealth www.example.org {\nbackend 192.0.2.1 192.0.2.2 192.0.2.3 2001:db8::1\npolicy sequential\n}\n" +
		"rrhealth v4.example.org {\nbackend 192.0.2.1\n}\n" +
		"rrhealth {\npolicy sequential\nwatch " + strings.TrimSuffix(backends[0].IP(), "1") + "0/24\ncheck tcp://:" + port + "\ninterval 1s fast 100ms\ntimeout 100ms\n}\n"
	for _, tc := range []struct {
		above string
		fast  bool // at least sometimes
	}{
		{"", true},
		{"errors\nprometheus 127.0.0.1:0", true},
		{"bufsize 512", true},
		{"cancel", true},
		{"metadata", true},
		{"debug", true},
		{"local", true},
		{"acl {\nfilter type AAAA\n}", true},
		{"any", true},
		{"chaos v1 me", true},
		{"tsig {\nsecret key.example.org. NoTCJU+DMqFWywaPyxSijrDEA/eC3nK0xi3AMEZuPVk=\n}", true},
		{"nsid abc", true}, // unless it is asked for
		{"dnstap /nonexistent full", false},
		{"dns64", true},                         // A queries
		{"rewrite ttl www.example.org 7", true}, // other names
		{"rewrite edns0 local set 0xffee abcd", !harness.Since(1, 14)},        // since then it looks at the reply
		{"rewrite name suffix .x.example.org .example.org answer auto", true}, // other names
		{"shed", false}, // since CoreDNS 1.14
		{"cache", true},
		{"minimal", true},
		{"header {\nresponse set aa\n}", true},
	} {
		if tc.above == "shed" && !slices.Contains(dnsserver.Directives, "shed") {
			continue
		}
		t.Run(tc.above, func(t *testing.T) {
			block := "example.org:0 {\nbind 127.0.0.1\n" + tc.above + "\n" + ours + "file " + zone + "\n%s}\n"
			s := harness.Start(t, fmt.Sprintf(block, ""))
			slow := harness.Start(t, fmt.Sprintf(block, "log\n"))
			s.Settled("web.example.org.", dns.TypeA, slices.Clone(up)...)
			slow.Settled("web.example.org.", dns.TypeA, slices.Clone(up)...)
			before := fastAnswers(t)
			for _, q := range questions() {
				r, want := q(), q()
				got, want2 := sent(t, s.Addr, r), sent(t, slow.Addr, want)
				if !bytes.Equal(got, want2) {
					t.Errorf("%v\nsent %x\nwant %x", &r.Question[0], got, want2)
				}
			}
			if fast := fastAnswers(t) > before; fast != tc.fast {
				t.Errorf("the fast path was taken: %t, want %t", fast, tc.fast)
			}
		})
	}
}

// numbered returns the format filled in with each number.
func numbered(format string, from, to int) (all []string) {
	for i := from; i < to; i++ {
		all = append(all, fmt.Sprintf(format, i))
	}
	return all
}

// questions returns queries that lead to answers of every kind.
func questions() (all []func() *dns.Msg) {
	for _, name := range []string{"www", "wWw", "v4", "web", "WEB", "alias", "srv", "a.wild", "many", "no", "ns1", "www.x"} {
		for _, qtype := range []uint16{dns.TypeA, dns.TypeAAAA, dns.TypeSRV, dns.TypeANY, dns.TypeNS} {
			for i, size := range []int{-1, 512, 1232, 4096} {
				options := []string{"", "cookie", "nsid,ecs", ""}[i]
				all = append(all, func() *dns.Msg { return request1(name+".example.org.", qtype, size, i, options) })
			}
		}
	}
	return all
}

// fastAnswers returns how many answers took the fast path, of all servers.
func fastAnswers(t *testing.T) float64 {
	t.Helper()
	return testutil.ToFloat64(fastPathAnswers)
}

// sent returns the bytes of the reply to r.
func sent(t *testing.T, addr string, r *dns.Msg) []byte {
	t.Helper()
	conn, err := net.Dial("udp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	packed, err := r.Pack()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write(packed); err != nil {
		t.Fatal(err)
	}
	_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	buf := make([]byte, dns.MaxMsgSize)
	n, err := conn.Read(buf)
	if err != nil {
		t.Fatal(err)
	}
	return buf[:n]
}

// The file plugin resolves a CNAME that leads out of its zone by asking the
// server itself, and captures the answer. Bytes would go to the client instead.
func TestAnAnswerThatIsCapturedIsNotSent(t *testing.T) {
	zone := harness.Zone(t, "@ IN SOA ns1 hostmaster 1 7200 3600 1209600 60\nalias IN CNAME www.example.net.")
	s := harness.Start(t, fmt.Sprintf(`example.org:0 {
    bind 127.0.0.1
    file %s
}
example.net:0 {
    bind 127.0.0.1
    rrhealth www.example.net {
        backend 192.0.2.1 192.0.2.2
        policy sequential
    }
}
`, zone))
	before := fastAnswers(t)
	m := s.Ask("alias.example.org.", dns.TypeA)
	if got := fmt.Sprint(harness.Addrs(m)); got != "[192.0.2.1 192.0.2.2]" || m.Answer[0].(*dns.CNAME).Target != "www.example.net." {
		t.Errorf("answer %q, want the alias and both addresses", got)
	}
	if fastAnswers(t) != before {
		t.Error("the captured answer was written as bytes")
	}
	if got := harness.Addrs(s.Exchange(query("www.example.net."), "tcp")); !slices.Equal(got, []string{"192.0.2.1", "192.0.2.2"}) || fastAnswers(t) != before {
		t.Errorf("over TCP: %v, as bytes %t, want the message", got, fastAnswers(t) != before)
	}
	if s.Ask("www.example.net.", dns.TypeA); fastAnswers(t) != before+1 {
		t.Error("a plain query did not take the fast path")
	}
}
