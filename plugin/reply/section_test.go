package reply

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// wanted are the types that the tests group.
func wanted(t uint16) bool {
	return t == dns.TypeA || t == dns.TypeAAAA || t == dns.TypeHTTPS || t == dns.TypeSRV
}

// Sets are grouped by comparison while they are few and by a table beyond. Both
// must come to what a map of lower-cased names would.
func TestSectionsAreGroupedByOwnerAndType(t *testing.T) {
	random := rand.New(rand.NewPCG(13, 3150))
	var s Section // one for all: what a section held must not show in the next
	for _, owners := range []int{1, 2, fewSets - 1, fewSets, fewSets + 1, fewSets + 2, 40, 700, 3} {
		for range 20 {
			records := randomSection(random, owners)
			s.Group(records, wanted)
			if got, want := grouped(&s), groupedByMap(records); !slices.Equal(got, want) {
				t.Fatalf("%d owners, %d records:\n%s\nwant\n%s", owners, len(records), strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
		}
	}
}

// randomSection returns addresses, hints and signatures of so many owners, in
// any order and case, with gaps.
func randomSection(random *rand.Rand, owners int) (records []dns.RR) {
	types := []uint16{dns.TypeA, dns.TypeAAAA, dns.TypeHTTPS, dns.TypeSRV, dns.TypeTXT}
	for range 3*owners + random.IntN(4) {
		name := fmt.Sprintf("h%d.example.org.", random.IntN(owners))
		if random.IntN(4) == 0 {
			name = strings.ToUpper(name)
		}
		header := dns.RR_Header{Name: name, Class: dns.ClassINET, Ttl: 30, Rrtype: types[random.IntN(len(types))]}
		switch covered := header.Rrtype; {
		case random.IntN(20) == 0:
			records = append(records, nil)
		case random.IntN(4) == 0:
			header.Rrtype = dns.TypeRRSIG
			records = append(records, &dns.RRSIG{Hdr: header, TypeCovered: covered})
		default:
			records = append(records, &dns.RFC3597{Hdr: header})
		}
	}
	return records
}

// grouped lists what s holds, a line for each set.
func grouped(s *Section) (lines []string) {
	for i := range s.Sets {
		set, at, sigs := s.Sets[i], s.At(i), s.Places(s.Sets[i].Sigs)
		lines = append(lines, fmt.Sprint(strings.ToLower(s.Owner(i)), set.Type, " at ", at, " signed at ", sigs, set.Signed()))
		for _, place := range slices.Concat(at, sigs) {
			if s.setOf[place] != int32(i) {
				lines = append(lines, fmt.Sprintf("place %d is said to be of set %d", place, s.setOf[place]))
			}
		}
	}
	for place, of := range s.setOf {
		if of != None && !slices.Contains(slices.Concat(s.At(int(of)), s.Places(s.Sets[of].Sigs)), int32(place)) {
			lines = append(lines, fmt.Sprintf("set %d lacks place %d", of, place))
		}
	}
	return lines
}

// groupedByMap lists what a section of records should hold.
func groupedByMap(records []dns.RR) (lines []string) {
	type key struct {
		owner  string
		rrtype uint16
	}
	var order []key
	at, sigs := make(map[key][]int), make(map[key][]int)
	for place, rr := range records {
		if rr == nil || !wanted(rr.Header().Rrtype) {
			continue
		}
		k := key{strings.ToLower(rr.Header().Name), rr.Header().Rrtype}
		if at[k] == nil {
			order = append(order, k)
		}
		at[k] = append(at[k], place)
	}
	for place, rr := range records {
		if sig, ok := rr.(*dns.RRSIG); ok {
			k := key{strings.ToLower(sig.Hdr.Name), sig.TypeCovered}
			sigs[k] = append(sigs[k], place)
		}
	}
	for _, k := range order {
		lines = append(lines, fmt.Sprint(k.owner, k.rrtype, " at ", at[k], " signed at ", sigs[k], sigs[k] != nil))
	}
	return lines
}

// BenchmarkGroup shows that the time for a record does not grow with their
// number: ns/record.
func BenchmarkGroup(b *testing.B) {
	for _, n := range []int{10, 100, 1000, 4000, 16000} {
		for _, bc := range []struct {
			name   string
			owners int
		}{{"one", 1}, {"each", n}} {
			b.Run(fmt.Sprintf("records=%d/owners=%s", n, bc.name), func(b *testing.B) {
				records := make([]dns.RR, n)
				for i := range records {
					records[i] = &dns.A{Hdr: dns.RR_Header{Name: fmt.Sprintf("h%d.example.org.", i%bc.owners), Rrtype: dns.TypeA, Class: dns.ClassINET}}
				}
				s := new(Section)
				b.ReportAllocs()
				for b.Loop() {
					s.Group(records, wanted)
					s.Clear()
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/record")
			})
		}
	}
}

// A set is signed by the plugin at hand if one of its signatures is by the same key:
// tag, algorithm and zone, in any case. Signatures of another type or owner are not
// the set's.
func TestSetsSignedByAKey(t *testing.T) {
	const sig = " 30 IN RRSIG A 13 3 3600 20301231000000 20200101000000 "
	var s Section
	s.Group([]dns.RR{
		rr(t, "a.example.org. 30 IN A 192.0.2.1"),
		rr(t, "A.example.org."+sig+"1 example.org. AAAA"),
		rr(t, "a.example.org."+sig+"2 Example.Org. AAAA"),
		rr(t, "b.example.org."+sig+"3 example.org. AAAA"),
		rr(t, "a.example.org. 30 IN RRSIG AAAA 13 3 3600 20301231000000 20200101000000 4 example.org. AAAA"),
		rr(t, "c.example.org. 30 IN A 192.0.2.1"),
	}, wanted)
	set := s.Find("a.example.org.", dns.TypeA)
	if s.SetOf(0) != set || s.SetOf(1) != set || s.SetOf(2) != set || s.SetOf(3) != None || s.SetOf(4) != None {
		t.Errorf("records are in the sets %v", s.setOf)
	}
	var tags []uint16
	for have := range s.Signatures(set) {
		tags = append(tags, have.KeyTag)
	}
	if !slices.Equal(tags, []uint16{1, 2}) {
		t.Errorf("signatures by %v, want 1 and 2", tags)
	}
	for _, tc := range []struct {
		name, sig string
		want      bool
	}{
		{"its key", sig + "2 example.org. BBBB", true},
		{"a key of another tag", sig + "3 example.org. BBBB", false},
		{"a key of another zone", sig + "2 org. BBBB", false},
		{"a key of another algorithm", strings.Replace(sig, "13", "8", 1) + "2 example.org. BBBB", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			sigs := []dns.RR{rr(t, "a.example.org. 30 IN A 192.0.2.1"), rr(t, "a.example.org."+tc.sig)}
			if got := s.SignedBy(set, sigs); got != tc.want {
				t.Errorf("signed by %s: %t, want %t", sigs[1], got, tc.want)
			}
			if s.SignedBy(s.Find("c.example.org.", dns.TypeA), sigs) {
				t.Error("a set without signatures is signed")
			}
		})
	}
}
