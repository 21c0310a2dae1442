package live

import (
	"slices"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rrhealth/rrhealth/plugin/verdict"
)

// Verdicts, counters and rotations survive a reload, in any number of them.
func TestAReloadContinues(t *testing.T) {
	const text = "rrhealth www.example.org {\nbackend 192.0.2.1 192.0.2.2\n" + shortPace + "}"
	inBubble(t, text, func(b *bubble) {
		b.until("first results", func() bool { return b.state(1) == verdict.Up && b.state(2) == verdict.Up })
		b.fails(1, syscall.ECONNREFUSED)
		b.untilAnswered("2")
		answer(b.pool, 5)
		for range 3 {
			b.load(text)
			if got := b.answered(); got != "2" {
				t.Errorf("answered %s after a reload, want 2", got)
			}
		}
		if n := b.pool.totals()[0]; n != 5 {
			t.Errorf("%d answers are counted, want 5", n)
		}
		if n := b.registry.Targets(); n != 2 || b.registry.Awaited() != 0 {
			t.Errorf("%d targets, %d of them awaited; want 2 and 0", n, b.registry.Awaited())
		}
	})
}

// A failed reload starts a block and stops it again: the old one goes on, and
// metrics show it.
func TestAfterAFailedReloadTheOldBlockGoesOn(t *testing.T) {
	const text = "rrhealth www.example.org {\nbackend 192.0.2.1 192.0.2.2\n" + shortPace + "}"
	inBubble(t, text, func(b *bubble) {
		b.untilAnswered("1 2")
		before := b.registry.Status(1000).Series
		failed := newBlock(t, "rrhealth www.example.org {\nbackend 192.0.2.2 192.0.2.9\n"+shortPace+"}", b.probe)
		b.registry.Start(failed)
		b.registry.Stop(failed)
		b.registry.Stop(failed) // once more changes nothing
		after := b.registry.Status(1000).Series
		if len(before) == 0 || len(before) != len(after) {
			t.Errorf("%d series before, %d after", len(before), len(after))
		}
		b.fails(1, syscall.ECONNREFUSED)
		b.untilAnswered("2")
	})
}

// After Stop the snapshots stay, nothing is probed, and nothing is left.
func TestAfterStopTheLastAnswersStand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := New(new(recorder))
		b := newBlock(t, "rrhealth www.example.org {\nbackend 192.0.2.1\n"+shortPace+"hold_down 20s\n}\n"+watching, passes)
		r.Start(b)
		r.Watch(b.Watchlists[0], addrs("192.0.2.7"))
		time.Sleep(time.Second)
		r.Stop(b)
		time.Sleep(time.Minute)
		if got := b.Pools[0].Snapshot().Health[0].State; got != verdict.Up {
			t.Errorf("the backend is %v after Stop, want up", got)
		}
		if states := b.Watchlists[0].States(); states[addrs("192.0.2.7")[0]] != verdict.Up {
			t.Errorf("watched %v, want 192.0.2.7 up", states)
		}
		if r.Targets() != 0 || len(r.uses)+len(r.watched)+len(r.ledger.counters)+len(r.ledger.watchCounts) != 0 || len(r.Status(100).Series) != 0 {
			t.Errorf("left after Stop: %d targets, %v", len(r.uses), r.Status(100))
		}
		if !r.Watch(b.Watchlists[0], addrs("192.0.2.8")) {
			t.Error("without a monitor nothing is rejected")
		}
	})
}

// One transition is reported for a backend in several pools, with its reason.
func TestTransitionsAreReportedOnce(t *testing.T) {
	inBubble(t, "rrhealth www.example.org other.example.org {\nbackend 192.0.2.1 192.0.2.2\n"+shortPace+"dry_run\n}\nrrhealth third.example.org {\nbackend 192.0.2.1\n"+shortPace+"}", func(b *bubble) {
		b.until("first results", func() bool { synctest.Wait(); return b.registry.Awaited() == 0 })
		time.Sleep(time.Minute)
		if moved := b.observer.transitions(); len(moved) != 0 {
			t.Errorf("first results that are passes are reported: %+v", moved)
		}
		b.fails(1, syscall.ECONNREFUSED)
		b.until("down", func() bool { return len(b.observer.transitions()) > 0 })
		moved := b.observer.transitions()
		want := Transition{Name: "www.example.org.", Addr: addrs("192.0.2.1")[0], More: 2, To: verdict.Down, Err: syscall.ECONNREFUSED, Streak: 3, DryRun: true}
		if !slices.Equal(moved, []Transition{want}) {
			t.Errorf("got %+v, want %+v", moved, want)
		}
	})
}
