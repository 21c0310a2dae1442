package live

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/rrhealth/rrhealth/plugin/pool"
)

// View has what queries get, beside what is configured, set and found by checks.
func TestViewIsWhatQueriesGet(t *testing.T) {
	inBubble(t, fmt.Sprintf(twoStanzas, "", "dry_run\n")+watching, func(b *bubble) {
		b.fails(1, syscall.ECONNREFUSED)
		b.registry.Watch(b.list(), addrs("192.0.2.2", "192.0.2.1"))
		b.settled()
		b.registry.Override(overrides(t, "2 drain c.example.org.", "1 weight=3"))
		answer(&b.block.Pools[1], 5)
		views := b.registry.View()
		if len(views) != 3 {
			t.Fatalf("%d views, want one for each stanza", len(views))
		}
		for i, v := range views[:2] {
			s := b.block.Stanzas[i]
			if v.Block != b.block || !slices.Equal(v.Pools, s.Pools) || v.Now != s.Pools[0].Snapshot() || v.Judged != s.Pools[0].state() || v.Config != s.Pools[0].Config {
				t.Errorf("stanza %d: the view is not of its pools", i)
			}
			for j, one := range v.Backends {
				m := v.Config.Backends[j]
				if one.Answered != v.Now.Chosen(pool.V4, m.Addr) || one.Health != v.Judged.Health[j] || one.Backend != m {
					t.Errorf("stanza %d, %s: %+v", i, m.Addr, one)
				}
				if c := one.Checks[0]; c.Label == "" || c.Interval != 2*time.Second || c.Last.After(time.Now()) || time.Since(c.Last) > 3*time.Second || !c.Next.After(time.Now()) || c.Verdict.State != one.Health.State {
					t.Errorf("stanza %d, %s: the check %+v", i, m.Addr, c)
				}
			}
		}
		var words []string
		for _, v := range views {
			for _, one := range v.Backends {
				var set []string
				for _, o := range one.Overrides {
					set = append(set, o.What())
				}
				words = append(words, fmt.Sprintf("%s %s %t %v %d", one.Addr, one.Health.State, one.Answered, set, one.First))
			}
		}
		want := "192.0.2.1 down false [weight 3] 0\n192.0.2.2 up true [] 5\n" + // a, b
			"192.0.2.1 down true [weight 3] 0\n192.0.2.2 up false [drain] 0\n" + // c
			"192.0.2.1 down false [weight 3] 0\n192.0.2.2 up true [] 0" // the filter
		if got := strings.Join(words, "\n"); got != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
		if v := views[2]; v.Filter != b.list() || v.Pools != nil || v.Config != nil || v.Now != nil {
			t.Errorf("the view of the filter: %+v", v)
		}
	})
}

// While both blocks of a reload run, View has the new one, once.
func TestViewInAReload(t *testing.T) {
	text := fmt.Sprintf(twoStanzas, "", "") + watching
	inBubble(t, text, func(b *bubble) {
		b.settled()
		next := newBlock(t, text, b.probe)
		b.registry.Start(next)
		for _, v := range b.registry.View() {
			if v.Block != next {
				t.Error("the old block is shown")
			}
		}
		b.registry.Stop(next)
		if views := b.registry.View(); len(views) != 3 || views[0].Block != b.block {
			t.Error("after a failed reload the old block is not shown")
		}
	})
}

// What the Corefile says of a backend is found under the same words after a reload.
func TestConfigured(t *testing.T) {
	const text = "rrhealth a.example.org b.example.org {\nbackend 192.0.2.1 weight 3\nbackend 192.0.2.2\n" + shortPace + "}\nrrhealth c.example.org {\nbackend 192.0.2.1 drain\nbackend 192.0.2.3\n" + shortPace + "}"
	inBubble(t, text, func(b *bubble) {
		before := b.registry.Configured(addrs("192.0.2.1")...)[addrs("192.0.2.1")[0]]
		if got, want := fmt.Sprint(before), "[{a.example.org. false 3} {c.example.org. true 1}]"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		b.load(text)
		if after := b.registry.Configured(addrs("192.0.2.1")...)[addrs("192.0.2.1")[0]]; !slices.Equal(before, after) {
			t.Errorf("after a reload %v, want %v", after, before)
		}
		if got := b.registry.Configured(addrs("192.0.2.9")...)[addrs("192.0.2.9")[0]]; len(got) != 0 {
			t.Errorf("%v of an address that no stanza has", got)
		}
	})
}

// large is a pool of n backends and a filter.
func large(n int) (all []netip.Addr, text string) {
	all, line := addressLine(n)
	return all, "rrhealth www.example.org {\nbackend " + line + "\ncheck tcp://:1\ninterval 2s fast 100ms\ntimeout 100ms\nfall 1\nrise 1\n}\n" +
		"rrhealth example.org {\nwatch 192.0.0.0/16\ncheck tcp://:1\ninterval 2s fast 100ms\ntimeout 100ms\n}"
}

// View, Try and Override work while thousands of backends change and blocks come and go.
// The race detector looks on.
func TestViewAndOverrideWhileThousandsChange(t *testing.T) {
	all, text := large(2000)
	var failing atomic.Bool
	ask := func(_ context.Context, addr netip.Addr) error {
		if failing.Load() && addr.As4()[3]%2 == 0 {
			return syscall.ECONNREFUSED
		}
		return nil
	}
	r := New(new(recorder))
	block := newBlock(t, text, ask)
	r.Start(block)
	r.Watch(block.Watchlists[0], all)
	var busy sync.WaitGroup
	for i := range 3 {
		busy.Go(func() {
			for n := range 40 {
				addr := strings.TrimPrefix(all[n].String(), "192.0.0.")
				set := overrides(t, addr+" drain", "1 up", "2 weight=9")
				switch (i + n) % 3 {
				case 0:
					r.Override(set)
				case 1:
					r.Try(set)
				default:
					for _, v := range r.View() {
						if len(v.Backends) == 0 {
							t.Error("a stanza without backends")
						}
					}
				}
				failing.Store(n%2 == 0)
			}
		})
	}
	for range 5 {
		next := newBlock(t, text, ask)
		r.Start(next)
		r.Stop(block)
		block = next
	}
	busy.Wait()
	var stopped sync.WaitGroup
	stopped.Go(func() { // the last block stops below it
		for range 50 {
			r.View()
		}
	})
	r.Stop(block)
	stopped.Wait()
}

// With 10,000 backends the log has how long the monitor's loop was away. That is not
// compared with anything: on a busy machine it is the other programs' time.
func TestTenThousandBackendsHoldTheLoopBriefly(t *testing.T) {
	if testing.Short() {
		t.Skip("measures")
	}
	all, text := large(10_000)
	r := New(new(recorder))
	b := newBlock(t, text, passes)
	r.Start(b)
	defer r.Stop(b)
	r.Watch(b.Watchlists[0], all)
	longest := func(what string, f func()) {
		var worst time.Duration
		done := make(chan struct{})
		begin := time.Now()
		go func() { defer close(done); f() }()
		for running := true; running; {
			asked := time.Now()
			r.do(func() {})
			worst = max(worst, time.Since(asked))
			select {
			case <-done:
				running = false
			default:
			}
		}
		t.Logf("%s takes %v; the loop came back within %v", what, time.Since(begin), worst)
	}
	longest("View", func() {
		if got := len(r.View()[1].Backends); got != 10_000 {
			t.Errorf("%d watched addresses are seen", got)
		}
	})
	longest("Try", func() {
		if got := r.Try(overrides(t, "1 drain")); len(got) != 1 {
			t.Errorf("%d effects, want one", len(got))
		}
	})
	longest("Override", func() { r.Override(overrides(t, "1 drain")) })
}
