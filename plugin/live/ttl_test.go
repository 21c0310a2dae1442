package live

import (
	"context"
	"fmt"
	"net/netip"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rrhealth/rrhealth/plugin/verdict"
)

// TestTheTTLWhileABackendIsSuspect follows the TTL of a pool from the moment at
// which a backend goes silent: what a resolver fetches before the first timeout
// it keeps for the healthy TTL, then for no longer than until the verdict.
func TestTheTTLWhileABackendIsSuspect(t *testing.T) {
	for _, kind := range []string{"refuses", "is silent"} {
		t.Run(kind, func(t *testing.T) {
			inBubble(t, "rrhealth www.example.org {\nbackend 192.0.2.1 192.0.2.2\ncheck tcp://:1\n}", func(b *bubble) {
				ttl := func() uint32 { synctest.Wait(); return b.pool.Snapshot().TTL }
				b.until("the second is up", func() bool { return b.state(2) == verdict.Up })
				time.Sleep(time.Minute)
				if got := ttl(); got != 7 {
					t.Errorf("TTL %d while all is well, want 7", got)
				}
				b.fails(1, syscall.ECONNREFUSED)
				if kind == "is silent" {
					b.fails(1, context.DeadlineExceeded)
				}
				first := b.until("suspect", func() bool { return ttl() != 7 })
				if got := ttl(); got != 1 {
					t.Errorf("TTL %d after the first failure, want 1: fast", got)
				}
				down := b.until("not suspect any more", func() bool { return ttl() != 1 })
				if b.state(1) != verdict.Down || down-first > 2200*time.Millisecond+10*time.Millisecond {
					t.Errorf("the first backend is %v %v after the first failure, want down within 2 × fast", b.state(1), down-first)
				}
				if got := ttl(); got != 5 {
					t.Errorf("TTL %d while one is down, want 5: the interval", got)
				}
				b.fails(1, nil)
				b.until("a first pass", func() bool { return ttl() == 1 })
				b.until("all is well", func() bool { return ttl() == 7 })
				if b.state(1) != verdict.Up {
					t.Errorf("the first backend is %v, want up", b.state(1))
				}
			})
		})
	}
}

// A local error tells nothing, and the next probe comes after the interval.
func TestTheTTLAfterALocalError(t *testing.T) {
	const block = "rrhealth www.example.org {\nbackend 192.0.2.1\ncheck tcp://:%d\n}"
	inBubble(t, fmt.Sprintf(block, 1), func(b *bubble) {
		b.fails(1, syscall.EMFILE)
		b.load(fmt.Sprintf(block, 2)) // another question: nothing is inherited
		time.Sleep(time.Second)
		if got := b.pool.Snapshot().TTL; got != 5 || b.state(1) != verdict.Unknown {
			t.Errorf("TTL %d in state %v, want 5: no verdict comes before the interval has passed", got, b.state(1))
		}
	})
}

// At the start nothing is known: the first results are there in a moment.
func TestTheTTLBeforeTheFirstResult(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := New(new(recorder))
		b := newBlock(t, "rrhealth www.example.org {\nbackend 192.0.2.1 192.0.2.2\ncheck tcp://:1\n}", func(ctx context.Context, _ netip.Addr) error {
			<-ctx.Done()
			return ctx.Err()
		})
		r.Start(b)
		defer r.Stop(b)
		if got := b.Pools[0].Snapshot().TTL; got != 1 {
			t.Errorf("TTL %d before the first result, want 1", got)
		}
	})
}
