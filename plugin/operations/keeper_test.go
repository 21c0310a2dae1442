package operations

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rrhealth/rrhealth/plugin/api"
	"github.com/rrhealth/rrhealth/plugin/config"
	"github.com/rrhealth/rrhealth/plugin/live"
	"github.com/rrhealth/rrhealth/plugin/state"
)

// save writes k into the state directory dir, as at that time.
func save(t *testing.T, dir string, at time.Time, k kept) {
	t.Helper()
	d, err := state.Open(dir, state.Options{Version: stateVersion, Now: func() time.Time { return at }})
	if err != nil {
		t.Fatal(err)
	}
	d.Start(func() any { return k })
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
}

// one returns an override of a state file.
func one(id uint64, addr, set string, weight int, until time.Time) keptOverride {
	return keptOverride{
		ID: id, Addr: netip.MustParseAddr(addr), Set: set, Weight: weight, Author: "ann",
		Since: api.Time{Time: time.Now().Add(-time.Hour)}, Until: api.Time{Time: until}, Was: []keptConfigured{},
	}
}

// What is in the file is taken over as far as it still holds, and what is none is
// dropped with a line.
func TestWhatIsRestored(t *testing.T) {
	dir := t.TempDir()
	save(t, dir, time.Now(), kept{LastID: 70, Overrides: []keptOverride{
		one(1, "192.0.2.1", "drain", 0, time.Time{}),
		one(2, "192.0.2.2", "weight", 7, time.Now().Add(time.Hour)),
		one(3, "192.0.2.3", "down", 0, time.Now().Add(-time.Second)),
		one(4, "192.0.2.4", "weight", 65536, time.Time{}),
		one(5, "192.0.2.5", "weight", 0, time.Time{}),
		one(6, "192.0.2.6", "pause", 0, time.Time{}),
		one(7, "192.0.2.7", "up", 0, time.Time{}), // which no pool has
	}})
	d := newDesk(t, "")
	p := &config.Process{State: dir}
	if err := d.Start(p); err != nil {
		t.Fatal(err)
	}
	defer d.Stop(p)
	d.load(twoPools)
	defer d.end()
	d.log.want(t,
		"info: override ended while the server was down: down of 192.0.2.3 in every pool, set by ann",
		`warning: override in the state file is not one, and is dropped: "weight" for "192.0.2.4"`,
		`warning: override in the state file is not one, and is dropped: "weight" for "192.0.2.5"`,
		`warning: override in the state file is not one, and is dropped: "pause" for "192.0.2.6"`,
		"info: 3 overrides restored",
	)
	if got, want := d.shown(), []string{"192.0.2.1 drain", "192.0.2.2 weight 7", "192.0.2.7 up"}; !slices.Equal(got, want) {
		t.Errorf("overrides %q, want %q", got, want)
	}
	var orphans []string
	for _, o := range d.model().Overrides {
		if o.Orphaned {
			orphans = append(orphans, o.Address)
		}
	}
	if !slices.Equal(orphans, []string{"192.0.2.7"}) {
		t.Errorf("orphans %q", orphans)
	}
	if got := d.must(set("up", "192.0.2.2")).Overrides[0].ID; got != 71 {
		t.Errorf("the next ID is %d, want 71", got)
	}
}

// A Corefile that drains a backend wins over an up of the file.
func TestUpOfTheFileDoesNotAnswerWhatTheCorefileDrains(t *testing.T) {
	dir := t.TempDir()
	save(t, dir, time.Now(), kept{Overrides: []keptOverride{one(1, "192.0.2.1", "up", 0, time.Time{})}})
	d := newDesk(t, "")
	p := &config.Process{State: dir}
	if err := d.Start(p); err != nil {
		t.Fatal(err)
	}
	defer d.Stop(p)
	d.load("rrhealth www.example.org {\nbackend 192.0.2.1 drain\nbackend 192.0.2.2\ncheck tcp://:80\n}")
	defer d.end()
	d.Reconcile()
	if got := d.answered("www.example.org."); !slices.Equal(got, []string{"192.0.2.2"}) {
		t.Errorf("answered %q", got)
	}
}

// A backend that was down stays out until its first probe, unless that was more than
// an hour ago. A file that a clock was ahead for is as good as a new one.
func TestWhatWasDownStaysOutUntilItsFirstProbe(t *testing.T) {
	for name, c := range map[string]struct {
		age  time.Duration
		want []string
	}{
		"just now":    {0, []string{"192.0.2.2"}},
		"an hour":     {time.Hour, []string{"192.0.2.2"}},
		"longer":      {time.Hour + time.Second, []string{"192.0.2.1", "192.0.2.2"}},
		"a day ahead": {-24 * time.Hour, []string{"192.0.2.2"}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			synctest.Test(t, func(t *testing.T) {
				save(t, dir, time.Now().Add(-c.age), kept{Live: live.Saved{Backends: []live.SavedBackend{
					{Block: "block", Pool: "www.example.org.", Addr: netip.MustParseAddr("192.0.2.1"), Down: true},
				}}})
				d := newDesk(t, "")
				d.slow = time.Second
				p := &config.Process{State: dir}
				if err := d.Start(p); err != nil {
					t.Fatal(err)
				}
				d.load("rrhealth www.example.org {\nbackend 192.0.2.1 192.0.2.2\ncheck tcp://:80\n}")
				d.Reconcile()
				if got := d.answered("www.example.org."); !slices.Equal(got, c.want) {
					t.Errorf("answered %q before the first probe, want %q", got, c.want)
				}
				time.Sleep(20 * time.Second)
				synctest.Wait()
				if got := d.answered("www.example.org."); len(got) != 2 {
					t.Errorf("answered %q after it has passed", got)
				}
				d.Stop(p)
				d.end()
				synctest.Wait()
			})
		})
	}
}

// An override that ended while the server was down ends in the history, too, and one
// that goes on is noted once.
func TestHistoriesKnowWhichOverridesHaveEnded(t *testing.T) {
	dir := t.TempDir()
	p := &config.Process{State: dir}
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, "")
		if err := d.Start(p); err != nil {
			t.Fatal(err)
		}
		d.load(twoPools)
		d.must(api.Change{Set: "drain", Selectors: []string{"192.0.2.1"}, For: 60})
		d.must(set("drain", "192.0.2.2"))
		d.must(api.Change{Set: "weight", Weight: 5, Selectors: []string{"192.0.2.2"}, Forever: true})
		d.Stop(p)
		d.end()
		time.Sleep(2 * time.Minute)

		d = newDesk(t, "")
		if err := d.Start(p); err != nil {
			t.Fatal(err)
		}
		d.load(twoPools)
		synctest.Wait()
		for addr, want := range map[string]string{"192.0.2.1": "overridden drain override_ended auto", "192.0.2.2": "overridden drain overridden drain, weight 5"} {
			var got []string
			for _, e := range slices.Backward(d.history("www.example.org.", addr)[0].Events) {
				if e.What != "" {
					got = append(got, e.Kind, e.What)
				}
			}
			if text := strings.Join(got, " "); text != want {
				t.Errorf("%s: %s, want %s", addr, text, want)
			}
		}
		d.Stop(p)
		d.end()
		synctest.Wait()
	})
}

// Two directories: the second one of a reload gets what is in force, not the other
// way round.
func TestAReloadMayNameAnotherDirectory(t *testing.T) {
	first, second := t.TempDir(), t.TempDir()
	save(t, second, time.Now(), kept{Overrides: []keptOverride{one(1, "192.0.2.3", "down", 0, time.Time{})}})
	d := newDesk(t, twoPools)
	defer d.end()
	a, b := &config.Process{State: first}, &config.Process{State: second}
	if err := d.Start(a); err != nil {
		t.Fatal(err)
	}
	d.must(set("drain", "192.0.2.1"))
	if err := d.Start(b); err != nil {
		t.Fatal(err)
	}
	d.Stop(a)
	if got := d.shown(); !slices.Equal(got, []string{"192.0.2.1 drain"}) {
		t.Errorf("overrides %q", got)
	}
	if got := d.model().Status.StateDir; got != second {
		t.Errorf("state in %s", got)
	}
	d.Stop(b)
	for _, dir := range []string{first, second} {
		text, err := os.ReadFile(filepath.Join(dir, "rrhealth.json"))
		if err != nil || !strings.Contains(string(text), `"set":"drain"`) || strings.Contains(string(text), `"set":"down"`) {
			t.Errorf("%s: %s (%v)", dir, text, err)
		}
	}
}

// What the Corefile says otherwise than when an override was set, wins.
func TestTheCorefileWinsOverOverrides(t *testing.T) {
	d := newDesk(t, twoPools)
	defer d.end()
	p := &config.Process{}
	if err := d.Start(p); err != nil {
		t.Fatal(err)
	}
	defer d.Stop(p)
	d.must(set("drain", "192.0.2.1"))
	d.must(set("up", "192.0.2.2"))
	d.log.take()
	d.load(strings.Replace(twoPools, "backend 192.0.2.1 192.0.2.4", "backend 192.0.2.1 drain\nbackend 192.0.2.4", 1))
	d.Reconcile()
	d.log.want(t, "warning: override dropped: drain of 192.0.2.1 in every pool, set by root: the Corefile has another weight or drain for this backend now")
	if got := d.shown(); !slices.Equal(got, []string{"192.0.2.2 up"}) {
		t.Errorf("overrides %q", got)
	}
}
