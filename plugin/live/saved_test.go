package live

import (
	"encoding/json"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rrhealth/rrhealth/plugin/pool"
)

// restart ends b's block and registry, and starts a new one that takes over what was
// saved, as a restart of the process does.
func (b *bubble) restart(text string, verdicts bool) {
	b.t.Helper()
	file, err := json.Marshal(b.registry.Save())
	if err != nil {
		b.t.Fatal(err)
	}
	b.registry.Stop(b.block)
	synctest.Wait()
	var s Saved
	if err := json.Unmarshal(file, &s); err != nil {
		b.t.Fatal(err)
	}
	b.registry = New(b.observer)
	b.registry.Restore(s, time.Now(), verdicts)
	b.block = nil
	b.load(text)
	b.registry.ForgetSaved()
}

// A rotation goes on, in a server block with another address, too.
func TestRotationsSurviveARestart(t *testing.T) {
	const text = "rrhealth www.example.org {\nbackend 192.0.2.1 192.0.2.2 192.0.2.3\ncheck tcp://:80\n}"
	inBubble(t, text, func(b *bubble) {
		for range 5 {
			first := func() int { return b.pool.Peek(nil, b.pool.Snapshot(), pool.V4, pool.Client{})[0] }
			b.pool.Order(nil, b.pool.Snapshot(), pool.V4, pool.Client{})
			want := first()
			b.restart(text, true)
			if got := first(); got != want {
				t.Errorf("the first backend is %d after a restart, want %d", got, want)
			}
		}
	})
}

// Blocks that have been probing know better than a file that a reload brings.
func TestRestoreDoesNotTouchStartedBlocks(t *testing.T) {
	const text = "rrhealth www.example.org {\nbackend 192.0.2.1 192.0.2.2\ncheck tcp://:80\n}"
	inBubble(t, text, func(b *bubble) {
		time.Sleep(time.Minute)
		synctest.Wait()
		old := b.registry.Save()
		for i := range old.Backends {
			old.Backends[i].Down, old.Backends[i].History = true, nil
		}
		old.Pools[0].Turns[0] += 1000
		b.registry.Restore(old, time.Now(), true)
		b.load(text)
		if got := b.registry.Save(); got.Pools[0].Turns[0] >= old.Pools[0].Turns[0] || len(got.Backends) != len(old.Backends) || got.Backends[0].Down || got.Backends[0].History == nil {
			t.Errorf("%+v after a file that is older", got)
		}
	})
}

// With failback manual an earlier tier takes over again after a restart, as after a
// reload.
func TestARestartEndsAManualFailover(t *testing.T) {
	const text = "rrhealth www.example.org {\nbackend 192.0.2.1\nbackend 192.0.2.2 tier 2\ncheck tcp://:80\nfailback manual\n}"
	inBubble(t, text, func(b *bubble) {
		answered := func() string { return b.pool.Snapshot().Choices[pool.V4].Members[0].Addr.String() }
		time.Sleep(time.Minute)
		b.fails(1, errors.New("refused"))
		time.Sleep(time.Minute)
		b.fails(1, nil)
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := answered(); got != "192.0.2.2" {
			t.Fatalf("%s is answered after a failover", got)
		}
		b.restart(text, true)
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := answered(); got != "192.0.2.1" {
			t.Errorf("%s is answered after a restart", got)
		}
	})
}
