package pool

import (
	"encoding/json"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/rrhealth/rrhealth/plugin/verdict"
)

// savedConfig is a pool of two tiers that has all of Recovery.
func savedConfig(failback time.Duration) *Config {
	c := &Config{Settings: Settings{Policy: Weighted}, Recovery: Recovery{SlowStart: time.Minute, HoldDown: 10 * time.Second, Failback: failback}}
	for i := range 4 {
		addr := netip.AddrFrom4([4]byte{192, 0, 2, byte(i + 1)})
		c.Backends = append(c.Backends, Backend{Addr: addr, CheckAddr: addr, Weight: 1, Tier: 1 + i/2})
	}
	return c
}

// A history that was saved and read goes on like the one that was not.
func TestAHistoryGoesOnAfterARestart(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2)) // #nosec G404 -- the same in each run
	for n := range 2000 {
		c := savedConfig([]time.Duration{0, 30 * time.Second, FailbackNever}[n%3])
		h := NewHistory()
		now := time.Now().Add(-time.Hour)
		settle := func(h *History, states []verdict.State, now time.Time) ([]Health, time.Time) {
			health := make([]Health, len(states))
			for i, s := range states {
				health[i].State = s
			}
			next := h.Settle(c, health, now)
			return health, next
		}
		states := func() []verdict.State {
			all := make([]verdict.State, len(c.Backends))
			for i := range all {
				all[i] = verdict.States[r.IntN(len(verdict.States))]
			}
			return all
		}
		for range r.IntN(40) {
			now = now.Add(time.Duration(r.IntN(60)) * time.Second)
			settle(h, states(), now)
		}
		text, err := json.Marshal(h)
		if err != nil {
			t.Fatal(err)
		}
		read := new(History)
		if err := json.Unmarshal(text, read); err != nil {
			t.Fatal(err)
		}
		restored := NewHistory()
		restored.Restore(read)
		for range 20 {
			now = now.Add(time.Duration(r.IntN(60)) * time.Second)
			all := states()
			want, wantNext := settle(h, all, now)
			got, next := settle(restored, all, now)
			if !slices.Equal(got, want) || !next.Equal(wantNext) {
				t.Fatalf("history %d: %+v until %v, want %+v until %v\n%s", n, got, next, want, wantNext, text)
			}
		}
	}
}

// Times that the clock of another machine has written hold no backend down for longer
// than a hold_down may.
func TestAHistoryFromAClockThatWasAheadIsCut(t *testing.T) {
	ahead, err := json.Marshal(time.Now().Add(24 * time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"hold_down": `{"backends":{"192.0.2.1":{"state":"up","hold_down":20,"until":` + string(ahead) + `}}}`,
		"long":      `{"backends":{"192.0.2.1":{"state":"up","hold_down":1e300,"until":` + string(ahead) + `}}}`,
		"negative":  `{"backends":{"192.0.2.1":{"state":"up","hold_down":-1e300,"until":` + string(ahead) + `}}}`,
		"falls":     `{"backends":{"192.0.2.1":{"state":"down","falls":[` + string(ahead) + `,` + string(ahead) + `]}}}`,
		"grows":     `{"backends":{"192.0.2.1":{"state":"up","ready":true,"grows":` + string(ahead) + `}}}`,
		"standby":   `{"standby":[{"tier":2,"to":1,"since":` + string(ahead) + `},{}]}`,
	} {
		h := new(History)
		if err := json.Unmarshal([]byte(text), h); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		c := savedConfig(30 * time.Second)
		health := []Health{{State: verdict.Up}, {State: verdict.Up}, {State: verdict.Up}, {State: verdict.Up}}
		late := time.Now().Add(FlapWindow + time.Minute)
		h.Settle(c, health, time.Now())
		health = []Health{{State: verdict.Up}, {State: verdict.Up}, {State: verdict.Up}, {State: verdict.Up}}
		if h.Settle(c, health, late); slices.ContainsFunc(health, func(h Health) bool { return h.HeldDown }) {
			t.Errorf("%s: %+v", name, health)
		}
		if d, _ := h.HeldDown(c.Backends[0].Addr, time.Now()); d < 0 || d > FlapWindow {
			t.Errorf("%s: held down for %v", name, d)
		}
	}
}

// A history that is read from any file can be settled and saved.
func FuzzHistoryOfAFile(f *testing.F) {
	f.Add([]byte(`{"backends":{"192.0.2.1":{"state":"up","falls":["2026-01-01T00:00:00Z"],"hold_down":20,"until":"2026-01-01T00:00:00Z","able":true,"waiting":true,"ready":true,"grows":"2026-01-01T00:00:00Z"}},"standby":[{"tier":2,"to":1,"since":"2026-01-01T00:00:00Z"},{}]}`))
	f.Add([]byte(`{"backends":{"192.0.2.3":{"state":"?","hold_down":1e300,"until":"9999-01-01T00:00:00Z"}},"standby":[{"tier":-1,"to":-9},{"tier":9223372036854775807}]}`))
	f.Add([]byte(`{}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		h := new(History)
		if json.Unmarshal(text, h) != nil {
			return
		}
		for _, failback := range []time.Duration{0, time.Second, FailbackNever} {
			c := savedConfig(failback)
			one := NewHistory()
			one.Restore(h)
			one.Adopt(c)
			for i := range 4 {
				health := []Health{{State: verdict.States[i%3]}, {State: verdict.Up}, {State: verdict.Down}, {}}
				one.Settle(c, health, time.Now().Add(time.Duration(i)*time.Minute))
				Build(c, health)
			}
		}
		again, err := json.Marshal(h)
		if err != nil {
			t.Fatalf("%s cannot be saved: %v", text, err)
		}
		if err := json.Unmarshal(again, new(History)); err != nil {
			t.Fatalf("%s cannot be read: %v", again, err)
		}
	})
}
