package rrhealth

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rrhealth/rrhealth/internal/harness"
	"github.com/rrhealth/rrhealth/plugin/pool"
	"github.com/rrhealth/rrhealth/plugin/verdict"
)

// A bubble is a registry of its own with one pool, whose backends are asked by
// a probe that the test answers, in time that the test makes pass.
type bubble struct {
	t         *testing.T
	lifecycle *lifecycle
	pool      *served
	start     time.Time

	mu   sync.Mutex
	errs map[netip.Addr]error
}

// inBubble runs f on the pool of the one stanza in block.
func inBubble(t *testing.T, block string, f func(*bubble)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := &bubble{t: t, start: time.Now(), errs: make(map[netip.Addr]error), lifecycle: newLifecycle()}
		h := b.handler(block)
		b.pool = h.pools[0]
		b.lifecycle.start(h)
		defer func() {
			for h := range b.lifecycle.handlers {
				b.lifecycle.stop(h)
			}
			synctest.Wait()
		}()
		f(b)
	})
}

// handler returns the handler for block, with probes that the test answers.
func (b *bubble) handler(block string) *RRHealth {
	h := handler(b.t, block)
	h.instance = new(instance)
	for i := range h.pools[0].checks {
		h.pools[0].checks[i].Probe.Probe = b.probe
	}
	return h
}

// reload replaces the pool as CoreDNS does: the new one starts before the old
// one stops.
func (b *bubble) reload(block string) {
	h := b.handler(block)
	b.lifecycle.start(h)
	for old := range b.lifecycle.handlers {
		if old != h {
			b.lifecycle.stop(old)
		}
	}
	b.pool = h.pools[0]
}

func (b *bubble) probe(_ context.Context, addr netip.Addr) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.errs[addr]
}

// fails lets the probes of 192.0.2.N end in err from now on.
func (b *bubble) fails(n int, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.errs[netip.AddrFrom4([4]byte{192, 0, 2, byte(n)})] = err
}

// answered returns who is answered now, by the last number of the address.
func (b *bubble) answered() string {
	synctest.Wait()
	var all []string
	for _, m := range b.pool.Snapshot().Choices[pool.V4].Members {
		all = append(all, strings.TrimPrefix(m.Addr.String(), "192.0.2."))
	}
	return strings.Join(all, " ")
}

// state returns what is believed of the Nth backend.
func (b *bubble) state(n int) verdict.State {
	synctest.Wait()
	return b.pool.Snapshot().Health[n-1].State
}

// until lets time pass until ok, and returns how much has passed since the
// beginning, to a hundredth of a second.
func (b *bubble) until(what string, ok func() bool) time.Duration {
	b.t.Helper()
	for begin := time.Now(); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Since(begin) > time.Hour {
			b.t.Fatalf("still not so after an hour: %s; answered %s", what, b.answered())
		}
	}
	return time.Since(b.start)
}

// untilAnswered lets time pass until those are answered.
func (b *bubble) untilAnswered(want string) time.Duration {
	b.t.Helper()
	return b.until("answered "+want, func() bool { return b.answered() == want })
}

// flap takes the Nth backend down, and up again, and returns when it was
// believed to be up.
func (b *bubble) flap(n int) time.Duration {
	b.t.Helper()
	b.fails(n, syscall.ECONNREFUSED)
	b.until("down", func() bool { return b.state(n) == verdict.Down })
	b.fails(n, nil)
	return b.until("up", func() bool { return b.state(n) == verdict.Up })
}

// took checks a duration that was measured in steps of a hundredth of a second.
func (b *bubble) took(what string, got, want time.Duration) {
	b.t.Helper()
	if got < want-20*time.Millisecond || got > want+20*time.Millisecond {
		b.t.Errorf("%s took %v, want %v", what, got, want)
	}
}

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
		b.reload(block)
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
			b.reload(fmt.Sprintf(block, "manual"))
			if got := b.answered(); got != "1" {
				t.Errorf("answered %s after a reload, want 1", got)
			}
		})
	})
}

// What is held down is told, and so is the end of it.
func TestTheLogTellsWhatIsHeldDown(t *testing.T) {
	logged := harness.CaptureLog(t)
	inBubble(t, "rrhealth www.example.org {\nbackend 192.0.2.1 192.0.2.2\n"+shortPace+"hold_down 20s\n}", func(b *bubble) {
		b.until("first results", func() bool { return b.state(1) == verdict.Up && b.state(2) == verdict.Up })
		b.flap(1)
		b.flap(1)
		b.flap(2) // who is held down goes on to be, which is no news
		b.untilAnswered("1 2")
	})
	inBubble(t, "rrhealth www.example.org {\nbackend 192.0.2.1\nbackend 192.0.2.2 tier 2\n"+shortPace+"failback 1m\n}", func(b *bubble) {
		b.until("first results", func() bool { return b.state(1) == verdict.Up && b.state(2) == verdict.Up })
		b.flap(1)
		b.untilAnswered("1")
	})
	var got []string
	for l := range strings.Lines(logged()) {
		if _, text, ok := strings.Cut(l, "plugin/rrhealth: "); ok && strings.Contains(text, "held") {
			got = append(got, strings.TrimSpace(text))
		}
	}
	want := []string{
		"backend 192.0.2.1 of www.example.org. is held down for 20s: it failed 2 times within 10m0s",
		"backend 192.0.2.1 of www.example.org. is no longer held down",
		"backend 192.0.2.1 of www.example.org. is held down until its tier takes over again",
		"backend 192.0.2.1 of www.example.org. is no longer held down",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// A pool that nobody lets be patient starts no timers.
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
		t.Errorf("time-outs took another %v, want four fast intervals", took)
	}
}
