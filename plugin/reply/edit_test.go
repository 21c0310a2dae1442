package reply

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// section returns a section of the records in lines.
func section(tb testing.TB, lines ...string) *Section {
	tb.Helper()
	var rrs []dns.RR
	for _, line := range lines {
		rr, err := dns.NewRR(line)
		if err != nil {
			tb.Fatal(err)
		}
		rrs = append(rrs, rr)
	}
	s := new(Section)
	s.Group(rrs, wanted)
	return s
}

// leaving returns the lines that leave.
func leaving(s *Section) (lines []string) {
	for _, rr := range s.Append(nil) {
		lines = append(lines, strings.Join(strings.Fields(rr.String()), " "))
	}
	return lines
}

const (
	a1    = "a.example. 300 IN A 192.0.2.1"
	a2    = "a.example. 200 IN A 192.0.2.2"
	b1    = "b.example. 300 IN A 192.0.2.3"
	other = `a.example. 300 IN TXT "t"`
)

func TestEdits(t *testing.T) {
	third, err := dns.NewRR("a.example. 20 IN A 192.0.2.9")
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name      string
		edit      func(s *Section) Edit // of the first set
		want      []string
		withdrawn bool
	}{
		{"none", nil, []string{a1, other, a2, b1}, false},
		{"all, with a TTL", func(s *Section) Edit {
			return Edit{Keep: s.Sets[0].At, TTL: 20}
		}, []string{"a.example. 20 IN A 192.0.2.1", "a.example. 20 IN A 192.0.2.2", other, b1}, false},
		{"another order", func(s *Section) Edit {
			return Edit{Keep: s.Store(2, 0), TTL: 200}
		}, []string{a2, "a.example. 200 IN A 192.0.2.1", other, b1}, false},
		{"the first", func(s *Section) Edit {
			return Edit{Keep: s.Sets[0].At.First(1), TTL: 300, Withdrawn: true}
		}, []string{a1, other, b1}, true},
		{"nothing", func(*Section) Edit {
			return Edit{Withdrawn: true}
		}, []string{other, b1}, true},
		{"one, and others behind it", func(s *Section) Edit {
			return Edit{Keep: s.Store(2), TTL: 200, Then: s.Hold([]dns.RR{third}), Withdrawn: true}
		}, []string{a2, "a.example. 20 IN A 192.0.2.9", other, b1}, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := section(t, a1, other, a2, b1)
			if tc.edit != nil {
				s.Replace(0, tc.edit(s))
			}
			if got := leaving(s); !slices.Equal(got, tc.want) {
				t.Errorf("got %q, want %q", got, tc.want)
			}
			if s.Changed() != (tc.edit != nil) || s.Withdrawn() != tc.withdrawn || s.WithdrawnFrom(0) != tc.withdrawn || s.WithdrawnFrom(1) {
				t.Errorf("changed %t, withdrawn %t, from the set %t", s.Changed(), s.Withdrawn(), s.WithdrawnFrom(0))
			}
			if n := len(tc.want); n > s.Size() {
				t.Errorf("size %d, want at least %d", s.Size(), n)
			}
			packed(t, s)
		})
	}
}

// packed fails the test unless Pack appends the records that Append does.
func packed(t *testing.T, s *Section) {
	t.Helper()
	r := new(dns.Msg).SetQuestion("a.example.", dns.TypeA)
	want := &dns.Msg{MsgHdr: headerOf(r), Question: r.Question, Answer: slices.DeleteFunc(s.Append(nil), isText)}
	s.RRs = slices.Clone(s.RRs)
	for i, rr := range s.RRs {
		if isText(rr) { // of a type that packets do not encode
			s.RRs[i] = &dns.CNAME{Hdr: dns.RR_Header{Name: "x.example.", Rrtype: dns.TypeCNAME, Class: dns.ClassINET}, Target: "a.example."}
		}
	}
	p := Get()
	defer p.Put()
	if !p.Encode(r, &r.Question[0], want.MsgHdr, Limits{1220, 1220}, s.Pack) {
		t.Fatal("not encoded")
	}
	got := new(dns.Msg)
	if err := got.Unpack(p.Bytes()); err != nil {
		t.Fatal(err)
	}
	got.Answer = slices.DeleteFunc(got.Answer, func(rr dns.RR) bool { return rr.Header().Rrtype == dns.TypeCNAME })
	if fmt.Sprint(got.Answer) != fmt.Sprint(want.Answer) {
		t.Errorf("packed\n%v\nwant\n%v", got.Answer, want.Answer)
	}
}

func isText(rr dns.RR) bool { return rr.Header().Rrtype == dns.TypeTXT }

func TestEmptySections(t *testing.T) {
	s := section(t, a1, a2)
	if s.Empty() {
		t.Error("empty before an edit")
	}
	if s.Replace(0, Edit{Withdrawn: true}); !s.Empty() {
		t.Error("not empty without its only set")
	}
	if section(t).Empty() {
		t.Error("empty although it had no record to lose")
	}
	if s.Clear(); s.Changed() || s.Withdrawn() || len(s.Sets) > 0 || s.RRs != nil {
		t.Errorf("%+v is left of a section", s)
	}
}

func TestListsOfASet(t *testing.T) {
	s := section(t, b1, a1, a2)
	from := s.Begin()
	s.Add(2)
	if got := s.Places(s.End(1, from)); !slices.Equal(got, []int32{2}) {
		t.Errorf("a part of the set is %v, want [2]", got)
	}
	from = s.Begin()
	s.Add(1)
	s.Add(2)
	if got := s.End(1, from); got != s.Sets[1].At || s.Begin() != from {
		t.Errorf("the whole set is %v, want its own list", got)
	}
	if got := s.Sets[1].At.First(5).Len(); got != 2 {
		t.Errorf("the first five of two are %d", got)
	}
	if low, high := s.Sets[1].Low, s.Sets[1].High; low != 200 || high != 300 {
		t.Errorf("TTLs from %d to %d, want 200 to 300", low, high)
	}
}
