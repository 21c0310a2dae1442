package live

import (
	"net/netip"

	"github.com/rrhealth/rrhealth/plugin/pool"
	"github.com/rrhealth/rrhealth/plugin/verdict"
)

// Preset adds addresses in states that nothing changes. It is for tests of the
// packages above. Call it before w serves, and do not start w.
func (w *Watchlist) Preset(states map[netip.Addr]verdict.State) {
	for addr, state := range states {
		a := &address{addr: addr, list: w}
		a.publish(pool.Health{State: state})
		w.watched.add(a)
	}
}

// Seen returns how many addresses Health has found since the last call. It is for
// tests of the packages above. Do not start w.
func (w *Watchlist) Seen() (n int) {
	for a := range w.watched.all() {
		if a.seen.Swap(false) {
			n++
		}
	}
	return n
}
