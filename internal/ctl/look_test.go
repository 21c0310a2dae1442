package ctl

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rrhealth/rrhealth/plugin/api"
)

// What tables show of states that the document does not have.
func TestTables(t *testing.T) {
	drain := api.Override{
		ID: 7, Address: "192.0.2.1", Set: "drain", Author: "bob", Reason: "disk", Since: before(time.Hour), Until: api.Time{Time: noon.Add(time.Hour)},
	}
	heavy := api.Override{ID: 8, Pool: "www.example.org.", Address: "192.0.2.1", Set: "weight", Weight: 5, Author: "eve", Orphaned: true}
	for _, tc := range []struct {
		line  string
		is    func(f *fake)
		wants []string // with runs of blanks as one
	}{
		{"status", func(f *fake) { f.status.AllDown, f.status.Short = 1, 2 }, []string{"state all_down\n", "pools 2: 1 all down, 2 short of min_up\n"}},
		{"status", func(f *fake) { f.status.Short = 1 }, []string{"state short\n"}},
		{"status", func(f *fake) { f.status.Backends.Down = 0 }, []string{"state ok\n"}},
		{"status", func(f *fake) { f.status.StateDir = "" }, []string{"kept in no state directory"}},
		{"status", func(f *fake) { f.status.Problems = []string{"disk full"} }, []string{"problem disk full\n"}},
		{"status", func(f *fake) {
			f.status.Backends = api.Counts{All: 6, Up: 1, Down: 1, Unknown: 1, HeldDown: 1, Drained: 2}
		},
			[]string{"backends 6: 1 up, 1 down, 1 unknown, 1 held down, 2 drained\n"}},
		{"status", func(f *fake) { f.status.Started, f.status.StateSaved = api.Time{}, api.Time{} }, []string{"started - (- ago)\n", "not saved yet\n"}},
		{"pools", func(f *fake) { f.pools[1].DryRun, f.pools[1].View = true, "eu" }, []string{"weighted, dry_run dns://:53 view eu\n"}},
		{"pools", func(f *fake) { f.pools[0].More = 98 }, []string{"www.example.org. +99 degraded"}},
		{"show www.example.org", func(f *fake) { f.pools[0].More = 98 }, []string{"pool www.example.org. shop.example.org. and 98 more\n"}},
		{"show www.example.org", func(f *fake) { f.pools[0].Server = "dns://:54" }, []string{"www.example.org. in dns://:53\n"}},
		{"show www.example.org", func(f *fake) { f.overrides = []api.Override{drain, heavy} }, []string{
			"192.0.2.1 weight 1 drain, weight 5 up",
			"drain 192.0.2.1 all 2026-11-24T13:00:00Z bob disk\nweight 5 192.0.2.1 www.example.org. (orphaned) forever eve -\n",
		}},
		{"show 192.0.2.1", func(f *fake) { f.overrides = []api.Override{drain} }, []string{"drain 192.0.2.1 all 2026-11-24T13:00:00Z bob disk\n\nPOOL CHECK"}},
		{"show 192.0.2.2", func(f *fake) {
			b := &f.backends[0]
			b.Effective, b.Why, b.Answered, b.Configured = "drained", "drain", false, api.Configured{Drain: true, Weight: 3, Tier: 2, Location: "EU/DE"}
			b.Checks[0].Next, b.Checks[0].Streak = api.Time{}, 4
		}, []string{"weight 3, tier 2, EU/DE, drain auto down 4m drained no (drain)", "down 4 2s now 54000 48 0\n"}},
		{"show 192.0.2.2", func(f *fake) { f.backends[0].Answered, f.backends[0].Why = true, "min_up" }, []string{"yes (min_up)"}},
		{"history 192.0.2.1", func(f *fake) { f.histories[1].Day = api.Shares{} }, []string{"www.example.org. 192.0.2.1 - - - 0s\n"}},
		{"history 192.0.2.1", func(f *fake) {
			f.histories[1].Events[0] = api.Event{At: before(time.Hour), Kind: "held_down", State: "up", Reason: "hold_down 1m"}
		},
			[]string{"192.0.2.1 held_down hold_down 1m\n"}},
		{"explain www.example.org", func(f *fake) { f.explain.Order, f.explain.Notes = false, []string{"dry_run"} },
			[]string{"answer 192.0.2.1 (in an order that is not known)\n", "note dry_run\n"}},
		{"explain www.example.org --type aaaa", func(f *fake) { f.explain.Answer, f.explain.Filter = []string{}, "example.org." },
			[]string{"www.example.org. AAAA, from any client", "decided by pool www.example.org., filter example.org. in dns://:53\n", "answer none\n"}},
		{"explain mail.example.org", func(f *fake) { f.explain.Pool, f.explain.Members = "", []api.Reason{} },
			[]string{"decided by neither pool nor filter: rrhealth leaves the query to other plugins\n"}},
	} {
		synctest.Test(t, func(t *testing.T) {
			untilNoon()
			f := site()
			tc.is(f)
			r := against(t, f.start(t), words(tc.line)...)
			lines := strings.Split(r.out, "\n")
			for i := range lines {
				lines[i] = strings.Join(strings.Fields(lines[i]), " ")
			}
			for _, want := range tc.wants {
				if r.code != ExitDone || !strings.Contains(strings.Join(lines, "\n"), want) {
					t.Errorf("%s: code %d, no %q in\n%s%s", tc.line, r.code, want, r.out, r.err)
				}
			}
		})
	}
}

// Without rows there is a note on stderr, and nothing on stdout.
func TestEmptyTables(t *testing.T) {
	for line, want := range map[string]string{
		"pools nothing":                "no pool\n",
		"history 203.0.113.1":          "no backend\n",
		"whatif --down 203.0.113.1":    "no backend is selected\n",
		"whatif --down 192.0.2.2":      "no answer would change\n", // it is down
		"whatif 192.0.2.2 --pool none": "no backend is selected\n",
	} {
		synctest.Test(t, func(t *testing.T) {
			untilNoon()
			if r := against(t, site().start(t), words(line)...); r.code != ExitDone || r.out != "" || r.err != want {
				t.Errorf("%s: %+v, want %q", line, r, want)
			}
		})
	}
}

// Times are in the operator's zone, in a form that --until takes.
func TestTimesAreInTheZoneOfTheOperator(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		untilNoon()
		r := newRunner(site().start(t))
		r.Zone = time.FixedZone("CET", 3600)
		if got := r.run(t.Context(), "history", "192.0.2.1"); !strings.Contains(got.out, "\n2026-11-21T10:00:00+01:00  www") {
			t.Error(got.out)
		}
	})
}
