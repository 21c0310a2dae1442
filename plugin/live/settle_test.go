package live

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rrhealth/rrhealth/plugin/pool"
	"github.com/rrhealth/rrhealth/plugin/verdict"
)

const shortPace = "check tcp://:1\ninterval 2s fast 500ms\ntimeout 1s\n"

func TestHoldDownDelaysTheRecoveryOfAFlappingMember(t *testing.T) {
	inBubble(t, "rrhealth www.example.org {\nbackend 192.0.2.1 192.0.2.2\n"+shortPace+"hold_down 20s\n}", func(b *bubble) {
		b.untilAnswered("1 2")
		b.until("first results", func() bool { return b.state(1) == verdict.Up && b.state(2) == verdict.Up })
		up := b.flap(1)
		b.took("the first recovery", b.untilAnswered("1 2")-up, 0)
		for _, want := range []time.Duration{20 * time.Second, 40 * time.Second, 80 * time.Second} {
			up = b.flap(1)
			if got := b.answered(); got != "2" {
				t.Fatalf("answered %s, want only who is not held down", got)
			}
			if ttl := b.pool.Snapshot().TTL; ttl != 2 {
				t.Errorf("TTL %d while a member is held down, want the interval", ttl)
			}
			b.took("the recovery", b.untilAnswered("1 2")-up, want)
		}
		// Down is down at once, held down before or not.
		b.flap(1)
		b.fails(1, syscall.ECONNREFUSED)
		b.until("down", func() bool { return b.state(1) == verdict.Down })
		if got := b.answered(); got != "2" {
			t.Errorf("answered %s, want 2", got)
		}
	})
}

func TestAHoldDownSurvivesAReload(t *testing.T) {
	block := "rrhealth www.example.org {\nbackend 192.0.2.1 192.0.2.2\n" + shortPace + "hold_down 20s\n}"
	inBubble(t, block, func(b *bubble) {
		b.until("first results", func() bool { return b.state(1) == verdict.Up && b.state(2) == verdict.Up })
		b.flap(1)
		up := b.flap(1)
		time.Sleep(5 * time.Second)
		b.load(block)
		if got := b.answered(); got != "2" {
			t.Fatalf("after the reload %s is answered, want only who is not held down", got)
		}
		b.took("the recovery", b.untilAnswered("1 2")-up, 20*time.Second)
	})
}

func TestSlowStartLetsTheShareGrow(t *testing.T) {
	inBubble(t, "rrhealth www.example.org {\nbackend 192.0.2.1 192.0.2.2 weight 3\n"+shortPace+"slow_start 64s\n}", func(b *bubble) {
		b.until("first results", func() bool { return b.state(1) == verdict.Up && b.state(2) == verdict.Up })
		// share returns how many of 128 answers the first backend would be
		// first in, out of those that the other is first in 64 times.
		share := func() int {
			synctest.Wait()
			s := b.pool.Snapshot()
			if len(s.Choices[pool.V4].Members) < 2 {
				return 0
			}
			growth := int(s.Health[0].Growth)
			if growth == 0 {
				growth = 64
			}
			var firsts [2]int
			for range 3 * (64 + growth) {
				firsts[b.pool.Order(nil, s, pool.V4, pool.Client{})[0]]++
			}
			if firsts[1] != 3*64 {
				b.t.Errorf("growth %d: first %v times, want 192 of the other", growth, firsts)
			}
			return firsts[0] / 3
		}
		if got := share(); got != 64 {
			t.Fatalf("a member that was up from the start has %d parts of 64, want all", got)
		}
		up := b.flap(1)
		var shares []int
		for i := range 66 {
			time.Sleep(time.Until(b.start.Add(up + time.Duration(i)*time.Second + 100*time.Millisecond)))
			shares = append(shares, share())
		}
		want := []int{1}
		for i := 1; i <= 64; i++ {
			want = append(want, i)
		}
		if want = append(want, 64); !slices.Equal(shares, want) {
			t.Errorf("second by second the shares are\n%v, want\n%v", shares, want)
		}
	})
}

func TestFailbackWaits(t *testing.T) {
	const block = "rrhealth www.example.org {\nbackend 192.0.2.1\nbackend 192.0.2.2 tier 2\n" + shortPace + "failback %s\n}"
	firstResults := func(b *bubble) {
		b.until("first results", func() bool { return b.state(1) == verdict.Up && b.state(2) == verdict.Up })
	}
	t.Run("auto", func(t *testing.T) {
		inBubble(t, fmt.Sprintf(block, "auto"), func(b *bubble) {
			firstResults(b)
			up := b.flap(1)
			b.took("failing back", b.untilAnswered("1")-up, 0)
		})
	})
	t.Run("5m", func(t *testing.T) {
		inBubble(t, fmt.Sprintf(block, "5m"), func(b *bubble) {
			firstResults(b)
			b.flap(1)
			time.Sleep(4 * time.Minute)
			up := b.flap(1) // fails again: the time begins anew
			if got := b.answered(); got != "2" {
				t.Errorf("answered %s, want 2", got)
			}
			b.took("failing back", b.untilAnswered("1")-up, 5*time.Minute)
			up = b.flap(1)
			time.Sleep(time.Minute)
			b.fails(2, syscall.ECONNREFUSED)
			if b.untilAnswered("1")-up > 2*time.Minute {
				t.Error("waited although the standby had failed")
			}
		})
	})
	t.Run("manual", func(t *testing.T) {
		inBubble(t, fmt.Sprintf(block, "manual"), func(b *bubble) {
			firstResults(b)
			b.flap(1)
			time.Sleep(24 * time.Hour)
			if got := b.answered(); got != "2" {
				t.Errorf("answered %s after a day, want 2", got)
			}
			b.load(fmt.Sprintf(block, "manual"))
			if got := b.answered(); got != "1" {
				t.Errorf("answered %s after a reload, want 1", got)
			}
		})
	})
}

// The observer receives what is held down, and the end of it, once.
func TestWhatIsHeldDownIsReported(t *testing.T) {
	var got []string
	report := func(b *bubble) {
		for _, o := range b.observer.transitions() {
			switch o.Hold {
			case HeldDown:
				got = append(got, fmt.Sprintf("%s of %s held down for %v after %d", o.Addr, o.Name, o.For, o.Falls))
			case Released:
				got = append(got, fmt.Sprintf("%s of %s released", o.Addr, o.Name))
			}
		}
	}
	inBubble(t, "rrhealth www.example.org {\nbackend 192.0.2.1 192.0.2.2\n"+shortPace+"hold_down 20s\n}", func(b *bubble) {
		b.until("first results", func() bool { return b.state(1) == verdict.Up && b.state(2) == verdict.Up })
		b.flap(1)
		b.flap(1)
		b.flap(2) // the first is still held down, which is no news
		b.untilAnswered("1 2")
		report(b)
	})
	inBubble(t, "rrhealth www.example.org {\nbackend 192.0.2.1\nbackend 192.0.2.2 tier 2\n"+shortPace+"failback 1m\n}", func(b *bubble) {
		b.until("first results", func() bool { return b.state(1) == verdict.Up && b.state(2) == verdict.Up })
		b.flap(1)
		b.untilAnswered("1")
		report(b)
	})
	want := []string{
		"192.0.2.1 of www.example.org. held down for 20s after 2",
		"192.0.2.1 of www.example.org. released",
		"192.0.2.1 of www.example.org. held down for 0s after 0",
		"192.0.2.1 of www.example.org. released",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// A pool without slow_start, hold_down and failback starts no timers.
func TestNoPatienceNoTimers(t *testing.T) {
	inBubble(t, "rrhealth www.example.org {\nbackend 192.0.2.1 192.0.2.2\n"+shortPace+"}", func(b *bubble) {
		b.until("first results", func() bool { return b.state(1) == verdict.Up && b.state(2) == verdict.Up })
		b.flap(1)
		synctest.Wait()
		if b.pool.wake != nil {
			t.Error("a timer is set")
		}
	})
}

// hardError is an error of the kind that fall_hard is about.
type hardError struct{ error }

func (hardError) Hard() bool { return true }

func TestHardFailuresTakeFewer(t *testing.T) {
	const block = "rrhealth www.example.org {\nbackend 192.0.2.1 192.0.2.2\ncheck tcp://:1\ninterval 10s fast 1s\ntimeout 1s\nfall 5\nfall_hard 1\n}"
	down := func(err error) (took time.Duration) {
		inBubble(t, block, func(b *bubble) {
			b.until("first results", func() bool { return b.state(1) == verdict.Up && b.state(2) == verdict.Up })
			b.fails(1, err)
			first := b.until("a first failure", func() bool {
				synctest.Wait()
				s := b.pool.Snapshot()
				return s.Health[0].Changing || s.Health[0].State == verdict.Down
			})
			took = b.until("down", func() bool { return b.state(1) == verdict.Down }) - first
		})
		return took
	}
	if took := down(hardError{syscall.ECONNREFUSED}); took > 20*time.Millisecond {
		t.Errorf("a hard failure took another %v, want to go down at once", took)
	}
	// Four more at the fast interval, which wobbles by a tenth.
	if took := down(context.DeadlineExceeded); took < 3500*time.Millisecond || took > 4500*time.Millisecond {
		t.Errorf("timeouts took another %v, want four fast intervals", took)
	}
}
