package rrhealth

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"testing"

	"github.com/coredns/coredns/request"
	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/internal/harness"
	"github.com/rrhealth/rrhealth/plugin/pool"
	"github.com/rrhealth/rrhealth/plugin/reply"
	"github.com/rrhealth/rrhealth/plugin/verdict"
)

// A crowd is a filter above a name with many addresses, in a server.
type crowd struct {
	*RRHealth
	w    dns.ResponseWriter
	sink *sink
	n    int
}

// newCrowd returns a crowd of n, of which isDown are down.
func newCrowd(t *testing.T, network string, n int, config pool.Settings, isDown func(int) bool) *crowd {
	t.Helper()
	m := answerTo(harness.Query("www.example.org.", dns.TypeA, false))
	states := make(map[string]verdict.State)
	for i := range n {
		a := &dns.A{Hdr: dns.RR_Header{Name: "www.example.org.", Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 300}, A: net.IPv4(10, 0, byte(i>>8), byte(i)).To4()}
		m.Answer = append(m.Answer, a)
		if states[a.A.String()] = verdict.Up; isDown(i) {
			states[a.A.String()] = verdict.Down
		}
	}
	c := &crowd{RRHealth: filtering(config, m, states), n: n}
	c.w, c.sink = serverSink(t, network)
	return c
}

// ask returns the numbers of the addresses in the reply, and its TC bit.
func (c *crowd) ask(t *testing.T) (numbers []int, tc bool) {
	t.Helper()
	r := request1("www.example.org.", dns.TypeA, 1232, 0, "")
	if _, err := c.ServeDNS(t.Context(), request.NewScrubWriter(r, c.w), r); err != nil {
		t.Fatal(err)
	}
	m := new(dns.Msg)
	if err := m.Unpack(c.sink.sent); err != nil || m.Rcode != dns.RcodeSuccess {
		t.Fatalf("%v\n%v", err, m)
	}
	for _, rr := range m.Answer {
		ip := rr.(*dns.A).A.To4()
		numbers = append(numbers, int(ip[2])<<8|int(ip[3]))
	}
	return numbers, m.Truncated
}

// judged returns how many addresses were looked at.
func (c *crowd) judged() int { return c.rules.Filters[0].Seen() }

const fitting = 74 // addresses of www.example.org in 1,232 bytes

// A client that asks for a name with ten thousand addresses must not be able to
// have all of them judged with each small packet.
func TestNoMoreIsJudgedThanFillsTheReply(t *testing.T) {
	for what, tc := range map[string]struct {
		isDown func(int) bool
		most   int
	}{
		"all are up":       {func(int) bool { return false }, 2 * fitting},
		"one in four down": {func(i int) bool { return i%4 == 0 }, 8 * fitting},
		"a run is down":    {func(i int) bool { return i < 200 }, 8 * fitting},
	} {
		t.Run(what, func(t *testing.T) {
			c := newCrowd(t, "udp", 10_000, plainConfig, tc.isDown)
			for range 20 {
				got, cut := c.ask(t)
				if len(got) != fitting || !cut {
					t.Errorf("%d addresses, TC %t, want %d and TC", len(got), cut, fitting)
				}
				if i := slices.IndexFunc(got, tc.isDown); i >= 0 {
					t.Errorf("the reply holds %d, which is down", got[i])
				}
				if n := c.judged(); n > tc.most {
					t.Errorf("%d addresses were judged, want at most %d", n, tc.most)
				}
			}
		})
	}
}

func TestRepliesThatAreCutTurnByOne(t *testing.T) {
	c := newCrowd(t, "udp", 1000, plainConfig, func(int) bool { return false })
	first, _ := c.ask(t)
	for i := 1; i < 1100; i++ {
		got, _ := c.ask(t)
		for j := range got {
			if want := (first[0] + i + j) % c.n; got[j] != want {
				t.Fatalf("reply %d begins with %v, want %d at place %d", i, got[:3], want, j)
			}
		}
	}
}

// Where the part does not do, all are judged, and what leaves is what left
// before replies were judged in part.
func TestWhereAPartDoesNotDoAllAreJudged(t *testing.T) {
	half, all := pool.MinUp{N: 50, Percent: true}, pool.Settings{TTL: 30, ShortTTL: 10, MinUp: pool.MinUp{N: 1}}
	minUp, eight := all, all
	minUp.MinUp, eight.MaxAnswers = half, 8
	for what, tc := range map[string]struct {
		network string
		n       int
		config  pool.Settings
		up      func(int) bool
		want    int // addresses
		cut     bool
		some    bool // are down
	}{
		"three are up":     {"udp", 10_000, all, func(i int) bool { return i%4000 == 7 }, 3, false, false},
		"as many as fit":   {"udp", 10_000, all, func(i int) bool { return i < fitting }, fitting, false, false},
		"one more":         {"udp", 10_000, all, func(i int) bool { return i <= fitting }, fitting, true, false},
		"less than min_up": {"udp", 10_000, minUp, func(i int) bool { return i%3 == 0 }, fitting, true, true},
		"min_up":           {"udp", 10_000, minUp, func(i int) bool { return i%2 == 0 }, fitting, true, false},
		"answers":          {"udp", 10_000, eight, func(i int) bool { return i%2 == 0 }, 8, false, false},
		"none is up, and an extended error has the reason": {"udp", 10_000, all, func(int) bool { return false }, fitting - 4, true, true},
		"over TCP":                  {"tcp", 4000, all, func(i int) bool { return i%2 == 0 }, 2000, false, false},
		"over TCP, all":             {"tcp", 4000, all, func(int) bool { return true }, 4000, false, false},
		"more than TCP can take":    {"tcp", 10_000, all, func(i int) bool { return i != 17 }, 4093, true, false},
		"over TCP, but one is down": {"tcp", 4093, all, func(i int) bool { return i > 1 }, 4091, false, false},
	} {
		t.Run(what, func(t *testing.T) {
			c := newCrowd(t, tc.network, tc.n, tc.config, func(i int) bool { return !tc.up(i) })
			for range 3 {
				got, cut := c.ask(t)
				if len(got) != tc.want || cut != tc.cut {
					t.Errorf("%d addresses, TC %t, want %d and %t", len(got), cut, tc.want, tc.cut)
				}
				if some := slices.ContainsFunc(got, func(i int) bool { return !tc.up(i) }); some != tc.some {
					t.Errorf("addresses that are down are in the reply: %t, want %t", some, tc.some)
				}
			}
		})
	}
}

// With an order that stays, and one TTL, what a client gets when the server cuts
// the reply is, byte for byte, what it gets where all is judged.
func TestAPartSaysWhatTheWholeDoes(t *testing.T) {
	random := rand.New(rand.NewPCG(13, 1232))
	writers := make(map[string]dns.ResponseWriter)
	sinks := make(map[string]*sink)
	for _, network := range []string{"udp", "tcp"} {
		writers[network], sinks[network] = serverSink(t, network)
	}
	parts := 0
	for range 1500 {
		m, scattered := randomCrowd(t, random)
		config := pool.Settings{TTL: 30, ShortTTL: 30, MinUp: pool.MinUp{N: 1 + random.IntN(8)/7*60, Percent: random.IntN(8) == 0}, Policy: pool.Sequential}
		config.AllDown = pool.Action(random.IntN(6))
		h := filtering(config, m, randomStates(random, len(m.Answer)))
		h.rules.Filters[0].DryRun = random.IntN(8) == 0
		network := []string{"udp", "udp", "udp", "tcp"}[random.IntN(4)]
		size := []int{512, 1232, 4096}[random.IntN(3)]
		r := func() *dns.Msg { return request1("www.example.org.", dns.TypeA, size, 0, "") }
		sinks[network].sent = nil
		q := r()
		if _, err := h.ServeDNS(t.Context(), request.NewScrubWriter(q, writers[network]), q); err != nil {
			t.Fatal(err)
		}
		inPart := h.rules.Filters[0].Seen() < count(m.Answer, dns.TypeA)
		q = r()
		want := &packer{addr: writers[network].RemoteAddr()}
		if _, err := h.ServeDNS(t.Context(), request.NewScrubWriter(q, want), q); err != nil {
			t.Fatal(err)
		}
		// A set in pieces leaves in one, as far as it was looked at.
		if scattered {
			onlyWhatIsUp(t, h, m, sinks[network].sent, want.sent)
		} else if !bytes.Equal(sinks[network].sent, want.sent) {
			t.Errorf("%s, size %d, %d records, %+v\npart  %x\nwhole %x", network, size, len(m.Answer), config, sinks[network].sent, want.sent)
		}
		if t.Failed() {
			return
		}
		if len(want.sent) > 0 && inPart {
			parts++
		}
	}
	if parts < 100 || parts > 1400 {
		t.Errorf("%d of 1500 answers were judged in part, want many, and many not", parts)
	}
}

// An alias may be shorter than any address: as many of them as addresses would
// fill a reply do not fill it.
func TestAPartThatHasAliasesIsTruncatedLikeTheWhole(t *testing.T) {
	m := answerTo(harness.Query("www.example.org.", dns.TypeA, false))
	for range 82 {
		m.Answer = append(m.Answer, rrs(t, "www.example.org. 30 IN CNAME www.example.org.")...)
	}
	states := make(map[string]verdict.State)
	for i := range 132 { // the first 22 are of one name, and all but one of them are down
		addr := fmt.Sprintf("10.0.0.%d", i)
		m.Answer = append(m.Answer, rrs(t, fmt.Sprintf("h%d.example.org. 30 IN A %s", max(0, i-21), addr))...)
		if states[addr] = verdict.Up; 0 < i && i < 22 {
			states[addr] = verdict.Down
		}
	}
	h := filtering(pool.Settings{TTL: 30, ShortTTL: 30, MinUp: pool.MinUp{N: 1}, Policy: pool.Sequential}, m, states)
	w, sink := serverSink(t, "udp")
	whole := &packer{addr: w.RemoteAddr()}
	for _, w := range []dns.ResponseWriter{w, whole} {
		r := request1("www.example.org.", dns.TypeA, 1232, 0, "")
		if _, err := h.ServeDNS(t.Context(), request.NewScrubWriter(r, w), r); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(sink.sent, whole.sent) {
		t.Errorf("part  %x\nwhole %x", sink.sent, whole.sent)
	}
}

// randomCrowd returns an answer of one name or many, in pieces now and then.
func randomCrowd(t *testing.T, random *rand.Rand) (m *dns.Msg, scattered bool) {
	t.Helper()
	m = answerTo(harness.Query("www.example.org.", dns.TypeA, false))
	n := []int{20, 90, 300, 1000, 3000}[random.IntN(5)]
	owners := []int{1, 1, 2, 7, n}[random.IntN(5)]
	owner := "www.example.org."
	if random.IntN(3) == 0 {
		owner = "other.example.net."
		m.Answer = rrs(t, "www.example.org. 30 IN CNAME "+owner)
	}
	for i := range n {
		of := i * owners / n
		if random.IntN(5000) == 0 {
			of, scattered = random.IntN(owners), true
		}
		name := owner
		if of > 0 {
			name = fmt.Sprintf("h%d.example.org.", of)
		}
		header := dns.RR_Header{Name: name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 30}
		m.Answer = append(m.Answer, &dns.A{Hdr: header, A: net.IPv4(10, 0, byte(i>>8), byte(i)).To4()})
	}
	if random.IntN(4) == 0 {
		m.Answer = append(m.Answer, rrs(t, owner+" 30 IN AAAA 2001:db8::1")...)
	}
	m.Ns = randomRecords(random, random.IntN(2))
	m.Extra = randomRecords(random, random.IntN(2))
	return m, scattered
}

// onlyWhatIsUp fails the test if part holds an address that is down although m
// has another of that owner which is up, unless whole does so too (min_up), or
// if they differ in TC.
func onlyWhatIsUp(t *testing.T, h *RRHealth, m *dns.Msg, part, whole []byte) {
	t.Helper()
	got, want := new(dns.Msg), new(dns.Msg)
	if (got.Unpack(part) == nil) != (want.Unpack(whole) == nil) || got.Truncated != want.Truncated || got.Rcode != want.Rcode {
		t.Fatalf("part\n%v\nwhole\n%v", got, want)
	}
	isDown := func(rr dns.RR) bool {
		health, _, _ := h.rules.Filters[0].Health(reply.Addr(rr))
		return health.State == verdict.Down
	}
	if slices.ContainsFunc(want.Answer, isDown) {
		return
	}
	if i := slices.IndexFunc(got.Answer, isDown); i >= 0 {
		t.Errorf("%v is in the part although it is down, from %d records", got.Answer[i], len(m.Answer))
	}
}

// randomStates returns the states of a crowd's first n addresses: few down, or
// most.
func randomStates(random *rand.Rand, n int) map[string]verdict.State {
	states, one := make(map[string]verdict.State), []int{1, 2, 20, 500, 1 << 30}[random.IntN(5)]
	for i := range n {
		state := verdict.Up
		if random.IntN(one) == 0 {
			state = verdict.Down
		}
		states[net.IPv4(10, 0, byte(i>>8), byte(i)).String()] = state
	}
	return states
}

// count returns how many of rrs are of a type.
func count(rrs []dns.RR, rrtype uint16) (n int) {
	for _, rr := range rrs {
		if rr.Header().Rrtype == rrtype {
			n++
		}
	}
	return n
}
