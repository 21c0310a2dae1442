package live

import (
	"fmt"
	"syscall"
	"testing"

	"github.com/rrhealth/rrhealth/plugin/verdict"
)

// Names of one stanza have one snapshot, at the start and after each change,
// unless they have a past of their own.
func TestNamesOfAStanzaShareASnapshot(t *testing.T) {
	for _, tc := range []struct {
		name, more string
		shared     bool
	}{
		{"plain", "", true},
		{"dry_run", "dry_run\n", true},
		{"hold_down", "hold_down 20s\n", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			inBubble(t, "rrhealth www.example.org other.example.org {\nbackend 192.0.2.1 192.0.2.2\n"+shortPace+tc.more+"}", func(b *bubble) {
				one, two := &b.block.Pools[0], &b.block.Pools[1]
				firstResults := func(n int, want verdict.State) {
					t.Helper()
					b.until("first results", func() bool { return one.state().Health[n-1].State == want && two.state().Health[n-1].State == want })
					if shared := one.Snapshot() == two.Snapshot(); shared != tc.shared {
						t.Errorf("a snapshot is shared: %t, want %t", shared, tc.shared)
					}
				}
				firstResults(1, verdict.Up)
				firstResults(2, verdict.Up)
				b.fails(1, syscall.ECONNREFUSED)
				firstResults(1, verdict.Down)
				b.fails(1, nil)
				firstResults(1, verdict.Up)
			})
		})
	}
}

// Pools that share a target leave it together, and others that use it stay.
func TestPoolsThatShareATargetLeaveItTogether(t *testing.T) {
	const pools = "rrhealth %s {\nbackend 127.0.0.1 127.0.0.2\ncheck tcp://:1\ncheck tcp://:2\n}\n"
	stays := fmt.Sprintf(pools, "stays.example.org")
	inBubble(t, stays+fmt.Sprintf(pools, "a.example.org b.example.org c.example.org")+fmt.Sprintf(pools, "d.example.org"), func(b *bubble) {
		b.load(stays)
		b.registry.do(func() {
			if n := len(b.registry.uses); n != 4 {
				t.Errorf("%d targets, want 4", n)
			}
			for _, u := range b.registry.uses {
				if len(u.members) != 1 || u.members[0].stanza != b.pool.stanza {
					t.Errorf("a target has %d members, want the one of the pool that stayed", len(u.members))
				}
			}
		})
	})
}
