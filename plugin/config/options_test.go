package config

import (
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rrhealth/rrhealth/plugin/pool"
)

// Each option of a pool sets one thing, and leaves the rest at its default.
func TestWhatOptionsSet(t *testing.T) {
	const backends = "backend 192.0.2.1 192.0.2.2\nbackend 192.0.2.3 tier 2\n"
	defaults := stanza(t, "rrhealth {\n"+backends+"}")
	for _, tc := range []struct {
		line string
		set  func(*Stanza)
	}{
		{"policy rotate", func(*Stanza) {}},
		{"policy round_robin", func(*Stanza) {}},
		{"policy shuffle", func(s *Stanza) { s.Pool.Policy = pool.Shuffle }},
		{"policy sequential", func(s *Stanza) { s.Pool.Policy = pool.Sequential }},
		{"policy weighted", func(s *Stanza) { s.Pool.Policy = pool.Weighted }},
		{"policy sticky", func(s *Stanza) { s.Pool.Policy, s.Pool.Networks = pool.Sticky, pool.Networks{24, 56} }},
		{"policy sticky 16 /48", func(s *Stanza) { s.Pool.Policy, s.Pool.Networks = pool.Sticky, pool.Networks{16, 48} }},
		{"max_answers 0", func(s *Stanza) { s.Pool.MaxAnswers = 0 }},
		{"max_answers 1000", func(s *Stanza) { s.Pool.MaxAnswers = 1000 }},
		{"ttl 1m", func(s *Stanza) { s.Pool.TTL = 60 }},
		{"ttl 0s", func(s *Stanza) { s.Pool.TTL = 0 }},
		{"min_up 2", func(s *Stanza) { s.Pool.MinUp = pool.MinUp{N: 2} }},
		{"min_up 75%", func(s *Stanza) { s.Pool.MinUp = pool.MinUp{N: 75, Percent: true} }},
		{"all_down answer", func(*Stanza) {}},
		{"all_down servfail", func(s *Stanza) { s.Pool.AllDown = pool.ActServfail }},
		{"all_down refused", func(s *Stanza) { s.Pool.AllDown = pool.ActRefused }},
		{"all_down nodata", func(s *Stanza) { s.Pool.AllDown = pool.ActNoData }},
		{"all_down drop", func(s *Stanza) { s.Pool.AllDown = pool.ActDrop }},
		{"all_down 198.51.100.1 2001:db8::1", func(s *Stanza) {
			s.Pool.AllDown, s.Pool.Fallback = pool.ActAddresses, []netip.Addr{netip.MustParseAddr("198.51.100.1"), netip.MustParseAddr("2001:db8::1")}
		}},
		{"hold_down 20s", func(s *Stanza) { s.Pool.Recovery.HoldDown = 20 * time.Second }},
		{"policy weighted\nslow_start 1m", func(s *Stanza) { s.Pool.Policy, s.Pool.Recovery.SlowStart = pool.Weighted, time.Minute }},
		{"failback 5m", func(s *Stanza) { s.Pool.Recovery.Failback = 5 * time.Minute }},
		{"failback manual", func(s *Stanza) { s.Pool.Recovery.Failback = pool.FailbackNever }},
		{"failback auto", func(*Stanza) {}},
		{"dry_run", func(s *Stanza) { s.DryRun = true }},
	} {
		t.Run(tc.line, func(t *testing.T) {
			want := defaults
			tc.set(&want)
			if got := stanza(t, "rrhealth {\n"+backends+tc.line+"\n}"); !reflect.DeepEqual(got, want) {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
		})
	}
}

// What stands behind the addresses of a backend line holds for all of them.
func TestBackendLines(t *testing.T) {
	addr := netip.MustParseAddr
	berlin := new(pool.Place).At(52.5, 13.4)
	for _, tc := range []struct {
		line, policy string
		want         []pool.Backend
	}{
		{"backend 192.0.2.1", "rotate", []pool.Backend{{Addr: addr("192.0.2.1"), CheckAddr: addr("192.0.2.1"), Weight: 1, Tier: 1}}},
		{"backend 192.0.2.1 2001:db8::1 tier 3 weight 65535", "weighted", []pool.Backend{
			{Addr: addr("192.0.2.1"), CheckAddr: addr("192.0.2.1"), Weight: 65535, Tier: 3},
			{Addr: addr("2001:db8::1"), CheckAddr: addr("2001:db8::1"), Weight: 65535, Tier: 3},
		}},
		{"backend 192.0.2.1 check_addr 127.0.0.1", "rotate", []pool.Backend{{Addr: addr("192.0.2.1"), CheckAddr: addr("127.0.0.1"), Weight: 1, Tier: 1}}},
		{"backend 192.0.2.1 location EU/DE", "nearest", []pool.Backend{
			{Addr: addr("192.0.2.1"), CheckAddr: addr("192.0.2.1"), Weight: 1, Tier: 1, Place: pool.Place{Continent: "EU", Country: "DE"}},
		}},
		{"backend 192.0.2.1 location 52.5 13.4 tier 2", "nearest", []pool.Backend{
			{Addr: addr("192.0.2.1"), CheckAddr: addr("192.0.2.1"), Weight: 1, Tier: 2, Place: berlin},
		}},
		{"backend 192.0.2.1\nbackend 192.0.2.2 drain", "rotate", []pool.Backend{
			{Addr: addr("192.0.2.1"), CheckAddr: addr("192.0.2.1"), Weight: 1, Tier: 1},
			{Addr: addr("192.0.2.2"), CheckAddr: addr("192.0.2.2"), Weight: 1, Tier: 1, Drain: true},
		}},
	} {
		t.Run(tc.line, func(t *testing.T) {
			s := stanza(t, "rrhealth {\n"+tc.line+"\npolicy "+tc.policy+"\n}")
			if !slices.Equal(s.Pool.Backends, tc.want) {
				t.Errorf("got  %+v\nwant %+v", s.Pool.Backends, tc.want)
			}
		})
	}
}

// The HOST of a check that gives none is the first NAME of a pool.
func TestChecksTakeTheNameOfThePool(t *testing.T) {
	for block, want := range map[string]string{
		"rrhealth www.example.org {\nbackend 192.0.2.1\ncheck https://:443\n}":                                   "",
		"rrhealth *.example.org {\nbackend 192.0.2.1\ncheck https://:443\n}":                                     "HOST",
		"rrhealth {\nwatch 192.0.2.0/24\ncheck https://:443\n}":                                                  "HOST",
		"rrhealth bad..example.org {\nbackend 192.0.2.1\ncheck https://:443\n}":                                  "not a domain name",
		"rrhealth *.example.org {\nbackend 192.0.2.1\ncheck https://www.example.org:443\n}":                      "",
		"rrhealth www.example.org {\nbackend 192.0.2.1\nwatch any\ncheck https://:443\n}":                        "beside watch",
		"rrhealth www.example.org {\nbackend 192.0.2.1\ncheck https://:443 {\nca missing.pem\n}\n}":              "missing.pem",
		"rrhealth www.example.org {\nbackend 192.0.2.1\ncheck https://:443\ncheck https://:443\n}":               "given twice",
		"rrhealth www.example.org {\nbackend 192.0.2.1\ncheck https://:443 {\nrise 1\nrise 2\n}\n}":              "rise given twice",
		"rrhealth www.example.org {\nbackend 192.0.2.1\ncheck https://:443 {\nimport tls\n}\n}":                  "import: CoreDNS did not expand it",
		"rrhealth www.example.org {\nbackend 192.0.2.1\nimport web\n}":                                           "import: CoreDNS did not expand it",
		"rrhealth www.example.org {\nbackend 192.0.2.1\ncheck https://:443 {\nmethod GET {\nheader X y\n}\n}\n}": `unexpected block { ... } behind "method"`,
	} {
		_, _, err := Parse(text(block), exampleOrg)
		switch {
		case want == "" && err != nil:
			t.Errorf("%q: %v, want no error", block, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%q: %v, want an error with %q", block, err, want)
		case want != "" && strings.Contains(err.Error(), "errors in the Corefile"):
			t.Errorf("%q: %v, want one error", block, err)
		}
	}
}

// Errors that the golden file does not have.
func TestMoreErrorsOfOptions(t *testing.T) {
	for line, want := range map[string]string{
		"max_answers":             "max_answers: got nothing, want a number of addresses, 0 for all",
		"max_answers 1001":        `max_answers: got "1001", want a whole number from 0 to 1000`,
		"all_down":                "all_down: got nothing, want answer, servfail",
		"all_down answer nodata":  `all_down: got "answer nodata", want answer, servfail`,
		"all_down 0.0.0.0":        `all_down: "0.0.0.0": no host can have it`,
		"min_up 0":                `min_up: got "0", want a whole number from 1 to 32767`,
		"min_up 101%":             `min_up: got "101", want a whole number from 1 to 100`,
		"min_up":                  "min_up: got nothing, want a number or a percentage",
		"rise":                    "rise: got nothing, want a number from 1 to 100",
		"fall 101":                `fall: got "101", want a whole number from 1 to 100`,
		"interval 10s fast":       `interval: got "10s fast", want interval DURATION [fast DURATION]`,
		"interval 10s fast 10":    `interval: "10" has no unit, want a duration such as 10s`,
		"interval 1s fast 2s":     "interval: fast 2s is longer than the interval 1s",
		"failback":                "failback: got nothing, want auto, manual or a duration such as 5m",
		"failback never":          `failback: got "never", want auto, manual or a duration such as 5m`,
		"policy sticky 24 129":    `policy: sticky: length of an IPv6 network: got "129", want a whole number from 1 to 128`,
		"ttl 1500ms":              "ttl: got 1.5s, want whole seconds",
		"hold_down 1h":            "hold_down: got 1h0m0s, want 1s to ",
		"dry_run {\n}":            "dry_run: unexpected block { ... }, only check has one",
		"timeout 5s\ninterval 5s": "timeout: 5s is not shorter than the interval 5s",
	} {
		t.Run(line, func(t *testing.T) {
			_, _, err := Parse(text("rrhealth {\nbackend 192.0.2.1\nbackend 192.0.2.2 tier 2\n"+line+"\n}"), exampleOrg)
			if want = "Corefile:4 - Error during parsing: " + want; err == nil || !strings.HasPrefix(err.Error(), want) {
				t.Errorf("got  %v\nwant %s", err, want)
			}
		})
	}
}

func TestLocations(t *testing.T) {
	for words, want := range map[string]string{
		"EU": "", "EU/DE": "", "-90 180": "", "52.5 13.4": "",
		"":          "got nothing, want location",
		"52.5":      "got a latitude alone",
		"52.5 east": `got "east" for a longitude`,
		"91 0":      "got latitude 91, want -90 to 90",
		"0 -180.5":  "got longitude -180.5, want -180 to 180",
		"NaN 0":     "got latitude NaN",
		"Europe":    `got "Europe", want location`,
		"EU/de":     `got country "de", want two capital letters`,
		"EU/":       `got country "", want two capital letters`,
	} {
		place, used, err := parsePlace(strings.Fields(words))
		if want == "" {
			if err != nil || used != len(strings.Fields(words)) || place == (pool.Place{}) {
				t.Errorf("%q: %+v, %d words, error %v, want a place", words, place, used, err)
			}
			continue
		}
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: error %v, want %q", words, err, want)
		}
	}
}

// Backends are found by their address, in every spelling.
func TestErrorsOfBackendsNameTheirLine(t *testing.T) {
	_, _, err := Parse(text("rrhealth {\nbackend 192.0.2.1 location EU\nbackend 2001:DB8:0::1\npolicy nearest\n}"), exampleOrg)
	if want := `Corefile:3 - Error during parsing: backend "2001:db8::1": no location`; err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

func TestOptionsAreThoseOfTheParser(t *testing.T) {
	all := Options()
	for i, o := range all {
		if o != options[i].Option || options[i].read == nil {
			t.Errorf("option %+v, want %+v, with a reader", o, options[i].Option)
		}
	}
	if got, want := paceOptions(), []string{"interval", "timeout", "rise", "fall", "fall_hard"}; !slices.Equal(got, want) {
		t.Errorf("options of checks %v, want %v", got, want)
	}
}
