package pool

import (
	"fmt"
	"slices"
	"testing"
)

func TestASetIsThinnedToWhatIsUp(t *testing.T) {
	half := MinUp{N: 50, Percent: true}
	for _, tc := range []struct {
		minUp    MinUp
		allDown  Action
		size, up int
		want     Outcome
	}{
		{MinUp{N: 1}, ActServfail, 3, 3, Served},
		{MinUp{N: 1}, ActServfail, 3, 2, Served},
		{MinUp{N: 1}, ActServfail, 3, 1, Served},
		{MinUp{N: 2}, ActServfail, 3, 2, Served},
		{MinUp{N: 2}, ActServfail, 3, 1, ServedMinUp},
		{MinUp{N: 2}, ActServfail, 1, 1, Served}, // nothing is missing from a set of one
		{half, ActServfail, 4, 2, Served},
		{half, ActServfail, 4, 1, ServedMinUp},
		{half, ActServfail, 1, 1, Served},
		{MinUp{N: 1}, ActAnswer, 3, 0, ServedAllDown},
		{MinUp{N: 1}, ActServfail, 3, 0, Servfail},
		{MinUp{N: 1}, ActRefused, 3, 0, Refused},
		{MinUp{N: 1}, ActNoData, 3, 0, NoData},
		{MinUp{N: 1}, ActDrop, 3, 0, Dropped},
		{MinUp{N: 1}, ActAddresses, 3, 0, ServedFallback},
		{MinUp{N: 2}, ActDrop, 3, 0, Dropped},
	} {
		c := Config{MinUp: tc.minUp, AllDown: tc.allDown}
		if got := c.Thin(tc.size, tc.up); got != tc.want {
			t.Errorf("%d of %d up with min_up %+v: %v, want %v", tc.up, tc.size, tc.minUp, got, tc.want)
		}
	}
}

func TestPlacesTurnByTheStep(t *testing.T) {
	c := Config{Policy: Rotate}
	for step, want := range []string{"[0 1 2]", "[1 2 0]", "[2 0 1]", "[0 1 2]"} {
		places := []int{0, 1, 2}
		c.Arrange(places, uint64(step))
		if got := fmt.Sprint(places); got != want {
			t.Errorf("step %d: %s, want %s", step, got, want)
		}
	}
	c.Policy = Sequential
	places := []int{0, 1, 2}
	if c.Arrange(places, 7); fmt.Sprint(places) != "[0 1 2]" {
		t.Errorf("policy sequential: %v, want the order as it was", places)
	}
}

func TestShuffleKeepsEveryPlace(t *testing.T) {
	c := Config{Policy: Shuffle}
	firsts := make(map[int]bool)
	for range 200 {
		places := []int{0, 1, 2, 3}
		c.Arrange(places, 0)
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
