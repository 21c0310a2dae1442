package discover

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestAWalkFindsAddressesAndHints(t *testing.T) {
	s := &source{zone: "example.org.", records: records(t,
		"example.org. 60 IN SOA ns.example.org. host.example.org. 1 2 3 4 5",
		"a.example.org. 60 IN A 192.0.2.1",
		"a.example.org. 60 IN A 192.0.2.1",
		"b.cdn.example.org. 60 IN AAAA 2001:db8::1",
		"c.example.org. 60 IN HTTPS 1 . ipv4hint=192.0.2.2 ipv6hint=2001:db8::2",
		"d.example.org. 60 IN A 198.51.100.1",
		"e.example.net. 60 IN A 192.0.2.3",
	)}
	s.records = append(s.records, nil) // of a plugin that is not careful
	r := &recorder{owners: []string{"cdn.example.org.", "example.org."}, unasked: netip.MustParsePrefix("198.51.100.0/24")}
	discovering(t, s, r, func(*Discovery) {
		after(0)
		want := []string{"0 2001:db8::1", "1 192.0.2.1", "1 192.0.2.2", "1 2001:db8::2"}
		if got := r.has(); !slices.Equal(got, want) {
			t.Errorf("watched %q, want %q", got, want)
		}
		if got := r.log(); got != "" {
			t.Errorf("logged %q, want nothing", got)
		}
	})
}

// Each walk finds what the zone has then.
func TestZonesAreWalkedEveryThirtySeconds(t *testing.T) {
	s := &source{zone: "example.org.", records: addresses(1)}
	r := new(recorder)
	discovering(t, s, r, func(*Discovery) {
		begun := time.Now()
		after(time.Second)
		s.change(func() { s.records = addresses(2) })
		after(28 * time.Second)
		if got := r.count(); got != 1 {
			t.Errorf("%d addresses before the second walk, want 1", got)
		}
		after(2 * time.Second)
		if got := r.count(); got != 2 {
			t.Errorf("%d addresses after the second walk, want 2", got)
		}
		after(time.Minute)
		var at []time.Duration
		for _, walk := range s.walks {
			at = append(at, walk.Sub(begun))
		}
		if want := []time.Duration{0, walkEvery, 2 * walkEvery, 3 * walkEvery}; !slices.Equal(at, want) {
			t.Errorf("walks at %v, want %v", at, want)
		}
		if want := []bool{true, false, false, false}; !slices.Equal(r.walked, want) {
			t.Errorf("Walked was called with %v, want %v", r.walked, want)
		}
	})
}

// A plugin that fetches its zone may not have it yet when the server starts.
func TestAZoneThatIsMissingIsTriedAgainSoon(t *testing.T) {
	s := &source{zone: "later.", records: addresses(1)}
	r := new(recorder)
	discovering(t, s, r, func(*Discovery) {
		begun := time.Now()
		after(63 * time.Second)
		var at []time.Duration
		for _, walk := range s.walks {
			at = append(at, walk.Sub(begun)/time.Second)
		}
		if want := []time.Duration{0, 2, 6, 14, 30, 60}; !slices.Equal(at, want) {
			t.Errorf("walks after %d seconds, want %d", at, want)
		}
		s.change(func() { s.zone = "example.org." })
		after(30 * time.Second)
		if got := r.count(); got != 1 {
			t.Errorf("%d addresses watched, want 1", got)
		}
	})
}

func TestNextWalk(t *testing.T) {
	for _, tc := range []struct {
		last  time.Duration
		found bool
		want  time.Duration
	}{
		{0, false, walkSoon}, {walkSoon, false, 2 * walkSoon}, {16 * time.Second, false, walkEvery}, {walkEvery, false, walkEvery},
		{0, true, walkEvery}, {walkSoon, true, walkEvery}, {walkEvery, true, walkEvery},
	} {
		if got := nextWalk(tc.last, tc.found); got != tc.want {
			t.Errorf("after %v, found %t: %v, want %v", tc.last, tc.found, got, tc.want)
		}
	}
}

// The monitor gets addresses in parts of at most 500.
func TestALargeZoneIsWatchedInBatches(t *testing.T) {
	r := new(recorder)
	discovering(t, &source{zone: "example.org.", records: addresses(1200)}, r, func(*Discovery) {
		after(0)
		if want := []int{batch, batch, 200}; !slices.Equal(r.batches, want) {
			t.Errorf("batches %v, want %v", r.batches, want)
		}
	})
}

func TestAWarningIsLoggedOnceWithoutRoom(t *testing.T) {
	r := &recorder{most: 100}
	discovering(t, &source{zone: "example.org.", records: addresses(1200)}, r, func(*Discovery) {
		after(0)
		if got := r.log(); got != "no room for more than 100" {
			t.Errorf("logged %q, want one line", got)
		}
	})
}

// Learned addresses are gathered for a tenth of a second.
func TestAddressesFromAnswersAreWatchedTogether(t *testing.T) {
	r := new(recorder)
	discovering(t, &source{zone: "elsewhere."}, r, func(d *Discovery) {
		after(0)
		for i := range 10 {
			d.Learn(int32(i%2), netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}))
			d.Learn(int32(i%2), netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}))
		}
		after(gatherFor - time.Millisecond)
		if got := r.has(); len(got) > 0 {
			t.Errorf("watched %q at once, want nothing yet", got)
		}
		after(2 * time.Millisecond)
		if got := r.has(); len(got) != 10 || got[0] != "0 192.0.2.0" {
			t.Errorf("watched %q, want ten", got)
		}
		if want := []int{5, 5}; !slices.Equal(r.batches, want) {
			t.Errorf("batches %v, want one for each list: %v", r.batches, want)
		}
	})
}

// A query must not wait: what finds no room is learned from a later answer.
func TestLearnDropsWhatFindsNoRoom(t *testing.T) {
	r := new(recorder)
	s := &source{zone: "example.org.", sticks: true} // nothing is taken in
	discovering(t, s, r, func(d *Discovery) {
		after(0)
		for i := range 3 * mostLearned {
			d.Learn(0, netip.AddrFrom4([4]byte{192, 0, byte(i >> 8), byte(i)}))
		}
		if got := len(d.learned); got != mostLearned {
			t.Errorf("%d addresses wait, want %d", got, mostLearned)
		}
		begun := time.Now()
		d.Stop()
		if took := time.Since(begun); took != stopWithin {
			t.Errorf("stopped after %v, want %v", took, stopWithin)
		}
		if got, want := r.log(), "a zone below example.org. is still being walked, left behind"; got != want {
			t.Errorf("logged %q, want %q", got, want)
		}
		close(s.stuck)
		after(0)
		if got := len(r.walked); got != 1 {
			t.Errorf("Walked was called %d times, want once, also when it is left behind", got)
		}
	})
}

func TestNothingIsWatchedAfterStop(t *testing.T) {
	r := new(recorder)
	s := &source{zone: "example.org.", records: addresses(1)}
	discovering(t, s, r, func(d *Discovery) {
		after(0)
		d.Learn(0, netip.MustParseAddr("192.0.2.77"))
		d.Stop()
		d.Learn(0, netip.MustParseAddr("192.0.2.78"))
		after(time.Hour)
		if got := r.has(); !slices.Equal(got, []string{"0 192.0.0.0"}) || len(s.walks) != 1 {
			t.Errorf("watched %q after %d walks, want what the first walk found", got, len(s.walks))
		}
	})
}

func TestAPanicInAZoneIsNotTheServers(t *testing.T) {
	s := &source{zone: "example.org.", records: addresses(1), panics: "an error of the plugin's\n" + strings.Repeat("x", 1000)}
	r := new(recorder)
	discovering(t, s, r, func(*Discovery) {
		after(time.Second)
		const want = `walking example.org. for addresses to watch: the plugin below panicked: "an error of the plugin's\nxxx`
		if got := r.log(); !strings.HasPrefix(got, want) || len(got) > 400 || strings.Contains(got, "\n") {
			t.Errorf("logged %q, want one short line that begins with %q", got, want)
		}
		s.change(func() { s.panics = nil })
		after(time.Minute)
		if got := r.count(); got != 1 {
			t.Errorf("%d addresses watched, want 1 from a later walk", got)
		}
	})
}

func TestZones(t *testing.T) {
	for _, tc := range []struct {
		name                 string
		block, filters, want []string
	}{
		{"the server block's", []string{"example.org."}, []string{"example.org."}, []string{"example.org."}},
		{"a filter below", []string{"example.org."}, []string{"a.b.example.org."}, []string{"example.org.", "a.b.example.org.", "b.example.org."}},
		{"a wildcard", []string{"example.org."}, []string{"*.b.example.org."}, []string{"example.org.", "b.example.org."}},
		{"two with one zone", []string{"example.org."}, []string{"x.b.example.org.", "y.b.example.org."}, []string{"example.org.", "x.b.example.org.", "b.example.org.", "y.b.example.org."}},
		{"the root", []string{"."}, []string{"example.org."}, []string{".", "example.org.", "org."}},
		{"no filter", []string{"example.org."}, nil, []string{"example.org."}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := Zones(tc.block, tc.filters); !slices.Equal(got, tc.want) {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}
