package config

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rrhealth/rrhealth/plugin/pool"
)

func TestAStanzaIsAsTheCorefileHasIt(t *testing.T) {
	s := stanza(t, `rrhealth WWW.example.org *.w.example.org {
		backend 192.0.2.1 192.0.2.2 weight 3
		backend 192.0.2.3 tier 2 check_addr 127.0.0.1 drain
		backend 2001:db8::1
		check http://:8080/healthz
		check tcp://:25 {
			interval 30s fast 5s
			timeout 10s
			rise 1
			fall 5
			expect ^220
		}
		interval 20s fast 4s
		timeout 2s
		rise 4
		fall 6
		policy sequential
		max_answers 3
		ttl 1m
		all_down 198.51.100.1 2001:db8::ffff
		min_up 50%
	}`)
	if want := []string{"www.example.org.", "*.w.example.org."}; !slices.Equal(s.Names, want) {
		t.Errorf("names %v, want %v", s.Names, want)
	}
	var backends []string
	for _, b := range s.Pool.Backends {
		text := b.Addr.String() + " probed at " + b.CheckAddr.String() + " weight " + string(rune('0'+b.Weight)) + " tier " + string(rune('0'+b.Tier))
		if b.Drain {
			text += " drain"
		}
		backends = append(backends, text)
	}
	want := []string{
		"192.0.2.1 probed at 192.0.2.1 weight 3 tier 1",
		"192.0.2.2 probed at 192.0.2.2 weight 3 tier 1",
		"192.0.2.3 probed at 127.0.0.1 weight 1 tier 2 drain",
		"2001:db8::1 probed at 2001:db8::1 weight 1 tier 1",
	}
	if !slices.Equal(backends, want) {
		t.Errorf("backends\n%s\nwant\n%s", strings.Join(backends, "\n"), strings.Join(want, "\n"))
	}
	if s.Pool.Policy != pool.Sequential || s.Pool.MaxAnswers != 3 || s.Pool.TTL != 60 || s.Pool.ShortTTL != 20 || s.Pool.FastTTL != 4 ||
		s.Pool.MinUp != (pool.MinUp{N: 50, Percent: true}) || s.Pool.AllDown != pool.ActAddresses || len(s.Pool.Fallback) != 2 {
		t.Errorf("pool %+v", s.Pool)
	}
	if got := s.Checks[0].Pace; got.Interval != 20*time.Second || got.Fast != 4*time.Second || got.Timeout != 2*time.Second || got.Rule.Rise != 4 || got.Rule.Fall != 6 {
		t.Errorf("first check %+v, want the pace of the stanza", got)
	}
	if got := s.Checks[1].Pace; got.Interval != 30*time.Second || got.Fast != 5*time.Second || got.Timeout != 10*time.Second || got.Rule.Rise != 1 || got.Rule.Fall != 5 {
		t.Errorf("second check %+v, want the pace of its own", got)
	}
}

func TestDefaults(t *testing.T) {
	tests := []struct {
		name, lines             string
		interval, fast, timeout time.Duration
	}{
		{"nothing given", "check tcp://:80", 5 * time.Second, time.Second, 2 * time.Second},
		{"a short interval shortens fast and timeout", "check tcp://:80\ninterval 1s", time.Second, time.Second, 500 * time.Millisecond},
		{"an interval between", "check tcp://:80\ninterval 4s", 4 * time.Second, time.Second, 2 * time.Second},
		{"an interval that the timeout does not fit into", "check tcp://:80\ninterval 2s", 2 * time.Second, time.Second, time.Second},
		{"a check's own interval keeps the stanza's timeout", "timeout 1s\ncheck tcp://:80 {\ninterval 8s\n}", 8 * time.Second, time.Second, time.Second},
		{"a check's own interval bounds the stanza's fast", "interval 30s fast 5s\ncheck tcp://:80 {\ninterval 2s\n}", 2 * time.Second, 2 * time.Second, time.Second},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			s := stanza(t, "rrhealth www.example.org {\nbackend 192.0.2.1\n"+tc.lines+"\n}")
			c := s.Checks[0].Pace
			if c.Interval != tc.interval || c.Fast != tc.fast || c.Timeout != tc.timeout {
				t.Errorf("interval %v fast %v timeout %v, want %v %v %v", c.Interval, c.Fast, c.Timeout, tc.interval, tc.fast, tc.timeout)
			}
			if c.Rule.Rise != 2 || c.Rule.Fall != 3 || s.Pool.MaxAnswers != 8 || s.Pool.MinUp.N != 1 {
				t.Errorf("rule %+v pool %+v, want the documented defaults", c.Rule, s.Pool)
			}
		})
	}
}

func TestTheNameDefaultsToTheServerBlocks(t *testing.T) {
	zones := []string{"get.example.org.", "get.example.net."}
	stanzas, _, err := Parse(text("rrhealth {\nbackend 192.0.2.1\n}"), Block{Zones: zones})
	if err != nil {
		t.Fatal(err)
	}
	if got := stanzas[0].Names; !slices.Equal(got, zones) {
		t.Errorf("names %v, want %v", got, zones)
	}
}

func TestWeightMakesThePolicyWeightedUnlessOneIsNamed(t *testing.T) {
	for lines, want := range map[string]pool.Policy{
		"backend 192.0.2.1 weight 2":                 pool.Weighted,
		"backend 192.0.2.1 weight 2\npolicy rotate":  pool.Rotate,
		"policy shuffle\nbackend 192.0.2.1 weight 2": pool.Shuffle,
		"backend 192.0.2.1":                          pool.Rotate,
		"backend 192.0.2.1\npolicy round_robin":      pool.Rotate,
	} {
		if got := stanza(t, "rrhealth www.example.org {\n"+lines+"\n}").Pool.Policy; got != want {
			t.Errorf("%q: policy %v, want %v", lines, got, want)
		}
	}
}
