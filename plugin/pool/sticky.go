package pool

import (
	"math"
	"net/netip"

	"github.com/cespare/xxhash/v2"
)

// A Client is what Sticky and Nearest know about the client. Other policies do
// not use it.
type Client struct {
	Network uint64 // see Network
	Place   Place
}

// Network returns a number for the network of length bits that contains addr. It
// is the same in every process, on every machine.
func Network(addr netip.Addr, length int) uint64 {
	// Prefix fails for a negative length only. All clients without an address
	// are one network.
	prefix, _ := addr.Prefix(min(length, addr.BitLen()))
	return fingerprint(prefix.Addr())
}

// fingerprint hashes an address to 64 bits.
func fingerprint(addr netip.Addr) uint64 {
	b := addr.As16()
	return xxhash.Sum64(b[:])
}

// sticky ranks members by rendezvous hashing: a hash of client and member gives
// each member a number, and members are answered in the order of the numbers. A
// member's number depends on the client and on the member only, so a member
// that goes down or comes up does not change the order of the others. A client
// moves only when its first member goes down, and moves back when it comes up.
type sticky struct {
	members []stickyMember
	even    bool // all weights are equal
}

type stickyMember struct {
	key    uint64 // the fingerprint of the member's address
	weight float64
}

func newSticky(members []Member, weights []uint64) sticky {
	s := sticky{even: true}
	for i, m := range members {
		s.members = append(s.members, stickyMember{fingerprint(m.Addr), float64(weights[i])})
		s.even = s.even && weights[i] == weights[0]
	}
	return s
}

// order appends the indices of the first k members for the client's network.
func (s *sticky) order(dst []int, network uint64, k int) []int {
	if k <= fewRanks {
		var room [fewRanks]rank
		return s.rank(room[:0], network, k).appendTo(dst)
	}
	var room [manyMembers]rank
	return s.rank(room[:0], network, k).appendTo(dst)
}

// rank ranks the first k members.
func (s *sticky) rank(r ranking, network uint64, k int) ranking {
	if s.even {
		for i := range s.members {
			r = r.add(scramble(network^s.members[i].key), i, k)
		}
		return r
	}
	worst := math.Inf(1) // the highest of the k lowest variates, once there are k
	for i := range s.members {
		m := &s.members[i]
		uniform := (float64(scramble(network^m.key)>>11) + 0.5) / (1 << 53) // in (0, 1)
		if uniform >= worst*m.weight {
			continue // its variate is larger still: save the logarithm
		}
		r = r.add(m.weigh(uniform), i, k)
		if len(r) == k {
			worst = math.Float64frombits(r[k-1].key)
		}
	}
	return r
}

// weigh turns a uniform number into an exponential variate whose rate is the
// weight: the probability that it is the lowest of all is in proportion to the
// weight. It returns the variate's bits, which have the same order as positive
// floating-point numbers. With equal weights the order of the uniform numbers
// remains.
func (m *stickyMember) weigh(uniform float64) uint64 {
	return math.Float64bits(-math.Log1p(-uniform) / m.weight)
}

// scramble spreads every bit of x over all bits: the finalizer of SplitMix64.
func scramble(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
