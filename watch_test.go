package rrhealth

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/plugin/config"
	"github.com/rrhealth/rrhealth/plugin/discover"
	"github.com/rrhealth/rrhealth/plugin/monitor"
	"github.com/rrhealth/rrhealth/plugin/pool"
	"github.com/rrhealth/rrhealth/plugin/probe"
	"github.com/rrhealth/rrhealth/plugin/verdict"
)

// A zoneBelow is a plugin whose zone can be walked, and changes.
type zoneBelow struct {
	mu      sync.Mutex
	name    string
	records []dns.RR
}

// change changes the zone.
func (z *zoneBelow) change(f func()) {
	z.mu.Lock()
	defer z.mu.Unlock()
	f()
}

func (z *zoneBelow) Transfer(zone string, _ uint32) (<-chan []dns.RR, error) {
	z.mu.Lock()
	defer z.mu.Unlock()
	if zone != z.name {
		return nil, errors.New("not authoritative")
	}
	ch := make(chan []dns.RR)
	records := z.records
	go func() {
		defer close(ch)
		for _, rr := range records {
			ch <- []dns.RR{rr}
		}
	}()
	return ch, nil
}

// watching starts a handler with one filter, whose probes fail for addresses
// that end in an odd number, in a registry of its own.
func watching(t *testing.T, below *zoneBelow) (*RRHealth, *lifecycle) {
	t.Helper()
	ask := func(_ context.Context, addr netip.Addr) error {
		if addr.As4()[3]%2 == 1 {
			return errors.New("odd")
		}
		return nil
	}
	s := config.Stanza{
		Names: []string{"example.org."}, Pool: pool.Config{Settings: pool.Settings{MinUp: pool.MinUp{N: 1}}}, Watch: config.Networks{Any: true},
		Checks: []config.Check{{
			Probe: probe.Check{Label: "fake", ID: "fake", Probe: ask},
			Pace:  monitor.Check{ID: "fake", Interval: 10 * time.Second, Fast: time.Second, Timeout: time.Second, Rule: verdict.Rule{Rise: 1, Fall: 1}},
		}},
	}
	h := newHandler([]string{"example.org."}, []config.Stanza{s})
	h.instance = new(instance)
	h.sources = []discover.Source{below}
	r := newLifecycle()
	r.start(h)
	return h, r
}

func (h *RRHealth) states() string {
	text, states := "", h.rules.Filters[0].States()
	for i := range 10 {
		if state, ok := states[netip.AddrFrom4([4]byte{192, 0, 2, byte(i)})]; ok {
			text += fmt.Sprintf("%d %s ", i, state)
		}
	}
	return text
}

func TestAddressesAreForgottenTenMinutesAfterTheyWereLastSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		below := &zoneBelow{name: "example.org.", records: rrs(t, "a.example.org. 1 IN A 192.0.2.1", "b.example.org. 1 IN A 192.0.2.2", "c.example.org. 1 IN HTTPS 1 . ipv4hint=192.0.2.3")}
		h, r := watching(t, below)
		expect := func(after time.Duration, want string) {
			t.Helper()
			time.Sleep(after)
			synctest.Wait()
			if got := h.states(); got != want {
				t.Errorf("watched: %s, want %s", got, want)
			}
		}
		expect(2*time.Second, "1 down 2 up 3 down ")
		expect(30*time.Minute, "1 down 2 up 3 down ") // each walk sees them
		below.change(func() {
			below.records = rrs(t, "b.example.org. 1 IN A 192.0.2.2", "d.example.org. 1 IN A 192.0.2.4")
		})
		expect(time.Minute, "1 down 2 up 3 down 4 up ")
		// An answer that still holds 192.0.2.3 keeps it.
		h.rules.Filters[0].Health(netip.MustParseAddr("192.0.2.3"))
		expect(9*time.Minute+30*time.Second, "2 up 3 down 4 up ")
		expect(time.Minute, "2 up 3 down 4 up ")
		expect(time.Minute, "2 up 4 up ")
		if got := r.live.Status(0).Watched; got != 2 {
			t.Errorf("%d addresses counted, want 2", got)
		}
		r.stop(h)
		if s := r.live.Status(0); r.live.Targets() != 0 || s.Watched != 0 {
			t.Errorf("after the stop %d targets are in use and %d addresses watched", r.live.Targets(), s.Watched)
		}
		if got := h.states(); got != "2 up 4 up " {
			t.Errorf("after the stop queries see %s, want what was last known", got)
		}
	})
}

func TestAddressesFromAnswersAreWatchedSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, r := watching(t, &zoneBelow{name: "example.net."})
		defer r.stop(h)
		synctest.Wait()
		for range 3 {
			for i := range 2000 { // more than find room at once
				h.rules.Filters[0].Health(netip.AddrFrom4([4]byte{192, 0, byte(2 + i/256), byte(i)}))
			}
			time.Sleep(time.Second) // discover gathers them
			synctest.Wait()
		}
		if got := r.live.Status(0).Watched; got != 2000 {
			t.Errorf("%d addresses watched, want 2000", got)
		}
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if got := h.states(); got != "0 up 1 down 2 up 3 down 4 up 5 down 6 up 7 down 8 up 9 down " {
			t.Errorf("watched: %s", got)
		}
	})
}
