package live

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/rrhealth/rrhealth/plugin/pool"
)

// A resolver keeps what it is answered for as long as the TTL permits. It knows the
// pools by their names.
type resolver struct {
	until map[string]map[netip.Addr]time.Time // when it forgets an address
}

func newResolver() *resolver { return &resolver{make(map[string]map[netip.Addr]time.Time)} }

// asks looks up every pool of the blocks.
func (r *resolver) asks(blocks ...*Block) {
	for _, b := range blocks {
		for i := range b.Pools {
			p := &b.Pools[i]
			if r.until[p.Name] == nil {
				r.until[p.Name] = make(map[netip.Addr]time.Time)
			}
			s := p.Snapshot()
			for f := range s.Choices {
				for _, m := range s.Choices[f].Members {
					until := time.Now().Add(time.Duration(s.TTL) * time.Second)
					r.until[p.Name][m.Addr] = later(r.until[p.Name][m.Addr], until)
				}
			}
		}
	}
}

// check compares what View says with what the resolver has.
func (r *resolver) check(t *testing.T, views []StanzaView) {
	t.Helper()
	const longest = 7 * time.Second // the longest TTL, see shortPace
	for _, v := range views {
		for _, b := range v.Backends {
			var until time.Time
			for _, p := range v.Pools {
				until = later(until, r.until[p.Name][b.Addr])
			}
			if b.CachedUntil.Before(until) {
				t.Errorf("%s: %s is said to be cached until %v, and is until %v (answered %t)", v.Pools[0].Name, b.Addr, b.CachedUntil, until, b.Answered)
			}
			if most := time.Now().Add(longest + time.Second); b.CachedUntil.After(most) {
				t.Errorf("%s: %s is said to be cached until %v: no TTL is that long", v.Pools[0].Name, b.Addr, b.CachedUntil)
			}
		}
	}
}

// The moment that View announces for a backend is never before the one at which the last
// cache forgets it, independent of what changes: verdicts, overrides, holding down, or the
// Corefile in reloads.
func TestNoCacheHasABackendLongerThanAnnounced(t *testing.T) {
	texts := []string{
		"rrhealth a.example.org b.example.org {\nbackend 192.0.2.1 192.0.2.2\nbackend 192.0.2.3 tier 2\n" + shortPace + "%[1]s}\n",
		"rrhealth a.example.org {\nbackend 192.0.2.1 192.0.2.2\nbackend 192.0.2.3 tier 2\n" + shortPace + "%[1]s}\n" +
			"rrhealth b.example.org {\nbackend 192.0.2.2 192.0.2.1 192.0.2.3\n" + shortPace + "ttl 3s\n}\n",
		"rrhealth b.example.org a.example.org {\nbackend 192.0.2.3 192.0.2.1\nbackend 192.0.2.2 tier 2\n" + shortPace + "%[1]smin_up 2\n}\n",
	}
	more := []string{"", "hold_down 5s\nfailback 10s\n", "dry_run\n"}
	for seed := range uint64(8) {
		inBubble(t, fmt.Sprintf(texts[0], ""), func(b *bubble) {
			r := rand.New(rand.NewPCG(seed, 7))
			known := newResolver()
			step := func(most int, blocks ...*Block) {
				time.Sleep(time.Duration(r.IntN(most)) * time.Millisecond)
				b.answered() // waits
				known.asks(blocks...)
			}
			const most = 3000
			for range 400 {
				if t.Failed() {
					break
				}
				step(most, b.block)
				known.check(t, b.registry.View())
				switch r.IntN(8) {
				case 0, 1, 2:
					b.fails(1+r.IntN(3), []error{nil, syscall.ECONNREFUSED}[r.IntN(2)])
				case 3, 4:
					b.registry.Override(randomSet(t, r, "", "a.example.org.", "b.example.org."))
				case 5:
					before, next := b.block, newBlock(t, fmt.Sprintf(texts[r.IntN(3)], more[r.IntN(3)]), b.probe)
					known.asks(before)
					b.registry.Start(next)
					known.check(t, b.registry.View())
					step(most, before, next)
					b.registry.Override(randomSet(t, r, "", "a.example.org."))
					step(most, before, next)
					known.check(t, b.registry.View())
					if r.IntN(3) == 0 { // a failed reload
						before, next = next, before
					}
					known.asks(before, next)
					b.registry.Stop(before)
					b.block, b.pool = next, &next.Pools[0]
					known.check(t, b.registry.View())
				}
			}
		})
	}
}

// A drain is over when the caches have forgotten the backend, and a reload does not
// begin the wait again.
func TestADrainIsOverInTime(t *testing.T) {
	const text = "rrhealth www.example.org {\nbackend 192.0.2.1 192.0.2.2\n" + shortPace + "}"
	inBubble(t, text, func(b *bubble) {
		b.settled()
		cached := func(n int) time.Duration {
			v := b.registry.View()[0].Backends[n-1]
			if v.CachedUntil.IsZero() {
				return -1
			}
			return v.CachedUntil.Sub(b.start).Round(time.Second)
		}
		now := func() time.Duration { return time.Since(b.start).Round(time.Second) }
		ttl := time.Duration(b.pool.Snapshot().TTL+1) * time.Second
		if got := cached(1); got != now()+ttl {
			t.Errorf("while it is answered: cached until %v, want a TTL from now: %v", got, now()+ttl)
		}
		b.registry.Override(overrides(t, "1 drain"))
		end := now() + ttl
		for range 3 {
			time.Sleep(time.Minute)
			if got := cached(1); got != end {
				t.Errorf("drained: cached until %v, want %v", got, end)
			}
			b.load(text)
			if got := cached(1); got != end {
				t.Errorf("drained, after a reload: cached until %v, want %v", got, end)
			}
		}
		b.registry.Override(nil)
		if got := cached(1); got != now()+ttl {
			t.Errorf("answered again: cached until %v, want %v", got, now()+ttl)
		}
	})
}

// What was drained from the first moment on was never answered.
func TestWhatWasNeverAnsweredIsNotCached(t *testing.T) {
	r := New(new(recorder))
	b := newBlock(t, "rrhealth www.example.org {\nbackend 192.0.2.1 192.0.2.2\n"+shortPace+"}", passes)
	r.Override(overrides(t, "1 drain"))
	r.Start(b)
	defer r.Stop(b)
	if v := r.View()[0]; !v.Backends[0].CachedUntil.IsZero() || v.Backends[1].CachedUntil.IsZero() || len(v.Now.Choices[pool.V4].Members) != 1 {
		t.Errorf("%+v: want the zero time for the first", v.Backends)
	}
}

// Reloads, failed ones too, keep no former stanza.
func TestReloadsKeepNoFormerStanza(t *testing.T) {
	const text = "rrhealth a.example.org b.example.org {\nbackend 192.0.2.1\n" + shortPace + "}"
	inBubble(t, text, func(b *bubble) {
		for range 3 {
			failed := newBlock(t, text, b.probe)
			b.registry.Start(failed)
			b.registry.Stop(failed)
			b.load(text)
			if s := b.block.Stanzas[0]; len(s.elders)+len(s.heirs) != 0 {
				t.Errorf("%d elders and %d heirs are kept", len(s.elders), len(s.heirs))
			}
		}
	})
}
