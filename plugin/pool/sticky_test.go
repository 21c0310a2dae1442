package pool

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// networks is how many client networks the tests ask for: 10.0.0.0/24,
// 10.0.1.0/24 and so on.
const networks = 100_000

func network(i int) uint64 {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], 10<<24+uint32(i)<<8)
	return Network(netip.AddrFrom4(b), 24)
}

// stuck returns the address that each network gets first.
func stuck(p *Pool) []netip.Addr {
	all := make([]netip.Addr, networks)
	s := p.Snapshot()
	var room [16]int
	for i := range all {
		first := p.Order(room[:0], s, V4, Client{Network: network(i)})[0]
		all[i] = s.Choices[V4].Members[first].Addr
	}
	return all
}

// The hash has no seed, so these counts are the same on every machine, always:
// the test cannot pass today and fail tomorrow.
func TestStickySharesAreInProportionToTheWeights(t *testing.T) {
	for _, weights := range [][]int{
		{1, 1, 1, 1, 1, 1, 1, 1, 1, 1},
		{1, 2, 1, 2, 1, 2, 1, 2, 1, 2},
		{5, 1, 3, 2, 4, 1, 2, 3, 5, 4},
	} {
		var words []string
		total := 0
		for i, w := range weights {
			words = append(words, fmt.Sprintf("%d*%d", 11+i, w))
			total += w
		}
		p := newPool(config(t, Sticky, strings.Join(words, " ")))
		counts := make(map[netip.Addr]int)
		for _, a := range stuck(p) {
			counts[a]++
		}
		for i, w := range weights {
			want := float64(networks*w) / float64(total)
			got := float64(counts[p.Backends[i].Addr])
			// Two parts in a hundred of all clients are promised; what a random
			// hash does is far less: four standard deviations.
			off := math.Abs(got - want)
			if off > 0.02*networks || off > 4*math.Sqrt(want) {
				t.Errorf("weights %v: backend %d has %v clients of %d, want %.0f", weights, i, got, networks, want)
			}
		}
	}
}

func TestStickyMovesOnlyTheClientsOfALostMember(t *testing.T) {
	for _, backends := range []string{"11 12 13 14 15 16 17 18 19 20", "11*5 12 13*3 14*2 15*4 16 17*2 18*3 19*5 20*4"} {
		p := newPool(config(t, Sticky, backends))
		p.allUp()
		before := stuck(p)
		for lost := range p.Backends {
			letters := []byte("UUUUUUUUUU")
			letters[lost] = 'D'
			p.Store(Build(p.Config, healths(string(letters))))
			own, moved := 0, 0
			heirs := make(map[netip.Addr]int)
			for i, now := range stuck(p) {
				switch gone := before[i] == p.Backends[lost].Addr; {
				case gone:
					own++
					heirs[now]++
				case now != before[i]:
					moved++
				}
			}
			if moved != 0 || own == 0 {
				t.Errorf("backend %d lost: %d clients of others moved, want 0 (it had %d)", lost, moved, own)
			}
			if len(heirs) != 9 {
				t.Errorf("backend %d lost: its clients went to %d others, want all 9", lost, len(heirs))
			}
		}
		p.allUp()
		if !slices.Equal(stuck(p), before) {
			t.Error("the return of all did not restore the mapping")
		}
	}
}

// digest sums up where all networks are stuck, with and without weights.
func digest(t *testing.T) string {
	t.Helper()
	h := sha256.New()
	for _, backends := range []string{"11 12 13 14 15 16 17 18 19 20", "11*5 12 13*3 14*2 15*4 16 17*2 18*3 19*5 20*4"} {
		for _, a := range stuck(newPool(config(t, Sticky, backends))) {
			b := a.As4()
			h.Write(b[:])
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}

const inAnotherProcess = "RRHEALTH_TEST_STICKY"

func TestTwoProcessesAgreeOnAllNetworks(t *testing.T) {
	own := digest(t)
	if os.Getenv(inAnotherProcess) != "" {
		fmt.Println("digest", own)
		return
	}
	other := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v") // #nosec G204 -- this very test
	other.Env = append(os.Environ(), inAnotherProcess+"=1")
	out, err := other.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if !strings.Contains(string(out), "digest "+own+"\n") {
		t.Errorf("another process printed\n%s\nthis one has digest %s", out, own)
	}
}

// A hash with a seed would not give these numbers again. They pin the mapping
// against a change that would move every client at an upgrade.
func TestStickyIsTheSameInEveryVersion(t *testing.T) {
	if got, want := network(0), uint64(0xa909aab275040d44); got != want {
		t.Errorf("Network(10.0.0.0/24) = %#x, want %#x", got, want)
	}
	for _, tc := range []struct{ backends, want string }{
		{"11 12 13 14 15", "cddcbbedaabbeebedbadcdcddaccbbaedeeeaaac"},
		{"11*5 12 13*3 14*2 15*4", "cedcbcecaaceeecadbadcccddaccdbaedeeeaaac"},
	} {
		p := newPool(config(t, Sticky, tc.backends))
		var got strings.Builder
		for _, a := range stuck(p)[:40] {
			fmt.Fprintf(&got, "%c", 'a'+a.As4()[3]-11)
		}
		if got.String() != tc.want {
			t.Errorf("%s: got %s, want %s", tc.backends, got.String(), tc.want)
		}
	}
}

func TestStickyDoesNotDependOnTheOrderOfTheCorefile(t *testing.T) {
	one := newPool(config(t, Sticky, "11*5 12 13*3 14*2 15*4"))
	other := newPool(config(t, Sticky, "14*2 12 15*4 11*5 13*3"))
	if !slices.Equal(stuck(one), stuck(other)) {
		t.Error("the same backends in another order give another mapping")
	}
}

// The first N by rank are the first N of the whole order, and the order of
// those that stay does not change when one goes.
func TestStickyAnswersAreTheFirstByRank(t *testing.T) {
	for _, n := range []int{2, 10, 100, 200} {
		for _, weight := range []string{"", "*9"} {
			backends := numbered(n) + weight
			all := newPool(config(t, Sticky, backends))
			for _, answers := range []int{1, 2, 8, 16, 17, 129, 150} {
				cut := config(t, Sticky, backends)
				cut.MaxAnswers = answers
				p := newPool(cut)
				for i := range 200 {
					c := Client{Network: network(i)}
					whole := all.Order(nil, all.Snapshot(), V4, c)
					got := p.Order(nil, p.Snapshot(), V4, c)
					if !slices.Equal(got, whole[:min(answers, n)]) {
						t.Fatalf("%d members, max_answers %d: got %v, want the beginning of %v", n, answers, got, whole)
					}
				}
			}
			letters := []byte(strings.Repeat("U", n))
			letters[n/2] = 'D'
			less := newPool(config(t, Sticky, backends))
			less.Store(Build(less.Config, healths(string(letters))))
			for i := range 200 {
				c := Client{Network: network(i)}
				var want []int
				for _, place := range all.Order(nil, all.Snapshot(), V4, c) {
					if place < n/2 {
						want = append(want, place)
					} else if place > n/2 {
						want = append(want, place-1)
					}
				}
				if got := less.Order(nil, less.Snapshot(), V4, c); !slices.Equal(got, want) {
					t.Fatalf("%d members, one lost: got %v, want %v", n, got, want)
				}
			}
		}
	}
}

// Of the second addresses, which a client takes when the first fails, each
// member has its share as well: the neighbor of a member is not the same for
// all.
func TestStickyRanksAreIndependent(t *testing.T) {
	p := newPool(config(t, Sticky, "11 12 13 14 15"))
	pairs := make(map[[2]int]int)
	for i := range networks {
		got := p.Order(nil, p.Snapshot(), V4, Client{Network: network(i)})
		pairs[[2]int{got[0], got[1]}]++
	}
	if len(pairs) != 20 {
		t.Errorf("%d different first and second members, want 20", len(pairs))
	}
	for pair, n := range pairs {
		if math.Abs(float64(n)-networks/20) > 4*math.Sqrt(networks/20) {
			t.Errorf("members %v come first and second %d times, want about %d", pair, n, networks/20)
		}
	}
}

func TestNetwork(t *testing.T) {
	same := func(a, b string, length int) bool {
		return Network(netip.MustParseAddr(a), length) == Network(netip.MustParseAddr(b), length)
	}
	for _, tc := range []struct {
		a, b   string
		length int
		want   bool
	}{
		{"198.51.100.1", "198.51.100.254", 24, true},
		{"198.51.100.1", "198.51.101.1", 24, false},
		{"198.51.100.1", "198.51.101.1", 23, true},
		{"198.51.100.1", "198.51.100.2", 32, false},
		{"198.51.100.1", "198.51.100.1", 99, true}, // no longer than there is
		{"2001:db8:0:aa00::1", "2001:db8:0:aaff::1", 56, true},
		{"2001:db8:0:aa00::1", "2001:db8:0:ab00::1", 56, false},
		{"0.0.0.0", "::", 1, false}, // a family of its own
	} {
		if got := same(tc.a, tc.b, tc.length); got != tc.want {
			t.Errorf("%s and %s are in one network of length %d: %t, want %t", tc.a, tc.b, tc.length, got, tc.want)
		}
	}
	if Network(netip.Addr{}, 24) != Network(netip.Addr{}, 56) {
		t.Error("clients without an address are not one network")
	}
}
