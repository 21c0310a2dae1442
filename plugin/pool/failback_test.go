package pool

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The table is the specification of next. A step is the minute, able and alone
// (- for noTier); the standby that follows is its tier and, if a failback runs,
// the tier that it leads to and the minute in which it began. The failback
// takes five minutes.
func TestNextStandby(t *testing.T) {
	const failback = 5 * minute
	tests := []struct {
		name     string
		failback time.Duration
		steps    string
		want     string
	}{
		{"the first decision is immediate", failback, "0:2/2", "2"},
		{"the first decision waits for nothing, even if no tier is enough", failback, "0:3/-", "3"},
		{"a tier that fails is left at once", failback, "0:1/1 1:2/2 2:3/3", "1 2 3"},
		{"an earlier tier waits", failback, "0:2/2 1:1/2", "2 2>1@1"},
		{"it takes over after the failback", failback, "0:2/2 1:1/2 5:1/2 6:1/2", "2 2>1@1 2>1@1 1"},
		{"a break starts the failback again", failback, "0:2/2 1:1/2 2:2/2 3:1/2 6:1/2 8:1/2", "2 2>1@1 2 2>1@3 2>1@3 1"},
		{"it does not wait if the later tier fails", failback, "0:2/2 1:1/2 2:1/3", "2 2>1@1 1"},
		{"nor if no tier is enough without those that wait", failback, "0:2/2 1:1/2 2:1/-", "2 2>1@1 1"},
		{"the tier that was able throughout takes over, and the failback continues", failback,
			"0:3/3 1:2/3 3:1/3 6:1/3 11:1/2", "3 3>2@1 3>2@1 2>1@6 1"},
		{"a tier that was able only at first does not take over", failback, "0:3/3 1:1/3 3:2/3 6:2/3", "3 3>1@1 3>2@1 2"},
		{"a failure of the answered tier ends a failback", failback, "0:2/2 1:1/2 2:3/3", "2 2>1@1 3"},
		{"never waits for the later tier to fail", FailbackNever, "0:2/2 1:1/2 9999:1/2 10000:1/-", "2 2>1@1 2>1@1 1"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			var s standby
			var got []string
			for step := range strings.FieldsSeq(tc.steps) {
				at, able, alone := stepOf(t, step)
				s = next(s, able, alone, tc.failback, at)
				got = append(got, s.word())
			}
			if g := strings.Join(got, " "); g != tc.want {
				t.Errorf("%s: got %s, want %s", tc.steps, g, tc.want)
			}
		})
	}
}

func TestAStandbyIsDueWhenItsFailbackEnds(t *testing.T) {
	since := epoch
	running := standby{tier: 2, to: 1, since: since}
	for _, tc := range []struct {
		name     string
		s        standby
		failback time.Duration
		want     time.Time
	}{
		{"running", running, minute, since.Add(minute)},
		{"never", running, FailbackNever, time.Time{}},
		{"not running", standby{tier: 1}, minute, time.Time{}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := tc.s.due(tc.failback); !got.Equal(tc.want) {
				t.Errorf("got %v, want %v", got, tc.want)
			}
		})
	}
}

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// stepOf reads MINUTE:ABLE/ALONE.
func stepOf(t *testing.T, step string) (at time.Time, able, alone int) {
	t.Helper()
	when, tiers, ok := strings.Cut(step, ":")
	first, second, ok2 := strings.Cut(tiers, "/")
	if !ok || !ok2 {
		t.Fatalf("step %q: want MINUTE:ABLE/ALONE", step)
	}
	if alone = noTier; second != "-" {
		alone = number(t, second)
	}
	return epoch.Add(time.Duration(number(t, when)) * minute), number(t, first), alone
}

func number(t *testing.T, word string) int {
	t.Helper()
	n, err := strconv.Atoi(word)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// word is TIER, or TIER>TO@MINUTE while a failback runs.
func (s standby) word() string {
	if s.since.IsZero() {
		return strconv.Itoa(s.tier)
	}
	return fmt.Sprintf("%d>%d@%d", s.tier, s.to, int(s.since.Sub(epoch).Minutes()))
}
