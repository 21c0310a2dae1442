package rrhealth

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coredns/coredns/plugin/pkg/edns"
	"github.com/coredns/coredns/request"
	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/plugin/pool"
)

// A packer keeps what is written, as the bytes that would be sent.
type packer struct {
	nullWriter
	sent []byte
}

func (p *packer) WriteMsg(m *dns.Msg) error {
	var err error
	p.sent, err = m.Pack()
	return err
}

// The long way builds a message, and the server adds OPT, measures,
// compresses, truncates and packs it. The short way must come to the same
// bytes, or stand back.
func TestTheShortWayIsByteEqualToTheLongWay(t *testing.T) {
	const longName = "a-rather-long-label-of-thirty-x.another-rather-long-label-of-thirty.and-yet-another-one-as-long-as-it.example.org."
	short, long := 0, 0
	for _, f := range pool.Families {
		for _, n := range []int{1, 2, 3, 8, 9, 30, 100} {
			members, order := membersOf(f, n), orderOf(n)
			for _, name := range []string{"www.example.org.", "wWw.ExAmPlE.oRg.", longName, `we\.ird\032\200.example.org.`, "."} {
				for _, v := range requests(name, f) {
					got, ok := appendAnswer(make([]byte, 0, maxRaw), v.query(), 30, members, order)
					want := &packer{}
					r := v.query()
					if err := request.NewScrubWriter(r, want).WriteMsg(answer(r, 30, members, order, f)); err != nil {
						t.Fatalf("%s: %v", v.what, err)
					}
					if !ok {
						long++
						continue
					}
					short++
					if !bytes.Equal(got, want.sent) {
						t.Errorf("%s, %d members\nshort %x\nlong  %x", v.what, n, got, want.sent)
					}
				}
			}
		}
	}
	if short < 200 || long < 50 {
		t.Errorf("%d answers went the short way and %d the long, want many of both", short, long)
	}
}

func membersOf(f pool.Family, n int) []pool.Member {
	var all []pool.Member
	for i := range n {
		ip := net.IPv4(192, 0, 2, byte(i)).To4()
		if f == pool.V6 {
			ip = net.IP{0x20, 1, 0xd, 0xb8, 15: byte(i)}
		}
		addr, _ := netip.AddrFromSlice(ip)
		all = append(all, pool.Member{Addr: addr, IP: ip})
	}
	return all
}

func orderOf(n int) []int {
	var order []int
	for i := range n {
		order = append(order, (i+n/2)%n)
	}
	return order
}

// A variant makes the same query anew: the server changes what it is given.
type variant struct {
	what  string
	query func() *dns.Msg
}

// requests lists queries for name in every form that matters to the bytes.
func requests(name string, f pool.Family) []variant {
	var all []variant
	qtype := dns.TypeA
	if f == pool.V6 {
		qtype = dns.TypeAAAA
	}
	for _, size := range []int{-1, 0, 511, 512, 1220, 1221, 1232, 1480, 4096, 65535} {
		for flags := range 16 {
			for _, options := range []string{"", "cookie", "nsid,ecs"} {
				if size < 0 && (options != "" || flags > 3) {
					continue
				}
				all = append(all, variant{
					fmt.Sprintf("%s %d size %d flags %04b options %q", name, qtype, size, flags, options),
					func() *dns.Msg { return request1(name, qtype, size, flags, options) },
				})
			}
		}
	}
	return all
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

func TestOptionsThatTheServerHandsBackTakeTheLongWay(t *testing.T) {
	code := uint16(65001) // what is supported once, in a process, is for good
	for edns.SupportedOption(code) {
		code++
	}
	r := request1("www.example.org.", dns.TypeA, 1232, 0, "")
	r.IsEdns0().Option = []dns.EDNS0{&dns.EDNS0_LOCAL{Code: code, Data: []byte("x")}}
	if _, ok := appendAnswer(make([]byte, 0, maxRaw), r, 30, membersOf(pool.V4, 3), orderOf(3)); !ok {
		t.Error("an option that nobody supports took the long way")
	}
	edns.SetSupportedOption(code)
	if _, ok := appendAnswer(make([]byte, 0, maxRaw), r, 30, membersOf(pool.V4, 3), orderOf(3)); ok {
		t.Error("an option that is to be handed back was dropped")
	}
}

func TestTheShortWayDoesNotAllocate(t *testing.T) {
	members, order := membersOf(pool.V4, 3), orderOf(3)
	r := request1("www.example.org.", dns.TypeA, 1232, 1, "")
	got := testing.AllocsPerRun(100, func() {
		buf := rawBuffers.Get().(*[maxRaw]byte)
		_, _ = appendAnswer(buf[:0], r, 30, members, order)
		rawBuffers.Put(buf)
	})
	if got != 0 {
		t.Errorf("%v allocations, want none", got)
	}
}

// Whatever stands above us, the client gets the same bytes. Which way they
// went is asserted too: a short way that is never taken would be none, and one
// that passes by whoever needs the message would be worse.
func TestEveryPluginAboveGetsWhatItNeeds(t *testing.T) {
	var raw atomic.Int64
	wroteRaw = func() { raw.Add(1) }
	t.Cleanup(func() { wroteRaw = nil })
	stanza := "rrhealth www.example.org {\nbackend 192.0.2.1 192.0.2.2 192.0.2.3 2001:db8::1\npolicy first\n}"
	for _, tc := range []struct {
		above string
		short bool
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
			s := start(t, "example.org:0 {\nbind 127.0.0.1\n"+tc.above+"\n"+stanza+"\n}\n")
			for _, qtype := range []uint16{dns.TypeA, dns.TypeAAAA} {
				for _, size := range []int{-1, 512, 1232} {
					r := request1("wWw.example.org.", qtype, size, 1, "")
					before := raw.Load()
					got := sent(t, s.addr, r)
					if short := raw.Load() > before; short != tc.short && tc.above != "rewrite name other.example.org www.example.org" {
						t.Errorf("the short way was taken: %t, want %t", short, tc.short)
					}
					want := &packer{}
					f := pool.V4
					if qtype == dns.TypeAAAA {
						f = pool.V6
					}
					p := handlerOf(t, s).pools[0]
					members := p.Snapshot().Choices[f].Members
					order := []int{0, 1, 2}[:len(members)]
					r = request1("wWw.example.org.", qtype, size, 1, "")
					if err := request.NewScrubWriter(r, want).WriteMsg(answer(r, 30, members, order, f)); err != nil {
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
	var raw atomic.Int64
	wroteRaw = func() { raw.Add(1) }
	t.Cleanup(func() { wroteRaw = nil })
	zone := tempZone(t, "@ IN SOA ns1 hostmaster 1 7200 3600 1209600 60\nalias IN CNAME www.example.net.")
	s := start(t, fmt.Sprintf(`example.org:0 {
    bind 127.0.0.1
    file %s
}
example.net:0 {
    bind 127.0.0.1
    rrhealth www.example.net {
        backend 192.0.2.1 192.0.2.2
        policy first
    }
}
`, zone))
	m := s.ask("alias.example.org.", dns.TypeA)
	if got := data(m.Answer); got != "www.example.net. 192.0.2.1 192.0.2.2" {
		t.Errorf("answer %q, want the alias and both addresses", got)
	}
	if raw.Load() != 0 {
		t.Error("the captured answer was written as bytes")
	}
	if got := addrs(s.exchange(query("www.example.net."), "tcp")); !slices.Equal(got, []string{"192.0.2.1", "192.0.2.2"}) || raw.Load() != 0 {
		t.Errorf("over TCP: %v, as bytes %t, want the message", got, raw.Load() != 0)
	}
	if s.ask("www.example.net.", dns.TypeA); raw.Load() != 1 {
		t.Error("a plain query did not go the short way")
	}
}
