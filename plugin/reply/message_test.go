package reply

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/plugin/pool"
)

func TestAnAnswerHasTheMembersInOrder(t *testing.T) {
	for _, tc := range []struct {
		name  string
		f     pool.Family
		n     int
		first string
	}{
		{"one", pool.V4, 1, "192.0.2.0"},
		{"as many as have room", pool.V4, usual, "192.0.2.4"},
		{"more", pool.V4, usual + 1, "192.0.2.4"},
		{"IPv6", pool.V6, 3, "2001:db8::1"},
		{"more IPv6", pool.V6, 100, "2001:db8::32"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			members, order := membersOf(tc.f, tc.n)
			r := form{size: 1232, flags: 3}.query("wWw.example.org.", dns.TypeA)
			m := Answer(r, 30, members, order, tc.f)
			if m.Id != r.Id || !m.Response || !m.Authoritative || !m.RecursionDesired || !m.CheckingDisabled || m.Question[0] != r.Question[0] {
				t.Errorf("header %+v, question %v", m.MsgHdr, m.Question)
			}
			if len(m.Answer) != tc.n || len(m.Ns) != 0 || len(m.Extra) != 0 {
				t.Fatalf("got\n%v\nwant %d answers", m, tc.n)
			}
			for i, rr := range m.Answer {
				h := rr.Header()
				if want := members[order[i]].Addr; Addr(rr) != want || h.Name != "wWw.example.org." || h.Ttl != 30 || h.Class != dns.ClassINET {
					t.Errorf("record %d: %v, want %s", i, rr, want)
				}
			}
			if got := Addr(m.Answer[0]).String(); got != tc.first {
				t.Errorf("first %s, want %s", got, tc.first)
			}
		})
	}
}

// The plugins above may write to what they get: two answers share nothing.
func TestAnswersShareNothing(t *testing.T) {
	for _, n := range []int{3, 30} {
		members, order := membersOf(pool.V4, n)
		r := form{size: -1}.query("www.example.org.", dns.TypeA)
		first, second := Answer(r, 30, members, order, pool.V4), Answer(r, 30, members, order, pool.V4)
		for _, rr := range first.Answer {
			rr.Header().Ttl = 0
			clear(rr.(*dns.A).A)
		}
		first.Question[0].Name = "changed."
		for i, rr := range second.Answer {
			if rr.Header().Ttl != 30 || Addr(rr) != members[order[i]].Addr || second.Question[0].Name != "www.example.org." {
				t.Errorf("%d members: the second answer has become\n%v", n, second)
			}
		}
	}
}

func TestAnAnswerIsOneAllocation(t *testing.T) {
	for _, f := range pool.Families {
		members, order := membersOf(f, usual)
		r := form{size: 1232}.query("www.example.org.", dns.TypeA)
		if got := leastAllocs(func() { Answer(r, 30, members, order, f) }); got != 1 {
			t.Errorf("family %v: %v allocations, want one", f, got)
		}
	}
}

func TestAFailureHasNoRecords(t *testing.T) {
	for _, rcode := range []int{dns.RcodeServerFailure, dns.RcodeRefused, dns.RcodeFormatError} {
		m := Failure(form{size: 1232, flags: 1}.query("www.example.org.", dns.TypeA), rcode)
		if m.Rcode != rcode || m.Authoritative || !m.Response || !m.RecursionDesired || len(m.Answer)+len(m.Ns)+len(m.Extra) > 0 {
			t.Errorf("%s: got\n%v", dns.RcodeToString[rcode], m)
		}
	}
}

func ExampleAnswer() {
	r := new(dns.Msg).SetQuestion("www.example.org.", dns.TypeA)
	members := []pool.Member{{Addr: netip.MustParseAddr("192.0.2.1")}, {Addr: netip.MustParseAddr("192.0.2.2")}}
	order := []int{1, 0} // what pool.Snapshot has decided

	m := Answer(r, 30, members, order, pool.V4)
	for _, rr := range m.Answer {
		fmt.Println(rr)
	}

	// The same reply as bytes, without a message in between.
	p := Get()
	defer p.Put()
	ok := p.Answer(r, 30, members, order, dns.MinMsgSize)
	packed, _ := m.Pack()
	fmt.Println(ok, string(p.Bytes()) == string(packed))
	// Output:
	// www.example.org.	30	IN	A	192.0.2.2
	// www.example.org.	30	IN	A	192.0.2.1
	// true true
}
