package status

import (
	"testing"

	"github.com/rrhealth/rrhealth/plugin/api"
)

// Filters choose, and pages of what they chose add up to all of it.
func TestBackendsAreFilteredAndPaged(t *testing.T) {
	s := startSite(t, 250)
	for query, want := range map[string]int{
		"":                                250,
		"state=down":                      5,
		"state=up":                        225,
		"state=held_down&limit=3":         5,
		"pool=pool3.example.com.":         10,
		"pool=WWW.pool3.EXAMPLE.com":      10,
		"pool=pool3.example.com&state=up": 10,
		"pool=none.example.com":           0,
		"address=10.0.0.7":                1,
		"address=2001:db8::1":             0,
		"address=::ffff:10.0.0.7":         1,
		"search=pool24":                   10,
		"search=POOL24.example":           10,
		"search=10.0.0.24":                11, // and 240 to 249
		"search=<SCRIPT>":                 5,
		"search=52.5":                     5,
		"search=":                         250,
		"search=nothing":                  0,
		"offset=240":                      250,
		"offset=2147483647":               250,
		"state=down&search=pool0&pool=pool0.example.com.&address=10.0.0.0&limit=1&offset=0": 1,
	} {
		var got api.Backends
		s.get(api.PathBackends+"?"+query).into(t, &got)
		if got.Total != want {
			t.Errorf("%s: %d backends, want %d", query, got.Total, want)
		}
	}
	seen := make(map[string]bool)
	for _, offset := range []string{"0", "100", "200", "300"} {
		var got api.Backends
		s.get(api.PathBackends+"?offset="+offset).into(t, &got)
		for _, b := range got.Backends {
			seen[b.Address] = true
		}
	}
	if len(seen) != 250 {
		t.Errorf("%d backends on all pages, want 250", len(seen))
	}
}

func TestPoolsAreFiltered(t *testing.T) {
	s := startSite(t, 250)
	for query, want := range map[string]int{
		"": 25, "state=all_down": 1, "state=ok": 22, "search=www.pool1": 11, "search=10.0.0.249": 1, "pool=www.pool7.example.com": 1, "search=ROTATE": 25, "limit=1": 25,
	} {
		var got api.Pools
		s.get(api.PathPools+"?"+query).into(t, &got)
		if got.Total != want {
			t.Errorf("%s: %d pools, want %d", query, got.Total, want)
		}
	}
}

func TestOverridesAreFiltered(t *testing.T) {
	s := startSite(t, 250)
	for query, want := range map[string]int{"": 6, "address=192.0.2.99": 1, "pool=pool0.example.com": 1, "pool=pool1.example.com": 0} {
		var got api.Overrides
		s.get(api.PathOverrides+"?"+query).into(t, &got)
		if len(got.Overrides) != want {
			t.Errorf("%s: %d overrides, want %d", query, len(got.Overrides), want)
		}
	}
}

// A history has the events after a time, of backends that have some; of very many
// backends it has those with the latest.
func TestHistories(t *testing.T) {
	s := startSite(t, 1200)
	for query, want := range map[string]struct{ total, histories, events int }{
		"":                           {1200, 1000, 2},
		"address=10.0.0.5":           {1, 1, 2},
		"pool=WWW.pool1.example.com": {10, 10, 2},
		"since=2026-03-01T11:30:00Z": {30, 30, 1}, // backend N changed N minutes before noon
		"since=2026-03-01T10:30:00Z": {90, 90, 1},
		"since=2026-03-01T12:00:00Z": {0, 0, 0},
		"since=2026-03-01T12:59:59.5%2B01:00&address=10.0.0.0": {1, 1, 1},
	} {
		var got api.Histories
		s.get(api.PathHistory+"?"+query).into(t, &got)
		events := 0
		if len(got.Histories) > 0 {
			events = len(got.Histories[0].Events)
		}
		if got.Total != want.total || len(got.Histories) != want.histories || events != want.events {
			t.Errorf("%s: %d, %d histories, the first with %d events, want %v", query, got.Total, len(got.Histories), events, want)
		}
		if events > 0 && query == "" && got.Histories[0].Address != "10.0.0.0" {
			t.Errorf("%s is first, want the one with the latest event", got.Histories[0].Address)
		}
	}
}
