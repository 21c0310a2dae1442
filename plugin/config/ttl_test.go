package config

import "testing"

// Without ttl the TTL is how long the checks take to find out.
func TestTheTTLFollowsFromTheDetectionTime(t *testing.T) {
	for _, tc := range []struct {
		name, lines             string
		ttl, whileDown, suspect uint32
	}{
		{"no check", "", 30, 30, 30},
		{"the defaults: 5s + 2 × 1s", "check tcp://:80", 7, 5, 1},
		{"2s + 2 × 500ms, and the least is 4s", "check tcp://:80\ninterval 2s fast 500ms\ntimeout 500ms", 4, 2, 1},
		{"10s + 2 × 2s", "check tcp://:80\ninterval 10s fast 2s", 14, 10, 2},
		{"30s + 2 × 5s, and the most is 30s", "check tcp://:80\ninterval 1m fast 5s", 30, 30, 5},
		{"one failure is enough", "check tcp://:80\nfall 1", 5, 5, 1},
		{"one hard failure is enough", "check tcp://:80\nfall 5\nfall_hard 1", 5, 5, 1},
		{"whole seconds: 5.5s + 2 × 1.2s", "check tcp://:80\ninterval 5500ms fast 1200ms", 8, 5, 2},
		{"the quickest of several checks", "check tcp://:80\ncheck tcp://:81 {\ninterval 20s fast 3s\n}\ncheck tcp://:82 {\ninterval 4s fast 1500ms\n}", 7, 4, 1},
		{"given", "check tcp://:80\nttl 20s", 20, 5, 1},
		{"given, less than fast", "check tcp://:80\ninterval 10s fast 5s\nttl 3s", 3, 3, 3},
		{"given as 0", "check tcp://:80\nttl 0s", 0, 0, 0},
	} {
		for _, kind := range []string{"backend 192.0.2.1", "watch 192.0.2.0/24"} {
			t.Run(tc.name+", "+kind, func(t *testing.T) {
				c := stanza(t, "rrhealth www.example.org {\n"+kind+"\n"+tc.lines+"\n}").Pool
				got := [...]uint32{c.TTL, min(c.TTL, c.ShortTTL), min(c.TTL, c.FastTTL)}
				if want := [...]uint32{tc.ttl, tc.whileDown, tc.suspect}; got != want {
					t.Errorf("TTL, while one is down, while one is suspect: %v, want %v", got, want)
				}
			})
		}
	}
}
