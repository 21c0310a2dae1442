package ctl

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rrhealth/rrhealth/plugin/api"
)

// What is typed wrongly has exit code 2 and asks the server for nothing.
func TestWrongCommandLines(t *testing.T) {
	for _, tc := range []struct{ line, want string }{
		{"", "Usage:\n  rrhealthctl [flags]\n  rrhealthctl [command]\n"},
		{"pool", "rrhealthctl: unknown command \"pool\" for \"rrhealthctl\"\n\nDid you mean this?\n  pools\n"},
		{"pools a b", "rrhealthctl pools: accepts at most 1 arg(s)"},
		{"pools --sort", "rrhealthctl pools: unknown flag: --sort\nSee rrhealthctl pools --help.\n"},
		{"pools -o xml", `-o: no such format (got "xml"); write table or json`},
		{"show", "accepts 1 arg(s)"},
		{"history a b", "b: beside a, want one NAME and one ADDRESS at most"},
		{"history 192.0.2.1 192.0.2.2", "192.0.2.2: beside 192.0.2.1"},
		{"drain", "selector: nothing given; write ADDRESS"},
		{"drain www.example.org --for 1h", `not an address, a pattern or a network (got "www.example.org")`},
		{"drain 192.0.2.1", "\n  --for DURATION   such as --for 2h\n  --until TIME     such as --until 18:00\n  --forever        until auto"},
		{"down 192.0.2.1", "--forever"},
		{"up 192.0.2.1", "--forever"},
		{"weight 2 192.0.2.1", "--forever"},
		{"drain 192.0.2.1 --for 1h --forever", "several times given; write one of"},
		{"drain 192.0.2.1 --for 0s", `not a duration (got "0s"); write 30s`},
		{"drain 192.0.2.1 --until tomorrow", `--until: not a time (got "tomorrow"); write 18:00`},
		{"drain 192.0.2.1 --until 2026-11-24T11:59:59Z", "--until: 2026-11-24T11:59:59Z has passed"},
		{"drain 192.0.2.1 --for 1h --timeout 1m", "--timeout: without --wait"},
		{"down 192.0.2.1 --for 1h --wait", "unknown flag: --wait"},
		{"auto 192.0.2.1 --for 1h", "unknown flag: --for"},
		{"weight", "no weight given; write weight N SELECTOR..."},
		{"weight 0 192.0.2.1 --for 1h", `not a weight (got "0")`},
		{"weight 192.0.2.1 --for 1h", `not a weight (got "192.0.2.1")`},
		{"explain www.example.org --client me", `--client: not an address (got "me")`},
		{"explain www.example.org --at noon", `--at: not a time (got "noon")`},
		{"whatif", "--down: selector: nothing given"},
		{"completion tcsh", `invalid argument "tcsh"`},
	} {
		synctest.Test(t, func(t *testing.T) {
			untilNoon()
			f := site().start(t)
			r := against(t, f, words(tc.line)...)
			if r.code != ExitUsage || r.out != "" || !strings.Contains(r.err, tc.want) {
				t.Errorf("%s: code %d, stdout %q, stderr\n%s\nwant code 2 and\n%s", tc.line, r.code, r.out, r.err, tc.want)
			}
			if len(f.queries)+len(f.changes) > 0 {
				t.Errorf("%s: asked the server", tc.line)
			}
		})
	}
}

// What a command asks the server for.
func TestChangesThatAreSent(t *testing.T) {
	for _, tc := range []struct {
		line string
		want api.Change
	}{
		{"drain 192.0.2.1 192.0.2.2 --for 2h30m --reason 'a b' --author cron", api.Change{
			Set: "drain", Selectors: []string{"192.0.2.1", "192.0.2.2"}, For: 9000, Reason: "a b", Author: "cron",
		}},
		{"drain '192.0.2.*' tier=1 --for 1w2d --force", api.Change{Set: "drain", Selectors: []string{"192.0.2.*", "tier=1"}, For: 9 * 86400, Force: true}},
		{"down 192.0.2.0/24 --until 18:00 --pool www.example.org --dry-run", api.Change{
			Set: "down", Selectors: []string{"192.0.2.0/24"}, Until: api.Time{Time: noon.Add(6 * time.Hour)}, Pool: "www.example.org", DryRun: true,
		}},
		{"up 192.0.2.2 --until 08:00", api.Change{Set: "up", Selectors: []string{"192.0.2.2"}, Until: api.Time{Time: noon.Add(20 * time.Hour)}}},
		{"up 192.0.2.2 --until 2026-11-24T20:00:00+02:00", api.Change{Set: "up", Selectors: []string{"192.0.2.2"}, Until: api.Time{Time: noon.Add(6 * time.Hour)}}},
		{"weight 9 location=EU --forever", api.Change{Set: "weight", Weight: 9, Selectors: []string{"location=EU"}, Forever: true}},
		{"auto 192.0.2.1", api.Change{Set: "auto", Selectors: []string{"192.0.2.1"}}},
	} {
		synctest.Test(t, func(t *testing.T) {
			untilNoon()
			f := site().start(t)
			r := against(t, f, words(tc.line)...)
			if len(f.changes) != 1 {
				t.Fatalf("%s: %d changes, stderr %s", tc.line, len(f.changes), r.err)
			}
			got := f.changes[0]
			if !got.Until.Equal(tc.want.Until.Time) {
				t.Errorf("%s: until %v, want %v", tc.line, got.Until, tc.want.Until)
			}
			got.Until, tc.want.Until = api.Time{}, api.Time{}
			if text, want := asJSON(t, got), asJSON(t, tc.want); text != want {
				t.Errorf("%s: sent\n%s\nwant\n%s", tc.line, text, want)
			}
		})
	}
}

// A change that is refused has exit code 1, what would follow on stderr, and
// nothing on stdout; --force does it all the same.
func TestARefusedChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		untilNoon()
		f := site().start(t)
		r := against(t, f, "drain", "192.0.2.1", "--for", "1h")
		if r.code != ExitFailed || r.out != "" || len(f.overrides) > 0 {
			t.Errorf("code %d, stdout %q, %d overrides, want 1 and none", r.code, r.out, len(f.overrides))
		}
		for _, want := range []string{"www.example.org.  A     served    all_down (unsafe)  0        1\n", "; --force overrides it\n"} {
			if !strings.Contains(r.err, want) {
				t.Errorf("stderr has no %q:\n%s", want, r.err)
			}
		}
		if r := against(t, f, "drain", "192.0.2.1", "--for", "1h", "--force"); r.code != ExitDone || len(f.overrides) != 1 {
			t.Errorf("--force: code %d, %d overrides, stderr %s", r.code, len(f.overrides), r.err)
		}
	})
}

func TestADryRunIsCalledOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		untilNoon()
		f := site().start(t)
		r := against(t, f, "drain", "192.0.2.1", "--for", "1h", "--dry-run", "--wait", "--force")
		if r.code != ExitDone || r.err != "nothing has changed: --dry-run\n" || len(f.overrides) > 0 || time.Since(noon) > time.Second {
			t.Errorf("code %d, %d overrides, after %v, stderr %s", r.code, len(f.overrides), time.Since(noon), r.err)
		}
		if !strings.Contains(r.out, "all_down (unsafe)") {
			t.Errorf("stdout does not show what would follow:\n%s", r.out)
		}
		// What would be refused is refused, so that a script may ask beforehand.
		if r := against(t, f, "drain", "192.0.2.1", "--for", "1h", "--dry-run"); r.code != ExitFailed || !strings.Contains(r.err, "; --force overrides it") {
			t.Errorf("without --force: %+v", r)
		}
	})
}

func TestNothingToRemove(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		untilNoon()
		r := against(t, site().start(t), "auto", "192.0.2.1")
		if r.code != ExitDone || r.out != "" || r.err != "no override of 192.0.2.1 to remove\n" {
			t.Errorf("%+v", r)
		}
	})
}

func TestWhatIsNotThere(t *testing.T) {
	for line, want := range map[string]string{
		"show nowhere.example.org": "nowhere.example.org: no pool or filter of this name has backends",
		"show 203.0.113.1":         "203.0.113.1: not a backend of any pool",
	} {
		synctest.Test(t, func(t *testing.T) {
			untilNoon()
			if r := against(t, site().start(t), words(line)...); r.code != ExitFailed || r.out != "" || !strings.Contains(r.err, want) {
				t.Errorf("%s: %+v", line, r)
			}
		})
	}
}

// Whether a change was made that is interrupted, only the server knows.
func TestAnInterruptedChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		untilNoon()
		f := site()
		f.slow = 5 * time.Second
		f.start(t)
		ctx, interrupt := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, interrupt)
		r := newRunner(f).run(ctx, "drain", "198.51.100.1", "--for", "1h", "--wait")
		if r.code != ExitFailed || r.out != "" || !strings.Contains(r.err, "interrupted: the server may have done it") {
			t.Errorf("%+v", r)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
	})
}
