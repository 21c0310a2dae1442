package live

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/rrhealth/rrhealth/plugin/override"
)

// What is shown is what is in force: for the names of a stanza together, for a filter
// only if it watches the address, and nothing that another override takes the place of.
func TestOverridesAreShownForBackends(t *testing.T) {
	for _, tc := range []struct {
		lines string
		want  []string
	}{
		{"", nil},
		{"1 drain a.example.org.", []string{"a.example.org. 192.0.2.1 drain"}},
		{"1 drain b.example.org.", []string{"a.example.org. 192.0.2.1 drain"}}, // they share backends
		{"1 down, 1 weight=3", []string{
			"a.example.org. 192.0.2.1 down", "a.example.org. 192.0.2.1 weight", "c.example.org. 192.0.2.1 down",
			"c.example.org. 192.0.2.1 weight", "example.org. 192.0.2.1 down", "example.org. 192.0.2.1 weight",
		}},
		{"2 up", []string{"a.example.org. 192.0.2.2 up", "c.example.org. 192.0.2.2 up"}}, // not watched
		{"1 drain, 1 up c.example.org.", []string{"a.example.org. 192.0.2.1 drain", "c.example.org. 192.0.2.1 up", "example.org. 192.0.2.1 drain"}},
		{"1 drain example.org.", []string{"example.org. 192.0.2.1 drain"}},
		{"9 drain, 1 drain z.example.org.", nil}, // orphaned
	} {
		t.Run(tc.lines, func(t *testing.T) {
			text := fmt.Sprintf(twoStanzas, "", "") + watching
			inBubble(t, text, func(b *bubble) {
				b.registry.Watch(b.list(), addrs("192.0.2.1"))
				b.settled()
				var lines, want []string
				if tc.lines != "" {
					lines = strings.Split(tc.lines, ",")
				}
				for _, line := range tc.want {
					want = append(want, "backend_override "+line+" 1")
				}
				b.registry.Override(overrides(t, lines...))
				b.shows([]Metric{BackendOverride, OverrideEnds}, want...)
				b.load(text)
				b.registry.Watch(b.list(), addrs("192.0.2.1"))
				b.shows([]Metric{BackendOverride, OverrideEnds}, want...)
				b.registry.Override(nil)
				b.shows([]Metric{BackendOverride})
			})
		})
	}
}

// During a reload both blocks have the pool: it is shown once. An address that only
// the old one has is not shown any more.
func TestOverridesAreShownOnceInAReload(t *testing.T) {
	inBubble(t, "rrhealth www.example.org {\nbackend 192.0.2.1 192.0.2.2\n"+shortPace+"}\n"+watching, func(b *bubble) {
		b.registry.Watch(b.list(), addrs("192.0.2.1", "192.0.2.3"))
		b.settled()
		b.registry.Override(overrides(t, "1 drain", "2 drain", "3 drain"))
		next := newBlock(t, "rrhealth www.example.org {\nbackend 192.0.2.1\n"+shortPace+"}\n"+watching, b.probe)
		b.registry.Start(next)
		b.registry.Watch(next.Watchlists[0], addrs("192.0.2.1"))
		all := shown(b.registry, BackendOverride)
		b.registry.Stop(next)
		for _, want := range []string{"backend_override example.org. 192.0.2.1 drain 1", "backend_override www.example.org. 192.0.2.1 drain 1"} {
			if n := strings.Count(strings.Join(all, "\n")+"\n", want+"\n"); n != 1 {
				t.Errorf("%q is shown %d times: %q", want, n, all)
			}
		}
		if len(all) != 3 { // the next filter goes on watching 192.0.2.3
			t.Errorf("a backend that has left is shown: %q", all)
		}
	})
}

func TestTheEndOfAnOverrideIsShown(t *testing.T) {
	inBubble(t, "rrhealth www.example.org {\nbackend 192.0.2.1 192.0.2.2\n}", func(b *bubble) {
		end := time.Date(2026, 11, 24, 12, 0, 0, 500e6, time.UTC)
		addr := netip.MustParseAddr("192.0.2.1")
		b.registry.Override(override.NewSet([]override.Override{
			{ID: 1, Addr: addr, Kind: override.Drain, Until: end},
			{ID: 2, Addr: addr, Kind: override.Weight, Weight: 3},
		}))
		b.shows([]Metric{BackendOverride, OverrideEnds},
			"backend_override www.example.org. 192.0.2.1 drain 1",
			"backend_override www.example.org. 192.0.2.1 weight 1",
			"override_ends www.example.org. 192.0.2.1 drain 1.7955216005e+09",
		)
	})
}

// An operator may drain ten thousand backends. They cost neither the bound nor the
// series of others.
func TestSeriesOfOverridesAreBounded(t *testing.T) {
	g := newGallery(t)
	text := strings.ReplaceAll(manyNames(1, 1, 0, 200)+manyNames(9, 1, 1, 200), "check tcp://:1", "")
	g.load(t, text)
	before, n := g.series(t)
	var all []override.Override
	for i := range 10 {
		for j := range 200 {
			all = append(all, override.Override{ID: uint64(len(all) + 1), Addr: netip.AddrFrom4([4]byte{127, 0, byte(i), byte(j + 1)}), Kind: override.Drain, Until: time.Now().Add(time.Hour)})
		}
	}
	g.Override(override.NewSet(all))
	after, with := g.series(t)
	if with != n+2*maxOverridden {
		t.Errorf("%d series of overrides, want %d", with-n, 2*maxOverridden)
	}
	for name := range before {
		if _, ok := after[name]; !ok {
			t.Errorf("%s has gone", name)
		}
	}
}
