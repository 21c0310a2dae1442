package live

import (
	"context"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rrhealth/rrhealth/plugin/monitor"
	"github.com/rrhealth/rrhealth/plugin/verdict"
)

// addressLine returns n backend lines' worth of addresses from 192.0.0.1 on.
func addressLine(n int) (all []netip.Addr, line string) {
	var words []string
	for i := range n {
		a := netip.AddrFrom4([4]byte{192, 0, byte(i / 200), byte(i%200 + 1)})
		all, words = append(all, a), append(words, a.String())
	}
	return all, strings.Join(words, " ")
}

// failing lets the probes of addrs end in err from now on.
func (b *bubble) failing(err error, addrs ...netip.Addr) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, a := range addrs {
		b.errs[a] = err
	}
}

// down returns how many backends are down.
func (b *bubble) down() (n int) {
	synctest.Wait()
	for _, h := range b.pool.Snapshot().Health {
		if h.State == verdict.Down {
			n++
		}
	}
	return n
}

// A data center fails as a whole: from the first failure on all of it is down
// within the time that its probes take, independent of their slots.
func TestADataCenterIsDownTogether(t *testing.T) {
	for _, n := range []int{3, 40} {
		for range 20 {
			addrs, line := addressLine(n)
			inBubble(t, "rrhealth www.example.org {\nbackend "+line+"\ncheck tcp://:1\ninterval 60s fast 1s\ntimeout 1s\n}", func(b *bubble) {
				time.Sleep(5 * time.Minute)
				b.failing(context.DeadlineExceeded, addrs[:n*2/3]...)
				first := b.until("one is down", func() bool { return b.down() > 0 })
				if last := b.until("all are down", func() bool { return b.down() == n*2/3 }); last-first > 4500*time.Millisecond {
					t.Errorf("%d of %d: the last is down %v after the first, want it within two rounds", n*2/3, n, last-first)
				}
			})
		}
	}
}

// One backend that flaps has a few others probed for each failure, not the
// whole of a large pool.
func TestAFlappingBackendHurriesFew(t *testing.T) {
	const n, minutes = 1000, 5
	addrs, line := addressLine(n)
	inBubble(t, "rrhealth www.example.org {\nbackend "+line+"\ncheck tcp://:1\n}", func(b *bubble) {
		time.Sleep(time.Minute)
		passes := func() (sum int) {
			synctest.Wait()
			for i := range b.pool.stanza.members {
				sum += int(b.pool.stanza.members[i].targets[0].Count(monitor.Pass))
			}
			return sum
		}
		doubted := func() bool { synctest.Wait(); return b.pool.Snapshot().Health[7].Changing }
		from, before, flaps := time.Now(), passes(), 0
		for time.Since(from) < minutes*time.Minute {
			b.failing(syscall.ECONNREFUSED, addrs[7])
			b.until("a failure", doubted)
			b.failing(nil, addrs[7])
			b.until("a pass", func() bool { return !doubted() })
			flaps++
		}
		ordinary := n * int(time.Since(from)/time.Second) / 5
		more := passes() - before - ordinary
		t.Logf("%d flaps, %d probes of others beside %d", flaps, more, ordinary)
		if most := 20*flaps + ordinary/100; flaps < 30 || more > most {
			t.Errorf("%d probes more for %d flaps, want at most %d", more, flaps, most)
		}
	})
}
