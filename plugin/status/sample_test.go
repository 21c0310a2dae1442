package status

import (
	"fmt"
	"strings"
	"time"

	"github.com/rrhealth/rrhealth/plugin/api"
)

// noon is when the samples are from.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func at(t time.Time) api.Time { return api.Time{Time: t} }

// evil is a reason that a backend has chosen.
const evil = "GET /: <script>alert('x')</script>\x1b[31m\"&\u202e\xff"

// sample returns a Model of n backends, ten to a pool, as different as backends
// are, with the slices that a Model may have as nil.
func sample(n int) *Model {
	m := &Model{Status: api.Status{
		Host: "ns1.example.com", Version: "0.1.0", CoreDNS: "1.15.0",
		Started: at(noon.Add(-49 * time.Hour)), Loaded: at(noon.Add(-time.Hour)), Now: at(noon),
		Backends: api.Counts{All: n}, Problems: []string{"state: cannot be saved: no space left on device"},
	}}
	for i := range n {
		m.Backends = append(m.Backends, sampleBackend(i))
		switch m.Backends[i].Effective {
		case "down":
			m.Status.Backends.Down++
		case "unknown":
			m.Status.Backends.Unknown++
		case "held_down":
			m.Status.Backends.HeldDown++
		case "drained":
			m.Status.Backends.Drained++
		default:
			m.Status.Backends.Up++
		}
		m.Overrides = append(m.Overrides, m.Backends[i].Overrides...)
	}
	m.Overrides = append(m.Overrides, api.Override{ID: 99, Address: "192.0.2.99", Set: "down", Author: "bob", Since: at(noon), Orphaned: true})
	for i := range (n + 9) / 10 {
		m.Pools = append(m.Pools, samplePool(i, m.Backends))
	}
	m.Status.Pools, m.Status.Overrides = len(m.Pools), len(m.Overrides)
	m.Status.AllDown = 1
	return m
}

func samplePool(i int, all []api.Backend) api.Pool {
	p := api.Pool{
		Name: fmt.Sprintf("pool%d.example.com.", i), Names: []string{fmt.Sprintf("pool%d.example.com.", i), fmt.Sprintf("www.pool%d.example.com.", i)},
		Server: "dns://:53", Policy: "rotate", AllDown: "answer", MinUp: "1", State: poolStates[min(i, 3)], TTL: 7,
	}
	for _, b := range all[10*i : min(10*i+10, len(all))] {
		p.Backends = append(p.Backends, b.Address)
		p.Counts.All++
		if b.Effective == "up" {
			p.Counts.Up++
		}
	}
	return p
}

// The first five of 50 are each in another trouble; the others are up.
func sampleBackend(i int) api.Backend {
	b := api.Backend{
		Pool: fmt.Sprintf("pool%d.example.com.", i/10), Server: "dns://:53", Address: fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255),
		CheckAddress: fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255), Configured: api.Configured{Weight: 1, Tier: 1 + i%2},
		Probed: "up", Effective: "up", Weight: 1, Answered: true, Why: "up", Since: at(noon.Add(-26 * time.Hour)),
		Checks:    []api.Check{{Check: "https://:443/health", State: "up", Last: at(noon.Add(-2 * time.Second)), Next: at(noon.Add(3 * time.Second)), Passed: 17000, Every: 5}},
		Day:       api.Shares{Up: 86400},
		HalfHours: strings.Repeat("9", 48),
	}
	switch i % 50 {
	case 0:
		b.Probed, b.Effective, b.Answered, b.Why, b.Reason = "down", "down", false, "down", evil
		b.Since, b.HalfHours, b.Day = at(noon.Add(-6*time.Minute)), strings.Repeat("9", 40)+"73000990", api.Shares{Up: 80000, Down: 6400}
		b.Checks[0].State, b.Checks[0].Next, b.Checks[0].Suspect = "down", api.Time{}, true
	case 1:
		b.Probed, b.Effective, b.Why, b.Checks, b.HalfHours, b.Day = "unknown", "unknown", "unknown", nil, strings.Repeat("-", 48), api.Shares{Unknown: 60}
	case 2:
		b.Effective, b.Answered, b.Why = "held_down", false, "held_down"
	case 3:
		b.Effective, b.Answered, b.Why = "drained", false, "override"
		b.Overrides = []api.Override{{
			ID: uint64(i), Pool: b.Pool, Address: b.Address, Set: "drain", Author: "alice", Reason: "kernel <update>",
			Since: at(noon.Add(-time.Minute)), Until: at(noon.Add(time.Hour)),
		}}
	case 4:
		b.Configured = api.Configured{Drain: true, Weight: 3, Tier: 1, Location: "52.5,13.4"}
		b.Effective, b.Answered, b.Why = "drained", false, "drain"
	}
	return b
}
