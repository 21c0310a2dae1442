package ctl

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rrhealth/rrhealth/plugin/api"
)

// drainAndWait runs drain --wait on f, with more words.
func drainAndWait(ctx context.Context, f *fake, more ...string) result {
	return newRunner(f).run(ctx, append([]string{"drain", "198.51.100.1", "--for", "1h", "--wait"}, more...)...)
}

func TestAWaitEndsWhenTheCachesAreQuiet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		untilNoon()
		f := site().start(t)
		r := drainAndWait(t.Context(), f)
		if took := time.Since(noon); r.code != ExitDone || took != 17*time.Second {
			t.Errorf("code %d after %v, want 0 after 17s", r.code, took)
		}
		want := "waiting until 2026-11-24T12:00:17Z (17s) for the last cache that obeys TTLs\nno cache that obeys TTLs has them now\n"
		if r.err != want {
			t.Errorf("stderr\n%s\nwant\n%s", r.err, want)
		}
		// Once at the end, and every 5 s before.
		if n := len(f.queries); n != 4 {
			t.Errorf("asked %d times, want 4", n)
		}
	})
}

func TestAWaitForNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		untilNoon()
		r := newRunner(site().start(t)).run(t.Context(), "drain", "203.0.113.0/24", "--for", "1h", "--wait")
		if r.code != ExitDone || !strings.Contains(r.err, "nothing to wait for") || time.Since(noon) > 0 {
			t.Errorf("%+v after %v", r, time.Since(noon))
		}
	})
}

// The exit code of a wait that was too long is its own, and the drain stays.
func TestAWaitThatIsTooLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		untilNoon()
		f := site().start(t)
		r := drainAndWait(t.Context(), f, "--timeout", "10s")
		if took := time.Since(noon); r.code != ExitTimeout || took != 10*time.Second || len(f.overrides) != 1 || !strings.Contains(r.err, "the drain stays") {
			t.Errorf("code %d after %v, %d overrides, stderr %s", r.code, took, len(f.overrides), r.err)
		}
	})
}

func TestATimeoutThatIsLongEnough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		untilNoon()
		if r := drainAndWait(t.Context(), site().start(t), "--timeout", "18s"); r.code != ExitDone {
			t.Errorf("%+v", r)
		}
	})
}

func TestAnInterruptedWaitLeavesTheDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		untilNoon()
		f := site().start(t)
		ctx, interrupt := context.WithCancel(t.Context())
		time.AfterFunc(3500*time.Millisecond, interrupt)
		r := drainAndWait(ctx, f)
		if took := time.Since(noon); r.code != ExitFailed || took != 3500*time.Millisecond || len(f.overrides) != 1 {
			t.Errorf("code %d after %v, %d overrides", r.code, took, len(f.overrides))
		}
		if want := "interrupted: caches may have the addresses until 2026-11-24T12:00:17Z; the drain stays, and rrhealthctl auto 198.51.100.1 removes it\n"; !strings.HasSuffix(r.err, want) {
			t.Errorf("stderr %s\nwant %s", r.err, want)
		}
	})
}

// A drain that is gone by the end was for nothing: the caches have the address
// again.
func TestAWaitForADrainThatIsRemoved(t *testing.T) {
	for _, tc := range []struct {
		after, want time.Duration
	}{
		{6 * time.Second, 10 * time.Second},
		{16 * time.Second, 17 * time.Second},
	} {
		t.Run(fmt.Sprint(tc.after), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				untilNoon()
				f := site().start(t)
				time.AfterFunc(tc.after, func() { f.with(func() { f.overrides = []api.Override{} }) })
				r := drainAndWait(t.Context(), f)
				if took := time.Since(noon); r.code != ExitFailed || took != tc.want || !strings.Contains(r.err, "198.51.100.1 is not drained any more") {
					t.Errorf("code %d after %v, want 1 after %v, stderr %s", r.code, took, tc.want, r.err)
				}
			})
		})
	}
}

// Another operator's drain of the same address is a drain, and a down is none.
func TestAWaitForADrainThatIsReplaced(t *testing.T) {
	for set, want := range map[string]int{"drain": ExitDone, "down": ExitFailed} {
		synctest.Test(t, func(t *testing.T) {
			untilNoon()
			f := site().start(t)
			time.AfterFunc(time.Second, func() { f.with(func() { f.overrides[0].ID, f.overrides[0].Set = 99, set }) })
			if r := drainAndWait(t.Context(), f); r.code != want {
				t.Errorf("%s: code %d, want %d, stderr %s", set, r.code, want, r.err)
			}
		})
	}
}

// A server that restarts meanwhile is waited for, up to half a minute.
func TestAWaitThroughARestart(t *testing.T) {
	for _, tc := range []struct {
		from, to, want time.Duration
		code           int
	}{
		{4 * time.Second, 12 * time.Second, 17 * time.Second, ExitDone},
		{16 * time.Second, 30 * time.Second, 30 * time.Second, ExitDone},
		{16 * time.Second, time.Hour, 47 * time.Second, ExitFailed},
	} {
		synctest.Test(t, func(t *testing.T) {
			untilNoon()
			f := site().start(t)
			r := newRunner(f)
			r.Dial = f.awayFrom(noon.Add(tc.from), noon.Add(tc.to))
			got := r.run(t.Context(), "drain", "198.51.100.1", "--for", "2h", "--wait")
			if took := time.Since(noon); got.code != tc.code || took != tc.want {
				t.Errorf("away from %v to %v: code %d after %v, want %d after %v: %s", tc.from, tc.to, got.code, took, tc.code, tc.want, got.err)
			}
		})
	}
}

// On a terminal the seconds are counted down, and the line is erased at the end.
func TestAWaitCountsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		untilNoon()
		r := newRunner(site().start(t))
		r.ErrTerminal = true
		got := r.run(t.Context(), "drain", "198.51.100.1", "--for", "1h", "--wait")
		var shown []string
		for _, m := range regexp.MustCompile(`\r\x1b\[K(\d+)s until`).FindAllStringSubmatch(got.err, -1) {
			shown = append(shown, m[1])
		}
		if want := "17 16 15 14 13 12 11 10 9 8 7 6 5 4 3 2 1"; strings.Join(shown, " ") != want {
			t.Errorf("counted %v, want %s", shown, want)
		}
		if !strings.HasSuffix(got.err, "\r\x1b[Kno cache that obeys TTLs has them now\n") || strings.Contains(got.err, "waiting until") {
			t.Errorf("stderr %q", got.err)
		}
	})
}

// Progress is shown on a terminal after a second, and nowhere else.
func TestProgressAfterASecond(t *testing.T) {
	for _, tc := range []struct {
		slow               time.Duration
		terminal, progress bool
	}{
		{900 * time.Millisecond, true, false},
		{1100 * time.Millisecond, true, true},
		{1100 * time.Millisecond, false, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			untilNoon()
			f := site()
			f.slow = tc.slow
			r := newRunner(f.start(t))
			r.ErrTerminal = tc.terminal
			got := r.run(t.Context(), "status")
			want := ""
			if tc.progress {
				want = "\r\x1b[Kwaiting for the server\r\x1b[K"
			}
			if got.code != ExitDone || got.err != want {
				t.Errorf("%v, terminal %t: stderr %q, want %q", tc.slow, tc.terminal, got.err, want)
			}
		})
	}
}

// A list of many pages is read to its end.
func TestLongListsArePaged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		untilNoon()
		f := site()
		for i := range 2500 {
			p := f.pools[1]
			p.Name = fmt.Sprintf("pool%d.example.org.", i)
			p.Names = []string{p.Name}
			f.pools = append(f.pools, p)
		}
		f.start(t)
		r := against(t, f, "pools", "-q")
		if lines := strings.Count(r.out, "\n"); lines != 2503 || len(f.queries) != 3 {
			t.Errorf("%d pools by %d requests, want 2503 by 3", lines, len(f.queries))
		}
	})
}

// A server that does not answer at all ends a command.
func TestAServerThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		untilNoon()
		f := site()
		f.slow = time.Minute
		r := against(t, f.start(t), "status")
		if r.code != ExitFailed || time.Since(noon) != answerTimeout || !strings.Contains(r.err, "no answer within 20s") {
			t.Errorf("%+v after %v", r, time.Since(noon))
		}
		time.Sleep(time.Minute)
		synctest.Wait()
	})
}
