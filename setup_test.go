package rrhealth

import (
	"flag"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/coredns/caddy"
	"github.com/coredns/coredns/core/dnsserver"

	"github.com/rrhealth/rrhealth/internal/harness"
	"github.com/rrhealth/rrhealth/plugin/pool"
)

var update = flag.Bool("update", false, "write what is got into the golden files")

// Every wrong Corefile stands in the golden file with the error that it gets,
// so that a reader can judge the errors as an operator would.
func TestBadCorefilesGetErrorsThatHelp(t *testing.T) {
	const golden = "testdata/corefile_errors.txt"
	data, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	for i, entry := range strings.Split(strings.TrimPrefix(string(data), "### "), "\n### ") {
		title, rest, _ := strings.Cut(entry, "\n")
		corefile, want, ok := strings.Cut(rest, "=> ")
		if !ok {
			t.Fatalf("%s: entry %d, %q, has no line =>", golden, i, title)
		}
		message := "accepted"
		if err := harness.Refused(t, corefile); err != nil {
			message = err.Error()
		}
		if i > 0 {
			got.WriteString("\n")
		}
		got.WriteString("### " + title + "\n" + corefile + "=> " + message + "\n")
		if *update {
			continue
		}
		t.Run(title, func(t *testing.T) {
			if want := strings.TrimSpace(want); message != want {
				t.Errorf("got:  %s\nwant: %s", message, want)
			}
			if !strings.Contains(message, "Corefile:") && !strings.Contains(message, "plugin/rrhealth") {
				t.Errorf("%q names no line of the Corefile", message)
			}
			if strings.Contains(message, "secret") {
				t.Errorf("%q shows a secret", message)
			}
		})
	}
	if *update {
		if err := os.WriteFile(golden, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// parsed returns the stanzas of a server block for example.org.
func parsed(t *testing.T, block string) []stanza {
	t.Helper()
	c := caddy.NewTestController("dns", block)
	c.ServerBlockKeys = []string{"example.org."}
	stanzas, err := parse(c, "")
	if err != nil {
		t.Fatal(err)
	}
	return stanzas
}

func TestAStanzaSaysWhatItSays(t *testing.T) {
	s := parsed(t, `rrhealth WWW.example.org *.w.example.org {
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
	}`)[0]
	if want := []string{"www.example.org.", "*.w.example.org."}; !slices.Equal(s.names, want) {
		t.Errorf("names %v, want %v", s.names, want)
	}
	var backends []string
	for _, b := range s.pool.Backends {
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
	if s.pool.Policy != pool.Sequential || s.pool.MaxAnswers != 3 || s.pool.TTL != 60 || s.pool.ShortTTL != 20 || s.pool.FastTTL != 4 ||
		s.pool.MinUp != (pool.MinUp{N: 50, Percent: true}) || s.pool.AllDown != pool.ActAddresses || len(s.pool.Fallback) != 2 {
		t.Errorf("pool %+v", s.pool)
	}
	if got := s.checks[0].monitor(); got.Interval != 20*time.Second || got.Fast != 4*time.Second || got.Timeout != 2*time.Second || got.Rule.Rise != 4 || got.Rule.Fall != 6 {
		t.Errorf("first check %+v, want the pace of the stanza", got)
	}
	if got := s.checks[1].monitor(); got.Interval != 30*time.Second || got.Fast != 5*time.Second || got.Timeout != 10*time.Second || got.Rule.Rise != 1 || got.Rule.Fall != 5 {
		t.Errorf("second check %+v, want the pace of its own", got)
	}
}

func TestDefaults(t *testing.T) {
	tests := []struct {
		name, lines             string
		interval, fast, timeout time.Duration
	}{
		{"nothing given", "check tcp://:80", 5 * time.Second, time.Second, 2 * time.Second},
		{"a short interval shortens fast and time-out", "check tcp://:80\ninterval 1s", time.Second, time.Second, 500 * time.Millisecond},
		{"an interval between", "check tcp://:80\ninterval 4s", 4 * time.Second, time.Second, 2 * time.Second},
		{"an interval that the timeout does not fit into", "check tcp://:80\ninterval 2s", 2 * time.Second, time.Second, time.Second},
		{"a check's own interval keeps the stanza's time-out", "timeout 1s\ncheck tcp://:80 {\ninterval 8s\n}", 8 * time.Second, time.Second, time.Second},
		{"a check's own interval bounds the stanza's fast", "interval 30s fast 5s\ncheck tcp://:80 {\ninterval 2s\n}", 2 * time.Second, 2 * time.Second, time.Second},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			s := parsed(t, "rrhealth www.example.org {\nbackend 192.0.2.1\n"+tc.lines+"\n}")[0]
			c := s.checks[0]
			if c.interval != tc.interval || c.fast != tc.fast || c.timeout != tc.timeout {
				t.Errorf("interval %v fast %v timeout %v, want %v %v %v", c.interval, c.fast, c.timeout, tc.interval, tc.fast, tc.timeout)
			}
			if c.rule.Rise != 2 || c.rule.Fall != 3 || s.pool.MaxAnswers != 8 || s.pool.MinUp.N != 1 {
				t.Errorf("rule %+v pool %+v, want the documented defaults", c.rule, s.pool)
			}
		})
	}
}

func TestTheNameDefaultsToTheServerBlocks(t *testing.T) {
	c := caddy.NewTestController("dns", "rrhealth {\nbackend 192.0.2.1\n}")
	c.ServerBlockKeys = []string{"get.example.org.:1053", "get.example.net.", "tls://get.example.org."}
	stanzas, err := parse(c, "")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := stanzas[0].names, []string{"get.example.org.", "get.example.net."}; !slices.Equal(got, want) {
		t.Errorf("names %v, want %v", got, want)
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
		if got := parsed(t, "rrhealth www.example.org {\n"+lines+"\n}")[0].pool.Policy; got != want {
			t.Errorf("%q: policy %v, want %v", lines, got, want)
		}
	}
}

func TestSnippetsAndTheEnvironmentWork(t *testing.T) {
	t.Setenv("RRHEALTH_TEST_BACKENDS", "192.0.2.1")
	s := harness.Start(t, `(web) {
    check tcp://:1 {
        interval 1h
    }
    ttl 7s
}
example.org:0 {
    bind 127.0.0.1
    rrhealth www.example.org {
        backend {$RRHEALTH_TEST_BACKENDS}
        import web
    }
}
`)
	m := s.Ask("www.example.org.", 1)
	if got := harness.Addrs(m); !slices.Equal(got, []string{"192.0.2.1"}) {
		t.Fatalf("answer %v, want the address from the environment", m)
	}
	if ttl := m.Answer[0].Header().Ttl; ttl > 7 {
		t.Errorf("TTL %d, want at most the snippet's 7", ttl)
	}
}

func TestABuildWithTheWrongOrderIsRefused(t *testing.T) {
	ordered := slices.Clone(dnsserver.Directives)
	if err := checkPosition(ordered); err != nil {
		t.Fatalf("before cache: %v, want no error", err)
	}
	without := slices.DeleteFunc(slices.Clone(ordered), func(d string) bool { return d == pluginName })
	for anchor, want := range map[string]string{"acl": "above acl", "forward": "below cache", "dnssec": "below cache"} {
		at := slices.Index(without, anchor)
		err := checkPosition(slices.Insert(slices.Clone(without), at, pluginName))
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "cache:cache") {
			t.Errorf("directly before %s: error %v, want one that says %q and where it belongs", anchor, err, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	data, err := os.ReadFile("testdata/corefile_errors.txt")
	if err != nil {
		f.Fatal(err)
	}
	for entry := range strings.SplitSeq(string(data), "### ") {
		if _, rest, ok := strings.Cut(entry, "{\n"); ok {
			stanza, _, _ := strings.Cut(rest, "\n}\n=>")
			f.Add(stanza)
		}
	}
	f.Fuzz(func(t *testing.T, block string) {
		c := caddy.NewTestController("dns", block)
		c.ServerBlockKeys = []string{"example.org."}
		stanzas, err := parse(c, "")
		if err != nil {
			for l := range strings.Lines(err.Error()) {
				if len(l) > 1000 || !utf8.ValidString(l) {
					t.Errorf("an error of %d bytes: %q", len(l), l)
				}
			}
			return
		}
		// What is accepted can be served.
		h := newHandler([]string{"example.org."}, stanzas)
		for _, p := range h.pools {
			if h.poolOf(p.Name) != p {
				t.Errorf("pool %q is not found by its name", p.Name)
			}
			for _, c := range p.checks {
				if c.timeout >= c.interval || c.timeout <= 0 || c.fast <= 0 || c.fast > c.interval {
					t.Errorf("accepted the pace %+v", c.pace)
				}
			}
		}
	})
}
