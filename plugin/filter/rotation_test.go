package filter

import (
	"fmt"
	"testing"

	"github.com/miekg/dns"
)

func TestTurnsCountEachNameAndTypeForItself(t *testing.T) {
	r := newRotation()
	a, b := r.next("www.example.org.", dns.TypeA), r.next("www.example.org.", dns.TypeAAAA)
	for i := uint64(1); i < 5; i++ {
		if got := r.next("wWw.example.ORG.", dns.TypeA); got != a+i {
			t.Errorf("step %d of A: %d, want %d", i, got, a+i)
		}
		if got := r.next("www.example.org.", dns.TypeAAAA); got != b+i {
			t.Errorf("step %d of AAAA: %d, want %d", i, got, b+i)
		}
	}
	// Names must not all start at the same place.
	starts := make(map[uint64]int)
	for i := range 3000 {
		starts[r.next(fmt.Sprintf("h%d.example.org.", i), dns.TypeA)%3]++
	}
	for place, n := range starts {
		if n < 800 || n > 1200 {
			t.Errorf("%d of 3000 names start at place %d of 3, want about a third", n, place)
		}
	}
}
