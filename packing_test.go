package rrhealth

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/internal/harness"
)

// What is too large for the client is compressed, and then cut, by the server
// or by us. The bytes must be the same: names compressed by the same rules,
// as many records left, at every size.
func TestLargeAnswersAreByteEqual(t *testing.T) {
	random := rand.New(rand.NewPCG(13, 4000))
	fast := 0
	const rounds = 400
	for range rounds {
		m := answerTo(harness.Query(randomName(random), dns.TypeA, false))
		n := []int{3, 30, 90, 300, 4200}[random.IntN(5)]
		m.Answer = randomRecords(random, n)
		m.Ns = randomRecords(random, random.IntN(4))
		m.Extra = randomRecords(random, random.IntN(4))
		if random.IntN(10) == 0 {
			m.SetEdns0(1232, false) // of an upstream: the server keeps it, however much it cuts
		}
		size := []int{-1, 512, 700 + random.IntN(60), 1232, 1400 + random.IntN(100), 4096, 65535}[random.IntN(7)]
		r := request1(m.Question[0].Name, dns.TypeA, size, random.IntN(16), "")
		config := plainConfig
		config.MaxAnswers = random.IntN(2) * 50
		if bothPaths(t, filtering(config, m, down), m, r) {
			fast++
		}
		if t.Failed() {
			return
		}
	}
	if fast < rounds*2/3 || fast == rounds {
		t.Errorf("%d of %d answers were bytes, want most, but not those with an OPT record from below", fast, rounds)
	}
}

// randomName returns one of many names that share their ends, and some of which
// share none.
func randomName(random *rand.Rand) string {
	labels := []string{"a", "B", "b", "www", strings.Repeat("x", 63), "example", "EXAMPLE", "org", "c-1", "_tcp"}
	name := ""
	for range random.IntN(6) {
		name += labels[random.IntN(len(labels))] + "."
	}
	if random.IntN(3) == 0 {
		name = fmt.Sprintf("h%d.", random.IntN(3000)) + name
	}
	if name == "" {
		return "."
	}
	return name
}

// randomRecords returns about n records of the kinds that are written as bytes.
func randomRecords(random *rand.Rand, n int) (records []dns.RR) {
	for len(records) < n {
		header := dns.RR_Header{Name: randomName(random), Class: dns.ClassINET, Ttl: uint32(random.IntN(60))}
		switch random.IntN(8) {
		case 0:
			header.Rrtype = dns.TypeCNAME
			records = append(records, &dns.CNAME{Hdr: header, Target: randomName(random)})
		case 1:
			header.Rrtype = dns.TypeNS
			records = append(records, &dns.NS{Hdr: header, Ns: randomName(random)})
		case 2:
			header.Rrtype = dns.TypeAAAA
			records = append(records, &dns.AAAA{Hdr: header, AAAA: net.IP{0x20, 1, 0xd, 0xb8, 15: byte(random.IntN(5))}})
		default:
			header.Rrtype = dns.TypeA
			for range 1 + random.IntN(n)/4 {
				records = append(records, &dns.A{Hdr: header, A: net.IPv4(192, 0, 2, byte(random.IntN(256)))})
			}
		}
	}
	return records
}
