package reply

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/coredns/coredns/request"
	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/plugin/pool"
)

// A sink is the client's side of the server: it keeps the bytes of the message
// that is written to it.
type sink struct {
	dns.ResponseWriter
	addr net.Addr // the client's
	sent []byte
}

func (s *sink) RemoteAddr() net.Addr { return s.addr }

func (s *sink) WriteMsg(m *dns.Msg) (err error) {
	s.sent, err = m.Pack()
	return err
}

var (
	overUDP = &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 53000}
	overTCP = &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 53000}
)

// served returns the bytes that CoreDNS sends to addr for m, a reply to r. The
// server changes both.
func served(t testing.TB, addr net.Addr, r, m *dns.Msg) []byte {
	t.Helper()
	s := &sink{addr: addr}
	if err := request.NewScrubWriter(r, s).WriteMsg(m); err != nil {
		t.Fatal(err)
	}
	return s.sent
}

// A form is what a query may have that matters to the reply.
type form struct {
	size    int // that the client says it can take, or -1 without EDNS
	flags   int // RD, CD, DO, and two bits of the OPT record that must be zero
	options string
}

// query returns a query of form f.
func (f form) query(name string, qtype uint16) *dns.Msg {
	m := new(dns.Msg)
	m.SetQuestion(name, qtype)
	m.Id = 4711
	m.RecursionDesired = f.flags&1 != 0
	m.CheckingDisabled = f.flags&2 != 0
	if f.size < 0 {
		return m
	}
	m.SetEdns0(uint16(f.size), f.flags&4 != 0)
	o := m.IsEdns0()
	if f.flags&8 != 0 {
		o.Hdr.Ttl |= 0x0080 | 0x4000 // the server clears one and keeps the other
	}
	if strings.Contains(f.options, "cookie") {
		o.Option = append(o.Option, &dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: "0123456789abcdef"})
	}
	if strings.Contains(f.options, "ecs") {
		o.Option = append(o.Option, &dns.EDNS0_SUBNET{Code: dns.EDNS0SUBNET, Family: 1, SourceNetmask: 24, Address: net.IPv4(192, 0, 2, 0).To4()})
		o.Option = append(o.Option, &dns.EDNS0_NSID{Code: dns.EDNS0NSID})
	}
	return m
}

func (f form) String() string {
	return fmt.Sprintf("size %d flags %04b options %q", f.size, f.flags, f.options)
}

// limit returns the size that the reply to a query of form f may have.
func (f form) limit() int { return max(f.size, dns.MinMsgSize) }

// forms lists the forms of queries.
func forms() (all []form) {
	for _, size := range []int{-1, 0, 511, 512, 1220, 1221, 1232, 1480, 4096, 65535} {
		for flags := range 16 {
			for _, options := range []string{"", "cookie", "nsid,ecs"} {
				if size >= 0 || options == "" && flags <= 3 {
					all = append(all, form{size, flags, options})
				}
			}
		}
	}
	return all
}

// membersOf returns n members of one family, and an order of them.
func membersOf(f pool.Family, n int) (members []pool.Member, order []int) {
	for i := range n {
		addr := netip.AddrFrom4([4]byte{192, 0, 2, byte(i)})
		if f == pool.V6 {
			addr = netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 15: byte(i)})
		}
		members = append(members, pool.Member{Addr: addr})
		order = append(order, (i+n/2)%n)
	}
	return members, order
}

const longName = "a-rather-long-label-of-thirty-x.another-rather-long-label-of-thirty.and-yet-another-one-as-long-as-it.example.org."

// The server adds an OPT record to a message, measures, compresses, truncates
// and packs it. A packet has the same bytes, or there is none.
func TestThePacketOfAnAnswerIsThePackedMessage(t *testing.T) {
	for _, f := range pool.Families {
		for _, n := range []int{1, 2, 3, 8, 9, 30, 100} {
			for _, name := range []string{"www.example.org.", "wWw.ExAmPlE.oRg.", longName, `we\.ird\032\200.example.org.`, "."} {
				t.Run(fmt.Sprintf("%d of family %d for %s", n, f, name), func(t *testing.T) {
					encoded := 0
					for _, form := range forms() {
						if answerEqualsMessage(t, form, name, f, n) {
							encoded++
						}
					}
					fits := n <= 9 && name != longName
					if fits && encoded < len(forms())/2 || n == 100 && encoded > 0 {
						t.Errorf("%d of %d replies were encoded", encoded, len(forms()))
					}
				})
			}
		}
	}
}

// answerEqualsMessage compares the packet that answers a query of the form given
// with the message. It reports whether there is a packet.
func answerEqualsMessage(t *testing.T, form form, name string, f pool.Family, n int) bool {
	t.Helper()
	qtype := dns.TypeA
	if f == pool.V6 {
		qtype = dns.TypeAAAA
	}
	members, order := membersOf(f, n)
	p := new(Packet)
	if !p.Answer(form.query(name, qtype), 30, members, order, min(1220, form.limit())) {
		return false
	}
	r := form.query(name, qtype)
	if want := served(t, overUDP, r, Answer(r, 30, members, order, f)); !bytes.Equal(p.Bytes(), want) {
		t.Errorf("%s\npacket  %x\nmessage %x", form, p.Bytes(), want)
	}
	return true
}

func TestEncodingAnAnswerDoesNotAllocate(t *testing.T) {
	members, order := membersOf(pool.V4, 3)
	r := form{size: 1232, flags: 1}.query("www.example.org.", dns.TypeA)
	got := leastAllocs(func() {
		p := Get()
		_ = p.Answer(r, 30, members, order, 1220)
		p.Put()
	})
	if got != 0 {
		t.Errorf("%v allocations, want none", got)
	}
}

// leastAllocs returns how often f allocates, the least of many times: a garbage
// collection empties pools, and the race detector makes them drop things.
func leastAllocs(f func()) float64 {
	least := testing.AllocsPerRun(1, f)
	for range 50 {
		least = min(least, testing.AllocsPerRun(1, f))
	}
	return least
}
