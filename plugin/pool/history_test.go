package pool

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// A timeline is a pool with its history and a clock.
type timeline struct {
	t      *testing.T
	c      *Config
	past   *History
	start  time.Time
	now    time.Time
	health string
	next   time.Time
}

func newTimeline(t *testing.T, backends string, r Recovery) *timeline {
	t.Helper()
	c := config(t, Weighted, backends)
	c.Recovery = r
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	return &timeline{t: t, c: c, past: NewHistory(), start: start, now: start}
}

// at sets the health of the backends at a time from the start ("" for no
// change). It returns the answer to A queries, with the growth of each member
// that does not have its whole share: "1 2(16)".
func (s *timeline) at(since time.Duration, health string) string {
	s.t.Helper()
	s.now = s.start.Add(since)
	if health != "" {
		s.health = health
	}
	var got string
	for i := range 2 { // repeating a call changes nothing
		known := healths(s.health)
		next := s.past.Settle(s.c, known, s.now)
		if i > 0 && next != s.next {
			s.t.Errorf("at %v: Settle repeated: wakes at %v, then at %v", since, s.next.Sub(s.start), next.Sub(s.start))
		}
		s.next = next
		snapshot := Build(s.c, known)
		var words []string
		for _, m := range snapshot.Choices[V4].Members {
			word := strings.TrimPrefix(m.Addr.String(), "192.0.2.")
			if g := known[m.Index].Growth; g > 0 {
				word += fmt.Sprintf("(%d)", g)
			}
			words = append(words, word)
		}
		again := strings.Join(words, " ")
		if got != "" && again != got {
			s.t.Errorf("at %v: Settle repeated: answered %q, then %q", since, got, again)
		}
		got = again
	}
	return got
}

// wakes returns when Settle must be called again, from the start; 0 for never.
func (s *timeline) wakes() time.Duration {
	if s.next.IsZero() {
		return 0
	}
	return s.next.Sub(s.start)
}

// A line is what happens, and what is to be seen.
type line struct {
	at     time.Duration
	health string
	want   string
	wakes  time.Duration
}

func (s *timeline) goes(lines ...line) {
	s.t.Helper()
	for _, l := range lines {
		if got := s.at(l.at, l.health); got != l.want {
			s.t.Errorf("at %v, %s: answered %q, want %q", l.at, s.health, got, l.want)
		}
		if got := s.wakes(); got != l.wakes {
			s.t.Errorf("at %v, %s: wakes at %v, want %v", l.at, s.health, got, l.wakes)
		}
	}
}

const (
	sec    = time.Second
	minute = time.Minute
)

func TestNoRecoveryNoDelay(t *testing.T) {
	newTimeline(t, "1 2@2", Recovery{}).goes(
		line{0, "UU", "1", 0}, line{sec, "DU", "2", 0}, line{2 * sec, "UU", "1", 0}, line{3 * sec, "DU", "2", 0}, line{4 * sec, "UU", "1", 0})
}

func TestHoldDown(t *testing.T) {
	holdDown := Recovery{HoldDown: 20 * sec}
	t.Run("doubles with each failure within ten minutes", func(t *testing.T) {
		newTimeline(t, "1 2", holdDown).goes(
			line{0, "uu", "1 2", 0},
			line{sec, "UU", "1 2", 0},
			line{10 * sec, "DU", "2", 0},
			line{20 * sec, "UU", "1 2", 0}, // one failure is no flapping
			line{30 * sec, "DU", "2", 0},   // a failure is never delayed
			line{40 * sec, "UU", "2", 60 * sec},
			line{60*sec - 1, "", "2", 60 * sec},
			line{60 * sec, "", "1 2", 0},
			line{61 * sec, "DU", "2", 0},
			line{70 * sec, "UU", "2", 110 * sec}, // 40 s
			line{110 * sec, "", "1 2", 0},
			line{111 * sec, "DU", "2", 0},
			line{120 * sec, "UU", "2", 200 * sec}, // 80 s
			line{200 * sec, "", "1 2", 0},
		)
	})
	t.Run("a failure while held down begins anew", func(t *testing.T) {
		newTimeline(t, "1 2", holdDown).goes(
			line{0, "UU", "1 2", 0}, line{1 * sec, "DU", "2", 0}, line{2 * sec, "UU", "1 2", 0},
			line{3 * sec, "DU", "2", 0},
			line{4 * sec, "UU", "2", 24 * sec},
			line{10 * sec, "DU", "2", 0},
			line{11 * sec, "UU", "2", 51 * sec}, // the third failure: 40 s
			line{24 * sec, "", "2", 51 * sec},
			line{51 * sec, "", "1 2", 0})
	})
	t.Run("is at most ten minutes", func(t *testing.T) {
		s := newTimeline(t, "1 2", holdDown)
		s.at(0, "UU")
		var holds []time.Duration
		for i := range 10 {
			down := time.Duration(2*i+1) * sec
			s.at(down, "DU")
			s.at(down+sec, "UU")
			d := s.wakes()
			if d != 0 {
				d -= down + sec
			}
			holds = append(holds, d)
		}
		want := []time.Duration{0, 20 * sec, 40 * sec, 80 * sec, 160 * sec, 320 * sec, 10 * minute, 10 * minute, 10 * minute, 10 * minute}
		if !slices.Equal(holds, want) {
			t.Errorf("held down for %v, want %v", holds, want)
		}
	})
	t.Run("is forgotten after ten minutes", func(t *testing.T) {
		newTimeline(t, "1 2", holdDown).goes(
			line{0, "UU", "1 2", 0}, line{1 * sec, "DU", "2", 0}, line{2 * sec, "UU", "1 2", 0},
			line{10 * minute, "DU", "2", 0},
			line{10*minute + sec, "UU", "1 2", 0}, // the first was ten minutes ago
			line{10*minute + 2*sec, "DU", "2", 0}, // the second within ten
			line{10*minute + 3*sec, "UU", "2", 10*minute + 23*sec})
	})
	t.Run("a first state of down is not a failure", func(t *testing.T) {
		newTimeline(t, "1 2", holdDown).goes(
			line{0, "uU", "1 2", 0}, line{1 * sec, "DU", "2", 0}, line{2 * sec, "UU", "1 2", 0},
			line{3 * sec, "DU", "2", 0}, line{4 * sec, "UU", "1 2", 0},
			line{5 * sec, "DU", "2", 0}, line{6 * sec, "UU", "2", 26 * sec})
	})
	t.Run("a member alone is answered, held down or not", func(t *testing.T) {
		newTimeline(t, "1 2", holdDown).goes(
			line{0, "UU", "1 2", 0}, line{1 * sec, "DU", "2", 0}, line{2 * sec, "UU", "1 2", 0}, line{3 * sec, "DU", "2", 0},
			line{4 * sec, "UU", "2", 24 * sec},
			line{5 * sec, "UD", "1", 24 * sec}, // better than none
			line{6 * sec, "UU", "2", 24 * sec}) // the other's first failure
	})
	t.Run("a stale verdict in between changes nothing", func(t *testing.T) {
		newTimeline(t, "1 2", holdDown).goes(
			line{0, "UU", "1 2", 0}, line{1 * sec, "DU", "2", 0}, line{2 * sec, "UU", "1 2", 0},
			line{3 * sec, "uU", "1 2", 0}, line{4 * sec, "DU", "2", 0},
			line{5 * sec, "UU", "2", 25 * sec},
			line{6 * sec, "uU", "2", 25 * sec})
	})
	t.Run("very many failures are not all remembered", func(t *testing.T) {
		s := newTimeline(t, "1 2", holdDown)
		for i := range 1000 {
			s.at(time.Duration(i)*100*time.Millisecond, []string{"UU", "DU"}[i%2])
		}
		if n := len(s.past.backends[s.c.Backends[0].Addr].falls); n > maxFalls {
			t.Errorf("%d failures are remembered, want at most %d", n, maxFalls)
		}
	})
}

func TestHeldDownReturnsHowLongAndWhy(t *testing.T) {
	s := newTimeline(t, "1 2", Recovery{HoldDown: 20 * sec})
	addr := s.c.Backends[0].Addr
	for i, h := range []string{"UU", "DU", "UU", "DU", "UU"} {
		if d, n := s.past.HeldDown(addr, s.now); d != 0 || n != 0 {
			t.Errorf("before line %d: held down for %v after %d failures, want not", i, d, n)
		}
		s.at(time.Duration(i)*sec, h)
	}
	if d, n := s.past.HeldDown(addr, s.now); d != 20*sec || n != 2 {
		t.Errorf("held down for %v after %d failures, want 20s after 2", d, n)
	}
	if d, n := s.past.HeldDown(addr, s.now.Add(20*sec)); d != 0 || n != 0 {
		t.Errorf("after the hold_down: held down for %v after %d failures, want not", d, n)
	}
}

func TestSlowStart(t *testing.T) {
	slow := Recovery{SlowStart: 64 * sec}
	t.Run("grows linearly after a recovery", func(t *testing.T) {
		newTimeline(t, "1 2", slow).goes(
			line{0, "uu", "1 2", 0}, // never at the start
			line{1 * sec, "UU", "1 2", 0},
			line{2 * sec, "DU", "2", 0},
			line{10 * sec, "UU", "1(1) 2", 11 * sec},
			line{11 * sec, "", "1(1) 2", 12 * sec},
			line{12 * sec, "", "1(2) 2", 13 * sec},
			line{42*sec + sec/2, "", "1(32) 2", 43 * sec},
			line{73 * sec, "", "1(63) 2", 74 * sec},
			line{74 * sec, "", "1 2", 0},
			line{75 * sec, "", "1 2", 0})
	})
	t.Run("begins anew with each recovery", func(t *testing.T) {
		newTimeline(t, "1 2", slow).goes(
			line{0, "UU", "1 2", 0}, line{1 * sec, "DU", "2", 0},
			line{10 * sec, "UU", "1(1) 2", 11 * sec}, line{42 * sec, "", "1(32) 2", 43 * sec},
			line{43 * sec, "DU", "2", 0},
			line{50 * sec, "UU", "1(1) 2", 51 * sec})
	})
	t.Run("a backend whose first state was down grows when it recovers", func(t *testing.T) {
		newTimeline(t, "1 2", slow).goes(line{0, "uU", "1 2", 0}, line{1 * sec, "DU", "2", 0}, line{2 * sec, "UU", "1(1) 2", 3 * sec})
	})
	t.Run("a stale verdict is no recovery", func(t *testing.T) {
		newTimeline(t, "1 2", slow).goes(line{0, "UU", "1 2", 0}, line{1 * sec, "uU", "1 2", 0}, line{2 * sec, "UU", "1 2", 0})
	})
	t.Run("begins when a hold_down ends", func(t *testing.T) {
		newTimeline(t, "1 2", Recovery{SlowStart: 64 * sec, HoldDown: 20 * sec}).goes(
			line{0, "UU", "1 2", 0}, line{1 * sec, "DU", "2", 0}, line{2 * sec, "UU", "1(1) 2", 3 * sec}, line{3 * sec, "DU", "2", 0},
			line{4 * sec, "UU", "2", 24 * sec},
			line{24 * sec, "", "1(1) 2", 25 * sec},
			line{26 * sec, "", "1(2) 2", 27 * sec})
	})
	t.Run("takes steps of at least a tenth of a second", func(t *testing.T) {
		newTimeline(t, "1 2", Recovery{SlowStart: sec}).goes(
			line{0, "DU", "2", 0},
			line{sec, "UU", "1(1) 2", 1100 * time.Millisecond},
			line{1500 * time.Millisecond, "", "1(32) 2", 1600 * time.Millisecond},
			line{2 * sec, "", "1 2", 0})
	})
}

func TestFailbackAfterATime(t *testing.T) {
	later := Recovery{Failback: 5 * minute}
	t.Run("waits, then takes over again", func(t *testing.T) {
		newTimeline(t, "1 2 3@2", later).goes(
			line{0, "uuu", "1 2", 0},
			line{sec, "UUU", "1 2", 0},
			line{1 * minute, "DUU", "2", 0}, // one member of the tier is not the tier
			line{2 * minute, "UUU", "1 2", 0},
			line{3 * minute, "DDU", "3", 0}, // failing over is never delayed
			line{4 * minute, "UDU", "3", 9 * minute},
			line{5 * minute, "UUU", "3", 9 * minute},
			line{9*minute - 1, "", "3", 9 * minute},
			line{9 * minute, "", "1 2", 0})
	})
	t.Run("starts anew when the tier fails again", func(t *testing.T) {
		newTimeline(t, "1 2@2", later).goes(
			line{0, "UU", "1", 0}, line{sec, "DU", "2", 0}, line{1 * minute, "UU", "2", 6 * minute},
			line{2 * minute, "DU", "2", 0}, line{3 * minute, "UU", "2", 8 * minute}, line{6 * minute, "", "2", 8 * minute}, line{8 * minute, "", "1", 0})
	})
	t.Run("is at once when the standby fails", func(t *testing.T) {
		newTimeline(t, "1 2@2", later).goes(
			line{0, "UU", "1", 0}, line{sec, "DU", "2", 0}, line{1 * minute, "UU", "2", 6 * minute},
			line{2 * minute, "UD", "1", 0}, line{3 * minute, "UU", "1", 0})
	})
	t.Run("if all are down, the first to recover is answered", func(t *testing.T) {
		newTimeline(t, "1 2@2", later).goes(
			line{0, "UU", "1", 0}, line{sec, "DD", "1", 0}, // all down: the first tier
			line{1 * minute, "UD", "1", 0}, line{2 * minute, "UU", "1", 0})
		newTimeline(t, "1 2@2", later).goes(
			line{0, "UU", "1", 0}, line{sec, "DD", "1", 0}, line{1 * minute, "DU", "2", 0}, line{2 * minute, "UU", "2", 7 * minute}, line{7 * minute, "", "1", 0})
	})
	t.Run("returns to the first tier one tier at a time", func(t *testing.T) {
		newTimeline(t, "1 2@2 3@3", later).goes(
			line{0, "UUU", "1", 0}, line{sec, "DDU", "3", 0},
			line{1 * minute, "DUU", "3", 6 * minute},
			line{4 * minute, "UUU", "3", 6 * minute},
			line{6 * minute, "", "2", 11 * minute}, // the second has proven itself, the first not yet
			line{11 * minute, "", "1", 0})
	})
	t.Run("members that stayed up are answered all along", func(t *testing.T) {
		s := newTimeline(t, "1 2 3@2", later)
		s.c.MinUp = MinUp{N: 2}
		s.goes(
			line{0, "UUU", "1 2", 0}, line{sec, "UDU", "1 3", 0},
			line{1 * minute, "UUU", "1 3", 6 * minute}, line{6 * minute, "", "1 2", 0})
	})
	t.Run("at the start the tier is the one that can", func(t *testing.T) {
		newTimeline(t, "1 2@2", later).goes(line{0, "DU", "2", 0}, line{1 * minute, "UU", "2", 6 * minute}, line{6 * minute, "", "1", 0})
		newTimeline(t, "1 2@2", later).goes(line{0, "uu", "1", 0}, line{sec, "Uu", "1", 0}, line{2 * sec, "UU", "1", 0})
	})
	t.Run("each family fails back on its own", func(t *testing.T) {
		s := newTimeline(t, "1 2@2 6:1 6:2@2", later)
		s.goes(line{0, "UUUU", "1", 0}, line{sec, "DUUU", "2", 0}, line{1 * minute, "UUUU", "2", 6 * minute})
		if got := shown(Build(s.c, healths("UUUU")).Choices[V6]); got != "served 6:1" {
			t.Errorf("AAAA: %q, want the first tier", got)
		}
	})
}

func TestFailbackByHand(t *testing.T) {
	never := Recovery{Failback: FailbackNever}
	s := newTimeline(t, "1 2@2", never)
	s.goes(
		line{0, "UU", "1", 0}, line{sec, "DU", "2", 0}, line{1 * minute, "UU", "2", 0}, line{1000 * time.Hour, "", "2", 0})
	// A reload is how an operator orders it.
	s.past.Adopt(s.c)
	s.goes(line{1000*time.Hour + sec, "", "1", 0})
	// If the later tier fails, the earlier one takes over at once.
	s.goes(line{1001 * time.Hour, "DU", "2", 0}, line{1002 * time.Hour, "UU", "2", 0}, line{1003 * time.Hour, "UD", "1", 0})
}

func TestAHistorySurvivesAReload(t *testing.T) {
	s := newTimeline(t, "1 2 3@2", Recovery{HoldDown: 20 * sec, Failback: 5 * minute})
	s.goes(line{0, "UUU", "1 2", 0}, line{sec, "DDU", "3", 0}, line{2 * sec, "DUU", "3", 5*minute + 2*sec})
	next := config(t, Weighted, "1 3@2 4@2") // 2 is removed, 4 is new
	next.Recovery = s.c.Recovery
	s.past.Adopt(next)
	if _, kept := s.past.backends[address(t, "2")]; kept {
		t.Error("the history keeps a backend that was removed")
	}
	s.c = next
	s.goes(line{3 * sec, "DUU", "3 4", 0}, line{4 * sec, "UUU", "3 4", 5*minute + 4*sec})
}
