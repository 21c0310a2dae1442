package ctl

import (
	"time"

	"github.com/rrhealth/rrhealth/plugin/api"
)

// noon is the time of what the fake serves.
var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// untilNoon sets the clock of a bubble to noon.
func untilNoon() { time.Sleep(time.Until(noon)) }

// before returns the time d before noon.
func before(d time.Duration) api.Time { return api.Time{Time: noon.Add(-d)} }

const refused = "tcp://:443: connection refused"

// site returns a server with two pools and a filter: in one pool a backend is
// down and another is in Europe and of tier 2.
func site() *fake {
	return &fake{
		quiet: 17 * time.Second,
		status: api.Status{
			Host: "ns1", Version: "0.1.0", CoreDNS: "1.15.0", Started: before(75 * time.Hour), Loaded: before(2 * time.Hour), Now: before(0),
			Pools: 2, Filters: 1, Backends: api.Counts{All: 5, Up: 4, Down: 1}, Watched: api.Counts{All: 12, Up: 12},
			StateDir: "/var/lib/rrhealth", StateSaved: before(3 * time.Second), Problems: []string{},
		},
		pools: []api.Pool{
			{
				Name: "www.example.org.", Names: []string{"www.example.org.", "shop.example.org."}, Server: "dns://:53", Policy: "rotate",
				AllDown: "answer", MinUp: "1", State: "degraded", TTL: 5, Counts: api.Counts{All: 3, Up: 2, Down: 1},
				Backends: []string{"192.0.2.1", "192.0.2.2", "2001:db8::1"},
			},
			{
				Name: "api.example.org.", Names: []string{"api.example.org."}, Server: "dns://:53", Policy: "weighted",
				AllDown: "servfail", MinUp: "1", State: "ok", TTL: 7, Counts: api.Counts{All: 2, Up: 2},
				Backends: []string{"192.0.2.1", "198.51.100.1"},
			},
			{
				Name: "example.org.", Names: []string{"example.org."}, Server: "dns://:53", Filter: true, Policy: "rotate",
				AllDown: "answer", MinUp: "1", State: "ok", TTL: 7, Counts: api.Counts{All: 12, Up: 12}, Backends: []string{},
			},
		},
		backends: []api.Backend{
			backend("www.example.org.", "192.0.2.2", "down", 4*time.Minute),
			backend("www.example.org.", "192.0.2.1", "up", 75*time.Hour),
			backend("www.example.org.", "2001:db8::1", "up", 75*time.Hour),
			backend("api.example.org.", "192.0.2.1", "up", 75*time.Hour),
			backend("api.example.org.", "198.51.100.1", "up", 26*time.Hour),
		},
		overrides: []api.Override{},
		histories: []api.History{
			{
				Pool: "www.example.org.", Server: "dns://:53", Address: "192.0.2.2", Day: api.Shares{Up: 86000, Down: 400},
				Events: []api.Event{
					{At: before(4 * time.Minute), Kind: "state", State: "down", Reason: refused},
					{At: before(3 * time.Hour), Kind: "override_ended", State: "up", By: "alice", What: "auto"},
					{At: before(3*time.Hour + 30*time.Minute), Kind: "overridden", State: "up", By: "alice", What: "drain"},
					{At: before(3*time.Hour + 50*time.Minute), Kind: "override_ended", State: "up", What: "drain"},
					{At: before(4 * time.Hour), Kind: "overridden", State: "up", Reason: "kernel update", By: "alice", What: "drain"},
				},
			},
			{
				Pool: "www.example.org.", Server: "dns://:53", Address: "192.0.2.1", Day: api.Shares{Up: 86400},
				Events: []api.Event{{At: before(75 * time.Hour), Kind: "state", State: "up"}},
			},
		},
		explain: api.Explanation{
			Name: "www.example.org.", At: before(0), Server: "dns://:53", Pool: "www.example.org.", Outcome: "served", Rcode: "NOERROR", TTL: 5,
			Order: true, Answer: []string{"192.0.2.1"}, Notes: []string{},
			Members: []api.Reason{
				{Address: "192.0.2.1", Answered: true, Rule: "up", Text: "up"},
				{Address: "192.0.2.2", Rule: "down", Text: "down: " + refused},
				{Address: "2001:db8::1", Rule: "family", Text: "AAAA queries get it"},
			},
		},
	}
}

// backend returns a backend whose one check has found state.
func backend(pool, addr, state string, since time.Duration) api.Backend {
	b := api.Backend{
		Pool: pool, Server: "dns://:53", Address: addr, CheckAddress: addr, Configured: api.Configured{Weight: 1, Tier: 1},
		Overrides: []api.Override{}, Probed: state, Effective: state, Weight: 1, Answered: state == "up", Why: state, Since: before(since),
		Checks: []api.Check{{Check: "tcp://:443", State: state, Last: before(2 * time.Second), Next: api.Time{Time: noon.Add(3 * time.Second)}, Passed: 54000, Every: 5}},
	}
	if state == "down" {
		b.Reason, b.Checks[0].Failed = refused, 48
	}
	if addr == "198.51.100.1" {
		b.Configured = api.Configured{Weight: 2, Tier: 2}
	}
	return b
}
