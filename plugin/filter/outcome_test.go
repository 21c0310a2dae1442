package filter

import (
	"fmt"
	"slices"
	"testing"

	"github.com/rrhealth/rrhealth/plugin/pool"
)

func TestASetIsThinnedToWhatIsUp(t *testing.T) {
	half := pool.MinUp{N: 50, Percent: true}
	for _, tc := range []struct {
		minUp    pool.MinUp
		allDown  pool.Action
		size, up int
		want     pool.Outcome
	}{
		{pool.MinUp{N: 1}, pool.ActServfail, 3, 3, pool.Served},
		{pool.MinUp{N: 1}, pool.ActServfail, 3, 2, pool.Served},
		{pool.MinUp{N: 1}, pool.ActServfail, 3, 1, pool.Served},
		{pool.MinUp{N: 2}, pool.ActServfail, 3, 2, pool.Served},
		{pool.MinUp{N: 2}, pool.ActServfail, 3, 1, pool.ServedMinUp},
		{pool.MinUp{N: 2}, pool.ActServfail, 1, 1, pool.Served}, // nothing is missing from a set of one
		{half, pool.ActServfail, 4, 2, pool.Served},
		{half, pool.ActServfail, 4, 1, pool.ServedMinUp},
		{half, pool.ActServfail, 1, 1, pool.Served},
		{pool.MinUp{N: 1}, pool.ActAnswer, 3, 0, pool.ServedAllDown},
		{pool.MinUp{N: 1}, pool.ActServfail, 3, 0, pool.Servfail},
		{pool.MinUp{N: 1}, pool.ActRefused, 3, 0, pool.Refused},
		{pool.MinUp{N: 1}, pool.ActNoData, 3, 0, pool.NoData},
		{pool.MinUp{N: 1}, pool.ActDrop, 3, 0, pool.Dropped},
		{pool.MinUp{N: 1}, pool.ActAddresses, 3, 0, pool.ServedFallback},
		{pool.MinUp{N: 2}, pool.ActDrop, 3, 0, pool.Dropped},
	} {
		c := pool.Settings{MinUp: tc.minUp, AllDown: tc.allDown}
		if got := outcomeOf(&c, tc.size, tc.up); got != tc.want {
			t.Errorf("%d of %d up with min_up %+v: %v, want %v", tc.up, tc.size, tc.minUp, got, tc.want)
		}
	}
}

func TestPlacesTurnByTheStep(t *testing.T) {
	for step, want := range []string{"[0 1 2]", "[1 2 0]", "[2 0 1]", "[0 1 2]"} {
		places := []int32{0, 1, 2}
		arrange(places, pool.Rotate, uint64(step))
		if got := fmt.Sprint(places); got != want {
			t.Errorf("step %d: %s, want %s", step, got, want)
		}
	}
	places := []int32{0, 1, 2}
	if arrange(places, pool.Sequential, 7); fmt.Sprint(places) != "[0 1 2]" {
		t.Errorf("policy sequential: %v, want the order as it was", places)
	}
}

func TestShuffleKeepsEveryPlace(t *testing.T) {
	firsts := make(map[int32]bool)
	for range 200 {
		places := []int32{0, 1, 2, 3}
		arrange(places, pool.Shuffle, 0)
		firsts[places[0]] = true
		slices.Sort(places)
		if fmt.Sprint(places) != "[0 1 2 3]" {
			t.Fatalf("shuffled to %v, want each place once", places)
		}
	}
	if len(firsts) != 4 {
		t.Errorf("only %v came first in 200 shuffles, want all four", firsts)
	}
}
