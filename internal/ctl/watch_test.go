package ctl

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rrhealth/rrhealth/plugin/api"
)

// awayFrom returns a dial to f that finds no socket from one time to another.
func (f *fake) awayFrom(from, to time.Time) func(context.Context, string) (net.Conn, error) {
	return func(ctx context.Context, path string) (net.Conn, error) {
		if now := time.Now(); now.Before(from) || !now.Before(to) {
			return f.dial(ctx, path)
		}
		return nil, &net.OpError{Op: "dial", Net: "unix", Err: syscall.ENOENT}
	}
}

// watchFor runs watch for d, with more words.
func watchFor(t *testing.T, r *runner, d time.Duration, more ...string) result {
	t.Helper()
	ctx, interrupt := context.WithCancel(t.Context())
	time.AfterFunc(d, interrupt)
	return r.run(ctx, append([]string{"watch"}, more...)...)
}

// events makes f have an event of each state of 192.0.2.2 at these times after
// noon.
func (f *fake) events(state string, after ...time.Duration) {
	for _, d := range after {
		time.AfterFunc(d, func() { f.happens("www.example.org.", "192.0.2.2", api.Event{Kind: "state", State: state}) })
	}
}

func TestAWatchPrintsEachEventOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		untilNoon()
		f := site().start(t)
		f.events("up", 500*time.Millisecond, 2500*time.Millisecond)
		f.events("down", 2*time.Second-1, 2600*time.Millisecond)
		r := watchFor(t, newRunner(f), 10*time.Second)
		want := "2026-11-24T12:00:00Z  www.example.org.  192.0.2.2  up  -\n" +
			"2026-11-24T12:00:01Z  www.example.org.  192.0.2.2  down  -\n" +
			"2026-11-24T12:00:02Z  www.example.org.  192.0.2.2  up  -\n" +
			"2026-11-24T12:00:02Z  www.example.org.  192.0.2.2  down  -\n"
		if r.out != want || r.code != ExitDone || r.err != "watching ns1 from 2026-11-24T12:00:00Z on\n" {
			t.Errorf("%d: %s%s\nwant\n%s", r.code, r.err, r.out, want)
		}
		if n := len(f.queries); n < 10 || n > 11 {
			t.Errorf("asked %d times in 10 s, want once a second", n)
		}
	})
}

// Two backends may change at the same time, also between two polls.
func TestAWatchOfEventsAtTheSameTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		untilNoon()
		f := site().start(t)
		at := api.Time{Time: noon.Add(1500 * time.Millisecond)}
		add := func(h int) {
			f.with(func() {
				f.histories[h].Events = append([]api.Event{{At: at, Kind: "state", State: "up"}}, f.histories[h].Events...)
			})
		}
		time.AfterFunc(1600*time.Millisecond, func() { add(0) })
		time.AfterFunc(2600*time.Millisecond, func() { add(1) })
		r := watchFor(t, newRunner(f), 10*time.Second, "-q")
		if r.out != "192.0.2.2\n192.0.2.1\n" {
			t.Errorf("got %q", r.out)
		}
	})
}

func TestAWatchOfOnePool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		untilNoon()
		f := site().start(t)
		f.events("up", 500*time.Millisecond)
		if r := watchFor(t, newRunner(f), 3*time.Second, "192.0.2.1", "www.example.org"); r.out != "" {
			t.Errorf("an event of another address: %s", r.out)
		}
		f.events("up", 500*time.Millisecond)
		if r := watchFor(t, newRunner(f), 3*time.Second, "192.0.2.2", "shop.example.org"); !strings.Contains(r.out, "192.0.2.2") {
			t.Errorf("no event: %+v", r)
		}
	})
}

// With -o json each line is an object.
func TestAWatchInJSON(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		untilNoon()
		f := site().start(t)
		f.events("up", 500*time.Millisecond, 2500*time.Millisecond)
		r := watchFor(t, newRunner(f), 4*time.Second, "-o", "json")
		lines := strings.Split(strings.TrimSpace(r.out), "\n")
		if len(lines) != 2 {
			t.Fatalf("got %d lines, want 2:\n%s", len(lines), r.out)
		}
		var first change
		if err := json.Unmarshal([]byte(lines[0]), &first); err != nil || first.Address != "192.0.2.2" || first.State != "up" || first.At.Time != noon.Add(500*time.Millisecond) {
			t.Errorf("%v: %+v of %s", err, first, lines[0])
		}
		if !strings.HasPrefix(lines[0], `{"pool":"www.example.org.","server":"dns://:53","view":"","address":"192.0.2.2","at":"2026-11-24T12:00:00.500Z"`) {
			t.Error(lines[0])
		}
	})
}

// A watch goes on when CoreDNS has restarted, and prints what it has missed.
func TestAWatchThroughARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		untilNoon()
		f := site().start(t)
		f.events("up", 4500*time.Millisecond)
		r := newRunner(f)
		r.Dial = f.awayFrom(noon.Add(3*time.Second), noon.Add(6*time.Second))
		got := watchFor(t, r, 10*time.Second)
		if got.code != ExitDone || strings.Count(got.err, "waiting for it\n") != 1 || strings.Count(got.err, "the server answers again\n") != 1 {
			t.Errorf("%+v", got)
		}
		if want := "2026-11-24T12:00:04Z  www.example.org.  192.0.2.2  up  -\n"; got.out != want {
			t.Errorf("got %q, want %q", got.out, want)
		}
	})
}

// Without a server there is nothing to watch.
func TestAWatchOfNoServer(t *testing.T) {
	r := newRunner(nil)
	r.Dial = func(context.Context, string) (net.Conn, error) { return nil, errors.New("no server") }
	if got := r.run(t.Context(), "watch"); got.code != ExitFailed || got.out != "" {
		t.Errorf("%+v", got)
	}
}
