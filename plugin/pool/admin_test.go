package pool

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rrhealth/rrhealth/plugin/verdict"
)

// What operators set counts instead of the verdicts, but never makes an answer empty.
// For the letters of health see healths.
func TestBuildWithWhatOperatorsSet(t *testing.T) {
	for _, tc := range []struct {
		name, backends string
		minUp          MinUp // of 1 unless set
		allDown        Action
		health, v4, v6 string
	}{
		{"drained", "1 2 3", MinUp{}, ActAnswer, "UZU", "served 1 3", "nodata"},
		{"drained and down", "1 2 3", MinUp{}, ActAnswer, "UzU", "served 1 3", "nodata"},
		{"down although up", "1 2 3", MinUp{}, ActAnswer, "UXU", "served 1 3", "nodata"},
		{"up although down", "1 2 3", MinUp{}, ActAnswer, "UYD", "served 1 2", "nodata"},
		{"up although held down", "1 2 3", MinUp{}, ActAnswer, "UhH", "served 1 2", "nodata"},
		{"up does not override the Corefile's drain", "1 2! 3", MinUp{}, ActAnswer, "UYU", "served 1 3", "nodata"},
		{"not even when all others are down", "1 2!", MinUp{}, ActAnswer, "DY", "all_down 1", "nodata"},

		{"a drained first tier fails over", "1 2 3@2", MinUp{}, ActAnswer, "ZZU", "served 3", "nodata"},
		{"a first tier that is set down fails over", "1 2 3@2", MinUp{}, ActAnswer, "XXU", "served 3", "nodata"},
		{"a first tier of which one is left", "1 2 3@2", MinUp{}, ActAnswer, "ZUU", "served 2", "nodata"},
		{"a later tier that is set up does not take over", "1 2@2", MinUp{}, ActAnswer, "UY", "served 1", "nodata"},
		{"min_up counts what is set up", "1 2 3@2", MinUp{N: 2}, ActAnswer, "UYU", "served 1 2", "nodata"},
		{"min_up does not count what is set down", "1 2 3@2", MinUp{N: 2}, ActAnswer, "UXU", "served 1 3", "nodata"},
		{"nor what is drained", "1 2 3@2", MinUp{N: 2}, ActAnswer, "UZU", "served 1 3", "nodata"},
		{"fewer than min_up: all but the drained", "1 2 3", MinUp{N: 2}, ActAnswer, "UZD", "min_up 1 3", "nodata"},
		{"a percentage is of those that are not drained", "1 2 3 4@2", MinUp{N: 60, Percent: true}, ActAnswer, "UZZU", "served 1", "nodata"},

		{"all set down: all_down decides", "1 2@2", MinUp{}, ActAnswer, "XX", "all_down 1", "nodata"},
		{"all set down: all_down decides for SERVFAIL", "1 2@2", MinUp{}, ActServfail, "XX", "servfail", "nodata"},
		{"of those that are not drained, all are down", "1 2 3", MinUp{}, ActAnswer, "ZDD", "all_down 2 3", "nodata"},
		{"all drained: all_down decides", "1 2 3@2", MinUp{}, ActAnswer, "ZzZ", "all_down 1 2", "nodata"},
		{"all drained: all_down decides for SERVFAIL", "1 2", MinUp{}, ActServfail, "ZZ", "servfail", "nodata"},
		{"all drained: all_down decides for an empty answer", "1 2", MinUp{}, ActNoData, "ZZ", "nodata", "nodata"},
		{"all drained by Corefile and operator", "1! 2", MinUp{}, ActAnswer, "UZ", "all_down 2", "nodata"},
		{"all drained by the Corefile: that is what it asks for", "1! 2!", MinUp{}, ActAnswer, "UU", "nodata", "nodata"},
		{"one family drained: clients use the other", "1 6:1", MinUp{}, ActAnswer, "UZ", "served 1", "nodata"},
		{"both families drained", "1 6:1", MinUp{}, ActAnswer, "ZZ", "all_down 1", "all_down 6:1"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := config(t, Rotate, tc.backends)
			c.AllDown = tc.allDown
			if tc.minUp != (MinUp{}) {
				c.MinUp = tc.minUp
			}
			s := Build(c, healths(tc.health))
			if v4, v6 := shown(s.Choices[V4]), shown(s.Choices[V6]); v4 != tc.v4 || v6 != tc.v6 {
				t.Errorf("%s with %s: A %q, AAAA %q; want %q, %q", tc.backends, tc.health, v4, v6, tc.v4, tc.v6)
			}
		})
	}
}

// The TTL is short as long as something may change soon, by checks: what operators
// set changes when they change it.
func TestTheTTLWithWhatOperatorsSet(t *testing.T) {
	set := func(h Health, a Admin) Health { h.Admin = a; return h }
	changing := Health{State: verdict.Up, Changing: true}
	for _, tc := range []struct {
		name string
		h    Health
		want uint32
	}{
		{"up", set(healths("D")[0], Admin{State: verdict.Up}), 30},
		{"up, and about to change", set(changing, Admin{State: verdict.Up}), 30},
		{"down", set(healths("U")[0], Admin{State: verdict.Down}), 10},
		{"down, and about to change", set(changing, Admin{State: verdict.Down}), 10},
		{"a weight, and about to change", set(changing, Admin{Weight: 3}), 2},
		{"drained, and about to change", set(changing, Admin{Drained: true}), 30},
	} {
		if got := Build(config(t, Rotate, "1 2"), []Health{tc.h, {State: verdict.Up}}).TTL; got != tc.want {
			t.Errorf("%s: TTL %d, want %d", tc.name, got, tc.want)
		}
	}
	if got := Build(config(t, Rotate, "1 2"), healths("ZZ")).TTL; got != 10 {
		t.Errorf("all drained: TTL %d, want 10", got)
	}
}

// An operator's weight counts under weighted and sticky, and multiplies with growth.
func TestOperatorsSetWeights(t *testing.T) {
	c := config(t, Weighted, "1*2 2*6")
	health := healths("UU")
	health[0].Admin.Weight = 3
	p := newPool(c)
	p.Store(Build(c, health))
	count := func(n int) (all [2]int) {
		for range n {
			all[p.Order(nil, p.Snapshot(), V4, Client{})[0]]++
		}
		return all
	}
	if got := count(9); got != [2]int{3, 6} {
		t.Errorf("weighted: %v firsts of 9, want 3 and 6", got)
	}
	health[0].Growth = fullGrowth / 2
	p.Store(Build(c, health))
	if got := count(15); got != [2]int{3, 12} {
		t.Errorf("growing: %v firsts of 15, want 3 and 12", got)
	}
	for _, weight := range []uint16{1, 65535} {
		health[0].Admin.Weight = weight
		if got := weights(c, []Member{{Index: 0}}, health, false); got[0] != uint64(weight)*fullGrowth {
			t.Errorf("weight %d counts as %d/%d", weight, got[0], fullGrowth)
		}
	}
}

func TestUp(t *testing.T) {
	percent := func(n int) MinUp { return MinUp{N: n, Percent: true} }
	for _, tc := range []struct {
		name, backends string
		minUp          MinUp
		health         string
		up, need       int
	}{
		{"all up", "1 2 3", MinUp{N: 1}, "UUU", 3, 1},
		{"held down, drained and down do not count", "1 2 3 4", MinUp{N: 1}, "HZXU", 1, 1},
		{"unknown counts", "1 2", MinUp{N: 1}, "us", 2, 1},
		{"set up counts", "1 2", MinUp{N: 1}, "Yh", 2, 1},
		{"the first tier", "1 2 3@2", MinUp{N: 2}, "UUU", 2, 2},
		{"and as many more as it takes", "1 2 3@2 4@3", MinUp{N: 2}, "UDUU", 2, 2},
		{"all tiers if that is too few", "1 2@2 3@3", MinUp{N: 3}, "UDU", 2, 3},
		{"a percentage", "1 2 3", percent(50), "UUD", 2, 2},
		{"all drained by operators", "1 2", MinUp{N: 1}, "ZZ", 0, 1},
		{"drained by the Corefile", "1! 2!", MinUp{N: 1}, "UU", 0, 0},
		{"no backend of the family", "6:1", MinUp{N: 1}, "U", 0, 0},
	} {
		c := config(t, Rotate, tc.backends)
		c.MinUp = tc.minUp
		if up, need := c.Up(V4, healths(tc.health)); up != tc.up || need != tc.need {
			t.Errorf("%s: %d up of %d needed, want %d of %d", tc.name, up, need, tc.up, tc.need)
		}
	}
}

// A down that an operator sets is no failure of the backend: hold_down does not count
// it. A real failure behind it counts.
func TestAnOperatorsDownIsNoFlap(t *testing.T) {
	newTimeline(t, "1 2", Recovery{HoldDown: 20 * sec}).goes(
		line{0, "UU", "1 2", 0},
		line{1 * sec, "XU", "2", 0}, line{2 * sec, "UU", "1 2", 0},
		line{3 * sec, "XU", "2", 0}, line{4 * sec, "UU", "1 2", 0},
		line{5 * sec, "ZU", "2", 0}, line{6 * sec, "UU", "1 2", 0},
		line{7 * sec, "DU", "2", 0}, line{8 * sec, "UU", "1 2", 0}, // the first failure
		line{9 * sec, "zU", "2", 0}, line{10 * sec, "ZU", "2", 30 * sec}, // the second, while drained
		line{11 * sec, "UU", "2", 30 * sec},
		line{12 * sec, "hU", "1 2", 30 * sec}, // an operator's up ends the wait
		line{13 * sec, "UU", "2", 30 * sec},
		line{30 * sec, "", "1 2", 0})
}

// A tier that an operator has taken out returns when the operator says so, failback or
// not. What fails by its checks waits for the failback.
func TestFailbackWithWhatOperatorsSet(t *testing.T) {
	for _, failback := range []struct {
		name string
		Recovery
		wakes time.Duration // a minute after a recovery in minute 10
	}{{"5m", Recovery{Failback: 5 * minute}, 15 * minute}, {"manual", Recovery{Failback: FailbackNever}, 0}} {
		for _, out := range []string{"Z", "X"} {
			t.Run(failback.name+" "+out, func(t *testing.T) {
				newTimeline(t, "1 2 3@2", failback.Recovery).goes(
					line{0, "UUU", "1 2", 0},
					line{1 * minute, out + out + "U", "3", 0}, // a first tier taken out fails over
					line{2 * minute, "UUU", "1 2", 0},         // and returns at once
					line{3 * minute, "DUU", "2", 0},           // one that fails and recovers now
					line{4 * minute, "UUU", "1 2", 0},         // does not wait: its tier is answered
					line{5 * minute, "DDU", "3", 0},
					line{10 * minute, "UUU", "3", failback.wakes}, // a real recovery waits
				)
			})
		}
	}
}

// What waits for the failback goes on waiting if an operator sets it down meanwhile. If
// it is drained meanwhile, the operator decides when it is answered again.
func TestWhatWaitsForTheFailbackIsSet(t *testing.T) {
	later := Recovery{Failback: 5 * minute}
	begin := []line{{0, "UU", "1", 0}, {1 * minute, "DU", "2", 0}, {2 * minute, "UU", "2", 7 * minute}}
	down := newTimeline(t, "1 2@2", later)
	down.goes(begin...)
	down.goes(line{3 * minute, "XU", "2", 0}, line{4 * minute, "UU", "2", 9 * minute}, line{9 * minute, "", "1", 0})
	drained := newTimeline(t, "1 2@2", later)
	drained.goes(begin...)
	drained.goes(line{3 * minute, "ZU", "2", 0}, line{4 * minute, "UU", "1", 0})
	up := newTimeline(t, "1 2@2", later)
	up.goes(begin...)
	if got := up.at(3*minute, "hU"); got != "1" { // its checks say up: HeldDown is set by Settle
		t.Errorf("an operator's up: %s is answered, want 1", got)
	}
	if got := up.at(4*minute, "UU"); got != "2" {
		t.Errorf("without the operator's up: %s is answered, want 2", got)
	}
}

// slow_start begins when an operator's down ends, as after a failure, and not when a
// drain ends: that backend was up all along.
func TestSlowStartWithWhatOperatorsSet(t *testing.T) {
	newTimeline(t, "1 2", Recovery{SlowStart: 64 * sec}).goes(
		line{0, "UU", "1 2", 0}, line{1 * sec, "ZU", "2", 0}, line{2 * sec, "UU", "1 2", 0},
		line{3 * sec, "XU", "2", 0}, line{4 * sec, "UU", "1(1) 2", 5 * sec})
}

func TestACloneOfAHistoryIsApart(t *testing.T) {
	s := newTimeline(t, "1 2@2", Recovery{HoldDown: 20 * sec, Failback: minute})
	for i, h := range []string{"UU", "DU", "UU", "DU", "UU"} {
		s.at(time.Duration(i)*sec, h)
	}
	clone := s.past.Clone()
	known, same := healths("UU"), healths("UU")
	if a, b := clone.Settle(s.c, known, s.now), s.past.Settle(s.c, same, s.now); a != b || !slices.Equal(known, same) {
		t.Errorf("a clone goes on with %+v at %v, want %+v at %v", known, a, same, b)
	}
	before, standby := s.past.backends[s.c.Backends[0].Addr].falls, s.past.standby
	for i := range 9 {
		clone.Settle(s.c, healths([]string{"UD", "DU"}[i%2]), s.now.Add(time.Duration(i)*sec))
	}
	if after := s.past.backends[s.c.Backends[0].Addr].falls; !slices.Equal(before, after) || s.past.standby != standby {
		t.Errorf("the failures are %v after a change of the clone, want %v", after, before)
	}
}

// Down reports drained backends: clients must not get them from below either.
func TestDownReportsWhatOperatorsSet(t *testing.T) {
	c := config(t, Rotate, "1 2 3 4 5")
	s := Build(c, healths("ZXYhU"))
	var down []string
	for _, b := range c.Backends {
		if s.Down(c, b.Addr) {
			down = append(down, b.Addr.String())
		}
	}
	if got := strings.Join(down, " "); got != "192.0.2.1 192.0.2.2" {
		t.Errorf("down: %s, want 192.0.2.1 and .2", got)
	}
}
