package reply

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"testing"

	"github.com/coredns/coredns/request"
	"github.com/miekg/dns"
)

// labels are the labels of names in tests: names share their ends, some in other
// case, and some have escapes.
var labels = []string{"a", "B", "b", "www", strings.Repeat("x", 63), "example", "EXAMPLE", "org", "c-1", "_tcp", `a\.b`, `\000\255`}

// A picker chooses one of n possibilities.
type picker func(n int) int

// tape returns a picker that goes by the bytes of a fuzzer, and by zeros behind
// them.
func tape(data []byte) picker {
	return func(n int) int {
		v := 0
		for range 1 + n/256 {
			v <<= 8
			if len(data) > 0 {
				v, data = v|int(data[0]), data[1:]
			}
		}
		return v % n
	}
}

// name returns a name of at most five labels.
func (pick picker) name(escapes bool) string {
	from := labels
	if !escapes {
		from = labels[:10]
	}
	name := ""
	for range pick(6) {
		name += from[pick(len(from))] + "."
	}
	if pick(3) == 0 {
		name = fmt.Sprintf("h%d.", pick(3000)) + name
	}
	if name == "" {
		return "."
	}
	return name
}

// records returns about n records, of the types that can be encoded.
func (pick picker) records(n int, escapes bool) (records []dns.RR) {
	for len(records) < n {
		header := dns.RR_Header{Name: pick.name(escapes), Class: dns.ClassINET, Ttl: uint32(pick(60))}
		switch pick(8) {
		case 0:
			header.Rrtype = dns.TypeCNAME
			records = append(records, &dns.CNAME{Hdr: header, Target: pick.name(escapes)})
		case 1:
			header.Rrtype = dns.TypeNS
			records = append(records, &dns.NS{Hdr: header, Ns: pick.name(escapes)})
		case 2:
			header.Rrtype = dns.TypeAAAA
			records = append(records, &dns.AAAA{Hdr: header, AAAA: net.IP{0x20, 1, 0xd, 0xb8, 15: byte(pick(5))}})
		default:
			header.Rrtype = dns.TypeA
			for range 1 + pick(n)/4 {
				records = append(records, &dns.A{Hdr: header, A: net.IPv4(192, 0, 2, byte(pick(256)))})
			}
		}
	}
	return records
}

// message returns a query, and a reply to it with about n records in its answer.
func (pick picker) message(n int, escapes bool) (r, m *dns.Msg, f form) {
	f = form{size: []int{-1, 512, 700 + pick(60), 1232, 1400 + pick(100), 4096, 65535}[pick(7)], flags: pick(16)}
	r = f.query(pick.name(escapes), dns.TypeA)
	m = new(dns.Msg).SetReply(r)
	m.Answer, m.Ns, m.Extra = pick.records(n, escapes), pick.records(pick(4), escapes), pick.records(pick(4), escapes)
	flags := pick(64)
	m.Authoritative, m.RecursionAvailable, m.AuthenticatedData = flags&1 != 0, flags&2 != 0, flags&4 != 0
	m.Truncated, m.Zero, m.Compress, m.Rcode = flags&8 != 0, flags&16 != 0, flags&32 != 0, pick(16)
	return r, m, f
}

// transports are the addresses of clients, and the size beyond which the server
// compresses a reply to each.
var transports = []struct {
	addr  net.Addr
	plain int
}{
	{overUDP, 1480},
	{&net.UDPAddr{IP: net.IPv6loopback, Port: 53000}, 1220},
	{overTCP, dns.MaxMsgSize},
}

// encodesTheSame encodes m, a reply to r, for each transport and compares the bytes
// with what the server sends. It reports whether m could be encoded for all.
func encodesTheSame(t *testing.T, r, m *dns.Msg, f form) bool {
	t.Helper()
	all := true
	for _, transport := range transports {
		limits := Limits{Plain: min(f.limit(), transport.plain), Most: f.limit()}
		if transport.addr == overTCP {
			limits = Limits{Plain: dns.MaxMsgSize, Most: dns.MaxMsgSize}
		}
		p := Get()
		ok := p.Encode(r, &m.Question[0], m.MsgHdr, limits, func(p *Packet) {
			p.Records(m.Answer...)
			p.Next()
			p.Records(m.Ns...)
			p.Next()
			p.Records(m.Extra...)
		})
		want := &sink{addr: transport.addr}
		r := r.Copy() // the server changes both
		err := request.NewScrubWriter(r, want).WriteMsg(m.Copy())
		switch {
		case ok && err != nil:
			t.Errorf("a packet over %s, and no message: %v", transport.addr.Network(), err)
		case ok && !bytes.Equal(p.Bytes(), want.sent):
			t.Errorf("over %s, %s, to\n%v\nreply\n%v\npacket  %x\nmessage %x", transport.addr.Network(), f, r, m, p.Bytes(), want.sent)
		}
		all = all && ok
		p.Put()
	}
	return all
}

// A reply that is too large for the client is compressed and, if that is not
// enough, cut: by the same rules for names and at the same record as by the server.
func TestLargeRepliesAreThePackedMessage(t *testing.T) {
	random := rand.New(rand.NewPCG(13, 4000))
	for _, n := range []int{3, 30, 90, 300, 4200} {
		t.Run(fmt.Sprintf("%d records", n), func(t *testing.T) {
			const rounds = 60
			encoded := 0
			for range rounds {
				r, m, f := picker(random.IntN).message(n, false)
				if encodesTheSame(t, r, m, f) {
					encoded++
				}
				if t.Failed() {
					return
				}
			}
			if encoded < rounds/2 { // the others have names that are too long
				t.Errorf("%d of %d replies were encoded", encoded, rounds)
			}
		})
	}
}

func TestRepliesAreCutAtTheSameRecord(t *testing.T) {
	header := dns.RR_Header{Name: "a.b.example.org.", Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 300}
	answer := []dns.RR{&dns.CNAME{Hdr: dns.RR_Header{Name: "www.example.org.", Rrtype: dns.TypeCNAME, Class: dns.ClassINET}, Target: header.Name}}
	for i := range 60 {
		answer = append(answer, &dns.A{Hdr: header, A: net.IPv4(192, 0, 2, byte(i+1))})
	}
	for size := 512; size < 2100; size++ {
		f := form{size: size}
		r := f.query("www.example.org.", dns.TypeA)
		m := new(dns.Msg).SetReply(r)
		m.Answer = answer
		m.Ns = []dns.RR{rr(t, "example.org. 300 IN NS ns.b.example.org."), rr(t, "example.org. 300 IN NS ns.")}
		m.Extra = []dns.RR{rr(t, "ns.b.example.org. 300 IN A 192.0.2.53"), rr(t, "ns. 300 IN AAAA 2001:db8::53")}
		if !encodesTheSame(t, r, m, f) || t.Failed() {
			t.Fatalf("size %d: not encoded, or other bytes", size)
		}
	}
}

// FuzzEncode compares packets with packed messages.
func FuzzEncode(f *testing.F) {
	f.Add([]byte{}, false)
	f.Add([]byte("a query of some size and its answer, with a name or two"), true)
	f.Add(bytes.Repeat([]byte{5, 250, 0, 3}, 40), false)
	f.Add(bytes.Repeat([]byte{2, 7, 11, 1, 199}, 60), true)
	f.Fuzz(func(t *testing.T, data []byte, escapes bool) {
		pick := tape(data)
		r, m, form := pick.message(1+pick(200), escapes)
		encodesTheSame(t, r, m, form)
	})
}

func TestAPacketDoesNotEncodeEverything(t *testing.T) {
	a := func(ip net.IP) dns.RR {
		return &dns.A{Hdr: dns.RR_Header{Name: "www.example.org.", Rrtype: dns.TypeA, Class: dns.ClassINET}, A: ip}
	}
	aaaa := &dns.AAAA{Hdr: dns.RR_Header{Name: "www.example.org.", Rrtype: dns.TypeAAAA, Class: dns.ClassINET}, AAAA: net.IPv4(192, 0, 2, 1).To4()}
	named := func(name string) dns.RR {
		return &dns.A{Hdr: dns.RR_Header{Name: name, Rrtype: dns.TypeA, Class: dns.ClassINET}, A: net.IPv4zero}
	}
	for _, tc := range []struct {
		what string
		rr   dns.RR
	}{
		{"no record", nil},
		{"another type", rr(t, "www.example.org. 30 IN TXT x")},
		{"an OPT record", new(dns.OPT)},
		{"no address", a(nil)},
		{"an IPv6 address in an A record", a(net.IPv6loopback)},
		{"an IPv4 address in an AAAA record", aaaa},
		{"no name", named("")},
		{"an empty label", named("a..b.")},
		{"a label of 64 octets", named(strings.Repeat("x", 64) + ".")},
		{"a name without a final dot", named("www.example.org")},
	} {
		t.Run(tc.what, func(t *testing.T) {
			p := new(Packet)
			r := form{size: -1}.query("www.example.org.", dns.TypeA)
			more := true
			if p.Encode(r, &r.Question[0], dns.MsgHdr{}, Limits{512, 512}, func(p *Packet) {
				p.Records(tc.rr)
				more = p.Records(a(net.IPv4(192, 0, 2, 1)))
			}) || more {
				t.Errorf("encoded as %x; takes more records: %t", p.Bytes(), more)
			}
		})
	}
	t.Run("an escape in a compressed name", func(t *testing.T) {
		r := form{size: -1}.query(`a\.b.example.org.`, dns.TypeA)
		many := func(p *Packet) {
			for p.Record(named(`a\.b.example.org.`), 30) {
			}
		}
		if p := new(Packet); p.Encode(r, &r.Question[0], dns.MsgHdr{}, Limits{512, 512}, many) {
			t.Errorf("encoded as %x", p.Bytes())
		}
	})
}

// A record leaves with the TTL that it is given, not with its own.
func TestARecordHasTheTTLGiven(t *testing.T) {
	r := form{size: -1}.query("www.example.org.", dns.TypeA)
	p := new(Packet)
	if !p.Encode(r, &r.Question[0], dns.MsgHdr{}, Limits{512, 512}, func(p *Packet) {
		p.Record(rr(t, "www.example.org. 300 IN A 192.0.2.1"), 7)
		p.Record(rr(t, "www.example.org. 300 IN CNAME example.org."), 8)
	}) {
		t.Fatal("not encoded")
	}
	m := new(dns.Msg)
	if err := m.Unpack(p.Bytes()); err != nil {
		t.Fatal(err)
	}
	if len(m.Answer) != 2 || m.Answer[0].Header().Ttl != 7 || m.Answer[1].Header().Ttl != 8 {
		t.Errorf("got %v, want TTLs of 7 and 8", m.Answer)
	}
}

// What is encoded after a large reply does not depend on it.
func TestAPacketStartsAnew(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	p := new(Packet)
	for range 50 {
		r, m, f := picker(random.IntN).message(random.IntN(300)+1, false)
		limits := Limits{Plain: f.limit() / 2, Most: f.limit()}
		sections := func(p *Packet) { p.Records(m.Answer...) }
		fresh := new(Packet)
		if got, want := p.Encode(r, &m.Question[0], m.MsgHdr, limits, sections), fresh.Encode(r, &m.Question[0], m.MsgHdr, limits, sections); got != want || got && !bytes.Equal(p.Bytes(), fresh.Bytes()) || p.Full() != fresh.Full() {
			t.Fatalf("%v: %t\n%x\nwant %t\n%x", m, got, p.Bytes(), want, fresh.Bytes())
		}
	}
}

// rr returns a record in presentation format.
func rr(t testing.TB, line string) dns.RR {
	t.Helper()
	rr, err := dns.NewRR(line)
	if err != nil {
		t.Fatal(err)
	}
	return rr
}
