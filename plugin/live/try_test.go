package live

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rrhealth/rrhealth/plugin/override"
	"github.com/rrhealth/rrhealth/plugin/pool"
	"github.com/rrhealth/rrhealth/plugin/verdict"
)

// randomSet returns up to three overrides of the addresses 192.0.2.1 to .4.
func randomSet(tb testing.TB, r *rand.Rand, pools ...string) *override.Set {
	tb.Helper()
	var lines []string
	for range r.IntN(4) {
		kind := []string{"drain", "down", "up", fmt.Sprintf("weight=%d", 1+r.IntN(9))}[r.IntN(4)]
		lines = append(lines, fmt.Sprintf("%d %s %s", 1+r.IntN(4), kind, pools[r.IntN(len(pools))]))
	}
	return overrides(tb, lines...)
}

// same reports whether two snapshots answer the same.
func same(a, b *pool.Snapshot) bool {
	for f := range a.Choices {
		if a.Choices[f].Outcome != b.Choices[f].Outcome || !reflect.DeepEqual(a.Choices[f].Members, b.Choices[f].Members) {
			return false
		}
	}
	return a.TTL == b.TTL && reflect.DeepEqual(a.Health, b.Health)
}

// Try changes nothing, and says what Override does then: in any state of the backends, with
// a history or without.
func TestTrySaysWhatOverrideDoes(t *testing.T) {
	for _, more := range []string{"", "dry_run\n", "hold_down 20s\nslow_start 30s\nfailback 1m\n", "min_up 2\nall_down servfail\n"} {
		const stanza = "rrhealth %s {\nbackend 192.0.2.1 192.0.2.2\nbackend 192.0.2.3 192.0.2.4 tier 2\npolicy weighted\n" + shortPace + "%s}\n"
		inBubble(t, fmt.Sprintf(stanza, "a.example.org", more)+fmt.Sprintf(stanza, "b.example.org", more), func(b *bubble) {
			r := rand.New(rand.NewPCG(5, 6))
			for range 150 {
				for n := 1; n <= 4; n++ {
					b.fails(n, []error{nil, nil, syscall.ECONNREFUSED}[r.IntN(3)])
				}
				time.Sleep(time.Duration(r.IntN(15_000)) * time.Millisecond)
				b.answered() // waits
				set := randomSet(t, r, "", "a.example.org.", "b.example.org.")
				before := []*pool.Snapshot{b.block.Pools[0].Snapshot(), b.block.Pools[1].Snapshot()}
				effects := b.registry.Try(set)
				for i := range before {
					if b.block.Pools[i].Snapshot() != before[i] {
						t.Fatal("Try has stored a snapshot")
					}
				}
				b.registry.Override(set)
				concerned := make(map[*Pool]bool)
				for _, e := range effects {
					p := e.Pools[0]
					concerned[p] = true
					if !same(e.After, p.Snapshot()) || e.Before != before[p.stanza.index(b.block)] {
						t.Fatalf("%sfor %s Try said\n%+v, and Override did\n%+v", more, p.Name, e.After, p.Snapshot())
					}
				}
				for i := range before {
					if p := &b.block.Pools[i]; !concerned[p] && !same(p.Snapshot(), before[i]) {
						t.Fatalf("%s%s has changed, without a word from Try", more, p.Name)
					}
				}
			}
		})
	}
}

// index returns the place of s in its block.
func (s *Stanza) index(b *Block) int {
	for i := range b.Stanzas {
		if b.Stanzas[i] == s {
			return i
		}
	}
	return -1
}

// Unsafe is what leaves a family with fewer up than min_up, and fewer than before.
func TestWhatIsUnsafe(t *testing.T) {
	for _, tc := range []struct {
		name, backends, more string
		down                 string // backends that are down before
		lines                string
		want                 string // for each family of the pool: up of need, and ! if unsafe
	}{
		{"one of two", "backend 192.0.2.1 192.0.2.2", "", "", "1 drain", "1/1"},
		{"the last", "backend 192.0.2.1 192.0.2.2", "", "2", "1 drain", "0/1!"},
		{"the last, set down", "backend 192.0.2.1 192.0.2.2", "", "2", "1 down", "0/1!"},
		{"both", "backend 192.0.2.1 192.0.2.2", "", "", "1 drain, 2 drain", "0/1!"},
		{"one that is down", "backend 192.0.2.1 192.0.2.2", "", "2", "2 drain", "1/1"},
		{"the last, with another set up", "backend 192.0.2.1 192.0.2.2", "", "2", "1 drain, 2 up", "1/1"},
		{"a weight", "backend 192.0.2.1", "", "", "1 weight=4", "1/1"},
		{"below min_up", "backend 192.0.2.1 192.0.2.2 192.0.2.3", "min_up 2\n", "3", "1 drain", "1/2!"},
		{"at min_up", "backend 192.0.2.1 192.0.2.2 192.0.2.3", "min_up 2\n", "", "1 drain", "2/2"},
		{"a percentage is of the members before", "backend 192.0.2.1 192.0.2.2 192.0.2.3 192.0.2.4", "min_up 50%\n", "", "1 drain, 2 drain, 3 drain", "1/2!"},
		{"half of four", "backend 192.0.2.1 192.0.2.2 192.0.2.3 192.0.2.4", "min_up 50%\n", "", "1 drain, 2 drain", "2/2"},
		{"the next tier stands in", "backend 192.0.2.1\nbackend 192.0.2.2 tier 2", "", "", "1 drain", "1/1"},
		{"the next tier does not suffice", "backend 192.0.2.1 192.0.2.3\nbackend 192.0.2.2 tier 2", "min_up 2\n", "", "1 drain, 3 drain", "1/2!"},
		{"already short, and shorter", "backend 192.0.2.1 192.0.2.2 192.0.2.3", "min_up 3\n", "3", "1 drain", "1/3!"},
		{"already short, and none", "backend 192.0.2.1 192.0.2.2", "min_up 2\n", "2", "1 drain", "0/2!"},
		{"already short, not shorter", "backend 192.0.2.1 192.0.2.2", "min_up 2\n", "2", "2 drain", "1/2"},
		{"already short, a help", "backend 192.0.2.1 192.0.2.2", "min_up 2\n", "1 2", "1 up", "1/2"},
		{"one family of two", "backend 192.0.2.1 192.0.2.2 2001:db8::1", "", "", "1 drain, 2 drain", "0/1! 1/1"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			inBubble(t, "rrhealth www.example.org {\n"+tc.backends+"\n"+shortPace+tc.more+"}", func(b *bubble) {
				for n := range strings.FieldsSeq(tc.down) {
					b.failing(syscall.ECONNREFUSED, addrs("192.0.2."+n)...)
				}
				b.settled()
				var got []string
				for _, e := range b.registry.Try(overrides(t, strings.Split(tc.lines, ",")...)) {
					word := fmt.Sprintf("%d/%d", e.Up, e.Need)
					if e.Unsafe {
						word += "!"
					}
					got = append(got, word)
				}
				if got := strings.Join(got, " "); got != tc.want {
					t.Errorf("%s: %s, want %s", tc.lines, got, tc.want)
				}
			})
		})
	}
}

// What is in force already has no effect.
func TestTryWithoutAChange(t *testing.T) {
	inBubble(t, "rrhealth www.example.org {\nbackend 192.0.2.1 192.0.2.2\n"+shortPace+"}", func(b *bubble) {
		b.settled()
		b.registry.Override(overrides(t, "1 drain"))
		if got := b.registry.Try(overrides(t, "1 drain", "9 up", "2 down z.example.org.")); len(got) != 0 {
			t.Errorf("%d effects, want none", len(got))
		}
		if got := b.registry.Try(nil); len(got) != 1 || len(got[0].After.Choices[pool.V4].Members) != 2 || got[0].Unsafe || b.state(1) != verdict.Up {
			t.Errorf("without overrides: %+v, want both", got)
		}
	})
}
