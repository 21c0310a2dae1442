package operations

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rrhealth/rrhealth/plugin/api"
	"github.com/rrhealth/rrhealth/plugin/override"
)

// inTime runs f on a desk with stanzas in time that f lets pass.
func inTime(t *testing.T, f func(d *desk)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, twoPools)
		defer func() {
			d.end()
			synctest.Wait()
		}()
		f(d)
	})
}

// pass lets time pass.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// An override ends when its time has come, and is announced ten minutes before, once.
func TestOverridesEnd(t *testing.T) {
	inTime(t, func(d *desk) {
		start := time.Now()
		d.must(api.Change{Set: "drain", Selectors: []string{"192.0.2.1"}, For: 3600, Author: "ann"})
		d.must(api.Change{Set: "down", Selectors: []string{"192.0.2.3"}, Until: api.Time{Time: start.Add(2 * time.Hour)}})
		d.must(set("up", "192.0.2.2"))
		d.log.want(t,
			"info: override set: drain of 192.0.2.1 in every pool, by ann, until 2000-01-01T01:00:00Z",
			"info: override set: down of 192.0.2.3 in every pool, by root, until 2000-01-01T02:00:00Z",
			"info: override set: up of 192.0.2.2 in every pool, by root, for ever",
		)
		pass(50*time.Minute - time.Second)
		d.log.want(t)
		pass(time.Second)
		d.log.want(t, "warning: override ends in 10m0s: drain of 192.0.2.1 in every pool, set by ann")
		pass(10*time.Minute - time.Second)
		d.log.want(t)
		if got := d.answered("www.example.org."); slices.Contains(got, "192.0.2.1") {
			t.Errorf("answered %q a second before the end", got)
		}
		pass(time.Second)
		d.log.want(t, "info: override ended: drain of 192.0.2.1 in every pool, set by ann")
		if got := d.answered("www.example.org."); !slices.Contains(got, "192.0.2.1") {
			t.Errorf("answered %q after the end", got)
		}
		pass(3 * time.Hour)
		d.log.want(t,
			"warning: override ends in 10m0s: down of 192.0.2.3 in every pool, set by root",
			"info: override ended: down of 192.0.2.3 in every pool, set by root",
		)
		if got := d.shown(); !slices.Equal(got, []string{"192.0.2.2 up"}) || d.timer != nil || len(d.announced) > 0 {
			t.Errorf("overrides %q, a timer %v, announced %v", got, d.timer != nil, d.announced)
		}
	})
}

// One that is set for less than ten minutes is not announced: its author knows. One
// that is set again for longer is announced again.
func TestShortOverridesAreNotAnnounced(t *testing.T) {
	inTime(t, func(d *desk) {
		c := api.Change{Set: "drain", Selectors: []string{"192.0.2.1"}, For: 600}
		d.must(c)
		d.log.take()
		pass(9 * time.Minute)
		d.log.want(t)
		c.For = 1200
		d.must(c)
		d.log.take()
		pass(10 * time.Minute)
		d.log.want(t, "warning: override ends in 10m0s: drain of 192.0.2.1 in every pool, set by root")
		d.must(c)
		d.log.take()
		pass(10 * time.Minute)
		d.log.want(t, "warning: override ends in 10m0s: drain of 192.0.2.1 in every pool, set by root")
		pass(time.Hour)
		d.log.want(t, "info: override ended: drain of 192.0.2.1 in every pool, set by root")
	})
}

// A clock that is set ahead ends overrides within a minute, independent of what the timer was
// set to.
func TestAClockThatIsSetAheadEndsOverrides(t *testing.T) {
	inTime(t, func(d *desk) {
		d.must(api.Change{Set: "drain", Selectors: []string{"192.0.2.1"}, For: 24 * 3600})
		d.log.take()
		pass(30 * time.Second)
		moved := d.overrides().All()[0] // as if the clock had stepped, the end is near
		moved.Until = time.Now().Add(time.Second)
		d.set.Store(override.NewSet([]override.Override{moved}))
		pass(lookEvery)
		if got := d.shown(); len(got) > 0 {
			t.Errorf("overrides %q", got)
		}
	})
}

// Removing what was announced leaves nothing behind, and no timer.
func TestAutoStopsTheTimer(t *testing.T) {
	inTime(t, func(d *desk) {
		d.must(api.Change{Set: "drain", Selectors: []string{"192.0.2.1"}, For: 1200})
		pass(11 * time.Minute)
		d.must(set(auto, "192.0.2.1"))
		if d.timer != nil {
			t.Error("a timer without an override that ends")
		}
		d.log.take()
		pass(time.Hour)
		d.log.want(t)
	})
}
