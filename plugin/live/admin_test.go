package live

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rrhealth/rrhealth/plugin/override"
	"github.com/rrhealth/rrhealth/plugin/pool"
	"github.com/rrhealth/rrhealth/plugin/verdict"
)

// overrides reads a set, each line "N KIND[=WEIGHT] [POOL]", for 192.0.2.N.
func overrides(tb testing.TB, lines ...string) *override.Set {
	tb.Helper()
	var all []override.Override
	for i, line := range lines {
		words := append(strings.Fields(line), "")
		kind, weight, _ := strings.Cut(words[1], "=")
		o := override.Override{ID: uint64(i + 1), Pool: words[2], Addr: netip.MustParseAddr("192.0.2." + words[0])}
		var ok bool
		if o.Kind, ok = override.ParseKind(kind); !ok {
			tb.Fatalf("%q: want N KIND [POOL]", line)
		}
		o.Weight, _ = strconv.Atoi(weight)
		all = append(all, o)
	}
	return override.NewSet(all)
}

// now returns what p answers at this moment, each backend by its last number. It does not
// wait for anything.
func (p *Pool) now() string {
	var all []string
	for _, m := range p.Snapshot().Choices[pool.V4].Members {
		all = append(all, strings.TrimPrefix(m.Addr.String(), "192.0.2."))
	}
	return strings.Join(all, " ")
}

// settled waits for the first results.
func (b *bubble) settled() {
	b.t.Helper()
	b.until("first results", func() bool { synctest.Wait(); return b.registry.Awaited() == 0 })
	time.Sleep(10 * time.Second)
	synctest.Wait()
}

const twoStanzas = "rrhealth a.example.org b.example.org {\nbackend 192.0.2.1 192.0.2.2\n" + shortPace + "%s}\n" +
	"rrhealth c.example.org {\nbackend 192.0.2.1 192.0.2.2\n" + shortPace + "%s}\n"

// When Override returns, the answers follow from it: in the pool that it names, in the
// pools that share a stanza with it, or everywhere.
func TestOverrideChangesAnswersBeforeItReturns(t *testing.T) {
	for _, tc := range []struct {
		lines string
		a, c  string
		watch verdict.State // of 192.0.2.1 in the filter example.org.
	}{
		{"", "2", "2", verdict.Down},
		{"1 up", "1 2", "1 2", verdict.Up},
		{"2 drain, 1 up", "1", "1", verdict.Up},
		{"1 up a.example.org.", "1 2", "2", verdict.Down},
		{"1 up b.example.org.", "1 2", "2", verdict.Down},
		{"1 up c.example.org.", "2", "1 2", verdict.Down},
		{"1 up, 1 drain c.example.org.", "1 2", "2", verdict.Up},
		{"1 up example.org.", "2", "2", verdict.Up},
		{"1 drain example.org., 1 up", "1 2", "1 2", verdict.Down},
		{"2 down", "1 2", "1 2", verdict.Down}, // all down: all_down
		{"2 drain", "1", "1", verdict.Down},    // the only one left is down
		{"1 drain, 2 drain", "1 2", "1 2", verdict.Down},
		{"1 down z.example.org.", "2", "2", verdict.Down},
	} {
		for _, patient := range []string{"", "hold_down 20s\n"} {
			t.Run(tc.lines+" "+patient, func(t *testing.T) {
				inBubble(t, fmt.Sprintf(twoStanzas, patient, patient)+watching, func(b *bubble) {
					b.fails(1, syscall.ECONNREFUSED)
					b.registry.Watch(b.list(), addrs("192.0.2.1"))
					b.settled()
					b.until("down", func() bool { return b.state(1) == verdict.Down })
					var lines []string
					if tc.lines != "" {
						lines = strings.Split(tc.lines, ",")
					}
					for range 2 { // and back
						b.registry.Override(overrides(t, lines...))
						a, also, c := b.block.Pools[0].now(), b.block.Pools[1].now(), b.block.Pools[2].now()
						if a != tc.a || also != tc.a || c != tc.c {
							t.Errorf("answered %s, %s and %s; want %s twice and %s", a, also, c, tc.a, tc.c)
						}
						if h, _, _ := b.list().Health(addrs("192.0.2.1")[0]); h.State != tc.watch {
							t.Errorf("the filter has %v, want %v", h.State, tc.watch)
						}
						b.registry.Override(nil)
						if a, c := b.block.Pools[0].now(), b.block.Pools[2].now(); a != "2" || c != "2" {
							t.Errorf("without overrides %s and %s are answered, want 2", a, c)
						}
					}
				})
			})
		}
	}
}

// An override holds in a reload from the first answer of the new block on, for pools and
// for watched addresses that are added later.
func TestAnOverrideSurvivesAReload(t *testing.T) {
	text := fmt.Sprintf(twoStanzas, "", "") + watching
	inBubble(t, text, func(b *bubble) {
		b.registry.Watch(b.list(), addrs("192.0.2.1"))
		b.settled()
		b.registry.Override(overrides(t, "1 drain"))
		for range 2 {
			before := b.block
			next := newBlock(t, text, b.probe)
			b.registry.Start(next)
			if got := next.Pools[0].now(); got != "2" {
				t.Errorf("the new block answers %s, want 2", got)
			}
			if got := before.Pools[0].now(); got != "2" {
				t.Errorf("the old block answers %s, want 2", got)
			}
			b.registry.Override(overrides(t, "2 drain")) // while both run
			for _, block := range []*Block{before, next} {
				if got := block.Pools[0].now(); got != "1" {
					t.Errorf("answered %s, want 1", got)
				}
			}
			b.registry.Override(overrides(t, "1 drain"))
			b.registry.Stop(before)
			b.block, b.pool = next, &next.Pools[0]
			b.registry.Watch(b.list(), addrs("192.0.2.1"))
			if got := b.list().States()[addrs("192.0.2.1")[0]]; got != verdict.Down || b.pool.now() != "2" {
				t.Errorf("after the reload the address is %v and %s is answered; want down and 2", got, b.pool.now())
			}
		}
		b.registry.Override(overrides(t))
		if got := b.pool.now(); got != "1 2" {
			t.Errorf("without overrides %s is answered", got)
		}
	})
}

// A watched address that is added later has what is set for it. Its verdict stays apart,
// and a weight does not hide that it may change.
func TestAnOverrideOfAnAddressThatIsWatchedLater(t *testing.T) {
	inBubble(t, watching, func(b *bubble) {
		b.registry.Override(overrides(t, "1 drain", "2 weight=7"))
		b.registry.Watch(b.list(), addrs("192.0.2.1", "192.0.2.2"))
		b.settled()
		b.fails(2, syscall.ECONNREFUSED)
		b.until("a first failure", func() bool {
			synctest.Wait()
			h, _, _ := b.list().Health(addrs("192.0.2.2")[0])
			return h.Changing
		})
		v := b.registry.View()[0]
		if one := v.Backends[0]; one.Health.State != verdict.Up || one.Answered || len(one.Overrides) != 1 {
			t.Errorf("192.0.2.1: %+v, want up by its checks and not answered", one)
		}
	})
}

// Blocks that start while operators set overrides have the latest in force, and so do all
// when calls overtake one another.
func TestOverridesAndStartsAtTheSameTime(t *testing.T) {
	text := fmt.Sprintf(twoStanzas, "", "")
	r := New(new(recorder))
	block := newBlock(t, text, passes)
	r.Start(block)
	sets := []*override.Set{overrides(t), overrides(t, "1 drain"), overrides(t, "2 drain"), overrides(t, "1 weight=3")}
	for range 100 {
		var all sync.WaitGroup
		next := newBlock(t, text, passes)
		all.Go(func() { r.Start(next) })
		for _, set := range sets {
			all.Go(func() { r.Override(set) })
		}
		all.Wait()
		set := r.overrides.Load()
		for _, b := range []*Block{block, next} {
			for i, h := range b.Pools[0].Snapshot().Health {
				if want := b.Stanzas[0].adminOf(set, i); h.Admin != want {
					t.Fatalf("backend %d has %+v, want %+v", i, h.Admin, want)
				}
			}
		}
		r.Stop(block)
		block = next
	}
	r.Stop(block)
	r.Override(sets[1]) // without a block
	if r.View() != nil || r.Try(sets[2]) != nil {
		t.Error("there is something to see without a block")
	}
}

// What operators set is no event of hold_down or failback.
func TestOverridesReportNoHolding(t *testing.T) {
	for _, more := range []string{"hold_down 20s\n", "failback 1m\n", "policy weighted\nslow_start 10s\n"} {
		inBubble(t, "rrhealth www.example.org {\nbackend 192.0.2.1 192.0.2.2\nbackend 192.0.2.3 tier 2\n"+shortPace+more+"}", func(b *bubble) {
			b.settled()
			steps := [][]string{{"1 down"}, {}, {"1 down", "2 down"}, {}, {"1 drain", "2 drain"}, {}, {"1 down"}, {"1 drain"}, {"1 up"}, {}, {"1 drain", "2 down"}, {}}
			for _, lines := range steps {
				b.registry.Override(overrides(t, lines...))
				time.Sleep(5 * time.Second)
			}
			if got := b.answered(); got != "1 2" {
				t.Errorf("%sanswered %s in the end, want 1 2", more, got)
			}
			if all := b.observer.transitions(); len(all) != 0 {
				t.Errorf("%s%d transitions are reported: %+v", more, len(all), all)
			}
		})
	}
}

// A member that waits for the failback and is then drained or set down is not reported as
// released.
func TestWhatWaitsIsNotReleasedByAnOverride(t *testing.T) {
	for _, kind := range []string{"drain", "down"} {
		inBubble(t, "rrhealth www.example.org {\nbackend 192.0.2.1\nbackend 192.0.2.2 tier 2\n"+shortPace+"failback 1h\n}", func(b *bubble) {
			b.settled()
			b.flap(1)
			synctest.Wait()
			n := len(b.observer.transitions())
			b.registry.Override(overrides(t, "1 "+kind))
			for _, o := range b.observer.transitions()[n:] {
				t.Errorf("%s: reported %+v", kind, o)
			}
		})
	}
}

// Under dry_run what operators drain is not answered, and weights count. Up and down are
// about verdicts, which change no answer.
func TestOverridesUnderDryRun(t *testing.T) {
	inBubble(t, "rrhealth www.example.org {\nbackend 192.0.2.1 192.0.2.2\npolicy weighted\n"+shortPace+"dry_run\n}", func(b *bubble) {
		b.fails(1, syscall.ECONNREFUSED)
		b.settled()
		for _, tc := range []struct{ line, served, judged string }{
			{"2 weight=1", "1 2", "2"},
			{"1 drain", "2", "2"},
			{"2 drain", "1", "1"},
			{"2 down", "1 2", "1 2"},
			{"1 up", "1 2", "1 2"},
			{"1 down", "1 2", "2"},
		} {
			b.registry.Override(overrides(t, tc.line))
			var judged Pool
			judged.Store(b.pool.Snapshot().Judged)
			if got := b.pool.now(); got != tc.served || judged.now() != tc.judged {
				t.Errorf("%s: answered %s and without dry_run %s, want %s and %s", tc.line, got, judged.now(), tc.served, tc.judged)
			}
		}
		b.registry.Override(overrides(t, "1 weight=4"))
		var firsts [2]int
		for range 10 {
			firsts[b.pool.Order(nil, b.pool.Snapshot(), pool.V4, pool.Client{})[0]]++
		}
		if firsts != [2]int{8, 2} {
			t.Errorf("%v firsts of 10 with a weight of 4, want 8 and 2", firsts)
		}
	})
}
