package pool

import (
	"math"
	"net/netip"

	"github.com/cespare/xxhash/v2"
)

// A Client is what a policy may want to know of whoever asks. Policies other
// than Sticky and Nearest look at nothing in it.
type Client struct {
	Network uint64 // see Network
	Place   Place
}

// Network returns the number that stands for the network of length bits which
// addr lies in. It is the same in every process, on every machine.
func Network(addr netip.Addr, length int) uint64 {
	// It fails for a negative length only. Clients without an address are one.
	prefix, _ := addr.Prefix(min(length, addr.BitLen()))
	return fingerprint(prefix.Addr())
}

// fingerprint hashes an address to 64 bits.
func fingerprint(addr netip.Addr) uint64 {
	b := addr.As16()
	return xxhash.Sum64(b[:])
}

// seats ranks members by rendezvous: each client draws a number for each
// member, and members stand in the order of these numbers. A member's number
// depends on nothing but the client and the member, so members that come and go
// leave the order of the others as it was: a client moves only when the member
// that it stuck to goes, and moves back when that returns.
type seats struct {
	members []seat
	even    bool // all weights are equal
}

type seat struct {
	key    uint64 // the fingerprint of the member's address
	weight float64
}

func newSeats(members []Member, weights []uint64) seats {
	s := seats{even: true}
	for i, m := range members {
		s.members = append(s.members, seat{fingerprint(m.Addr), float64(weights[i])})
		s.even = s.even && weights[i] == weights[0]
	}
	return s
}

// sticky appends the first k places in the client's own order.
func (s *seats) sticky(dst []int, network uint64, k int) []int {
	if k <= fewRanks {
		var room [fewRanks]rank
		return s.rank(room[:0], network, k).appendTo(dst)
	}
	var room [manyMembers]rank
	return s.rank(room[:0], network, k).appendTo(dst)
}

// rank ranks the first k.
func (s *seats) rank(r ranking, network uint64, k int) ranking {
	if s.even {
		for i := range s.members {
			r = r.add(scramble(network^s.members[i].key), i, k)
		}
		return r
	}
	worst := math.Inf(1) // of those ranked, once there are k
	for i := range s.members {
		m := &s.members[i]
		uniform := (float64(scramble(network^m.key)>>11) + 0.5) / (1 << 53) // in (0, 1)
		if uniform >= worst*m.weight {
			continue // and so is its variate, which is larger: spare the logarithm
		}
		r = r.add(m.weigh(uniform), i, k)
		if len(r) == k {
			worst = math.Float64frombits(r[k-1].key)
		}
	}
	return r
}

// weigh turns the number drawn into one that is the lowest of all with a
// probability in proportion to the weight: an exponential variate of that rate.
// Positive floating-point numbers are in the order of their bits. With equal
// weights the order is that of the numbers drawn.
func (m *seat) weigh(uniform float64) uint64 {
	return math.Float64bits(-math.Log1p(-uniform) / m.weight)
}

// scramble spreads every bit of x over all bits: the finaliser of SplitMix64.
func scramble(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
