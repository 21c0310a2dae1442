package rrhealth

import (
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
				one, two := b.pool.pools[0], b.pool.pools[1]
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
