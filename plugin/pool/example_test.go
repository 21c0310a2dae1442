package pool_test

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/rrhealth/rrhealth/plugin/pool"
	"github.com/rrhealth/rrhealth/plugin/verdict"
)

// Build decides what a pool answers, and Order in which order. Each call of
// Order moves the rotation on by one.
func ExampleBuild() {
	c := &pool.Config{
		Backends: []pool.Backend{
			{Addr: netip.MustParseAddr("192.0.2.1"), Weight: 1, Tier: 1},
			{Addr: netip.MustParseAddr("192.0.2.2"), Weight: 1, Tier: 1},
			{Addr: netip.MustParseAddr("192.0.2.3"), Weight: 1, Tier: 1},
		},
		Settings: pool.Settings{TTL: 7, ShortTTL: 5, FastTTL: 1, MinUp: pool.MinUp{N: 1}},
	}
	s := pool.Build(c, []pool.Health{{State: verdict.Up}, {State: verdict.Down}, {State: verdict.Up}})

	var p pool.Pool
	p.Init(c, s)
	p.Adopt(new(pool.Cursors))
	choice := p.Snapshot().Choices[pool.V4]
	for range 3 {
		fmt.Print(choice.Outcome, ", TTL ", s.TTL, ":")
		for _, i := range p.Order(nil, s, pool.V4, pool.Client{}) {
			fmt.Print(" ", choice.Members[i].Addr)
		}
		fmt.Println()
	}
	// Output:
	// served, TTL 5: 192.0.2.1 192.0.2.3
	// served, TTL 5: 192.0.2.3 192.0.2.1
	// served, TTL 5: 192.0.2.1 192.0.2.3
}

// If the first tier has fewer members up than min_up, the next one is added. If
// all backends are down, all_down decides.
func ExampleBuild_tiers() {
	c := &pool.Config{
		Backends: []pool.Backend{
			{Addr: netip.MustParseAddr("192.0.2.1"), Weight: 1, Tier: 1},
			{Addr: netip.MustParseAddr("198.51.100.1"), Weight: 1, Tier: 2},
		},
		Settings: pool.Settings{MinUp: pool.MinUp{N: 1}, AllDown: pool.ActAddresses, Fallback: []netip.Addr{netip.MustParseAddr("203.0.113.80")}},
	}
	up, down := pool.Health{State: verdict.Up}, pool.Health{State: verdict.Down}
	for _, health := range [][]pool.Health{{up, up}, {down, up}, {down, down}} {
		choice := pool.Build(c, health).Choices[pool.V4]
		fmt.Println(choice.Outcome, choice.Members[0].Addr)
	}
	// Output:
	// served 192.0.2.1
	// served 198.51.100.1
	// fallback 203.0.113.80
}

// A backend that has gone down twice within FlapWindow stays out of the answers
// for HoldDown after it comes up. Settle has no clock, and returns when to call
// it again.
func ExampleHistory_Settle() {
	c := &pool.Config{
		Backends: []pool.Backend{{Addr: netip.MustParseAddr("192.0.2.1"), Weight: 1, Tier: 1}},
		Recovery: pool.Recovery{HoldDown: 30 * time.Second},
	}
	h := pool.NewHistory()
	start := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	for i, state := range []verdict.State{verdict.Up, verdict.Down, verdict.Up, verdict.Down, verdict.Up} {
		health := []pool.Health{{State: state}}
		again := h.Settle(c, health, start.Add(time.Duration(i)*time.Minute))
		fmt.Print(state, ", held down ", health[0].HeldDown)
		if !again.IsZero() {
			fmt.Print(", until ", again.Format(time.TimeOnly))
		}
		fmt.Println()
	}
	// Output:
	// up, held down false
	// down, held down false
	// up, held down false
	// down, held down false
	// up, held down true, until 12:04:30
}
