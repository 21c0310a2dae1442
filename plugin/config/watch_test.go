package config

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/rrhealth/rrhealth/plugin/pool"
)

func TestBadFiltersGetErrorsThatHelp(t *testing.T) {
	const form = "want watch CIDR... such as 192.0.2.0/24, or watch any"
	for block, want := range map[string]string{
		"watch":                              "Corefile:4 - Error during parsing: watch: got nothing, " + form,
		"watch www.example.org":              `Corefile:4 - Error during parsing: watch: got "www.example.org", ` + form,
		"watch 192.0.2.0/33":                 `Corefile:4 - Error during parsing: watch: got "192.0.2.0/33", ` + form,
		"watch 192.0.2.1/24":                 `Corefile:4 - Error during parsing: watch: "192.0.2.1/24" has bits set behind its length, want 192.0.2.0/24`,
		"watch ::ffff:192.0.2.1":             `Corefile:4 - Error during parsing: watch: "::ffff:192.0.2.1" is an IPv4 network in IPv6 form, want it as IPv4`,
		"watch fe80::1%eth0":                 `Corefile:4 - Error during parsing: watch: got "fe80::1%eth0", ` + form,
		"watch any 192.0.2.0/24":             "Corefile:4 - Error during parsing: watch: any beside networks, " + form,
		"watch 192.0.2.1 192.0.2.1/32":       `Corefile:4 - Error during parsing: watch: "192.0.2.1/32" given twice, want each network once`,
		"watch any\nwatch any":               "Corefile:5 - Error during parsing: watch: given at Corefile:4 already, want it once",
		"watch any\nbackend 192.0.2.1":       "Corefile:5 - Error during parsing: backend: beside watch at Corefile:4, want one of them: backend to answer addresses, watch to judge those that other plugins answer",
		"watch any\npolicy weighted":         "Corefile:5 - Error during parsing: policy: weighted needs to know the backends, want rotate, shuffle or sequential beside watch",
		"watch any\npolicy sticky":           "Corefile:5 - Error during parsing: policy: sticky needs to know the backends, want rotate, shuffle or sequential beside watch",
		"hold_down 10s\nwatch any":           "Corefile:4 - Error during parsing: hold_down: is for pools, want it beside backend only",
		"watch any\ndry_run yes":             `Corefile:5 - Error during parsing: dry_run: got "yes", want nothing behind it`,
		"watch any\ncheck tls://:443":        "tls",
		"watch any\ncheck https://:443/":     "https",
		"watch any\ncheck tcp://:1\ncheck x": "Corefile:6",
	} {
		_, _, err := Parse(text("\n\nrrhealth {\n"+block+"\n}\n"), exampleOrg)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q:\ngot  %v\nwant %s", block, err, want)
		}
	}
	for _, tc := range []struct{ zone, block, want string }{
		{"example.org.", "rrhealth . {\nwatch any\n}", `name ".": not inside the server block`},
		{".", "rrhealth . {\nbackend 192.0.2.1\n}", `name ".": the root has no addresses`},
		{"example.org.", "rrhealth {\nwatch any\n}\nrrhealth example.org {\nwatch any\n}", `name "example.org." is claimed by the stanza at Corefile:1 already`},
	} {
		if _, _, err := Parse(text(tc.block), Block{Zones: []string{tc.zone}}); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%q:\ngot  %v\nwant %s", tc.block, err, tc.want)
		}
	}
}

func TestGoodFilters(t *testing.T) {
	for _, tc := range []struct{ zone, block string }{
		{".", "rrhealth {\nwatch any\ncheck tcp://:443\n}"},
		{".", "rrhealth . *.example.org {\nwatch 192.0.2.7 2001:db8::/32\ncheck http://:80/\n}"},
		{"example.org.", "rrhealth www.example.org {\nwatch 192.0.2.0/24\ndry_run\n}\nrrhealth www.example.org {\nbackend 192.0.2.1\ndry_run\n}"},
		{"example.org.", "rrhealth {\ncheck tls://www.example.org:443\nwatch any\n}"},
	} {
		stanzas, _, err := Parse(text(tc.block), Block{Zones: []string{tc.zone}})
		if err != nil {
			t.Errorf("%q: %v", tc.block, err)
			continue
		}
		if s := stanzas[0]; !s.IsFilter() || s.DryRun != strings.Contains(tc.block, "dry_run") {
			t.Errorf("%q: %+v, want a filter", tc.block, s)
		}
	}
}

func TestAFilterAnswersAllUnlessMaxAnswersIsGiven(t *testing.T) {
	for block, want := range map[string]int{"": 0, "max_answers 3": 3, "max_answers 0": 0} {
		s := stanza(t, "rrhealth {\nwatch any\n"+block+"\n}")
		if s.Pool.MaxAnswers != want || s.Pool.TTL != seconds(staticTTL) || s.Pool.AllDown != pool.ActAnswer {
			t.Errorf("%q: %+v, want max_answers %d", block, s.Pool, want)
		}
	}
}

func TestNetworksContain(t *testing.T) {
	prefixes := Networks{Prefixes: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("127.0.0.1/32"), netip.MustParsePrefix("::/0")}}
	for text, want := range map[string][2]bool{ // any, prefixes
		"192.0.2.1":       {true, true},
		"192.0.3.1":       {true, false},
		"127.0.0.1":       {false, true},
		"127.0.0.2":       {false, false},
		"::1":             {false, true},
		"2001:db8::1":     {true, true},
		"169.254.169.254": {false, false},
		"fe80::1":         {false, false}, // cannot be probed without a zone
		"fe80::1%eth0":    {false, false},
		"224.0.0.1":       {false, false},
		"ff02::1":         {false, false},
		"0.0.0.0":         {false, false},
		"::":              {false, false},
		"255.255.255.255": {false, false},
		"10.0.0.1":        {true, false},
	} {
		addr := netip.MustParseAddr(text)
		if got := [2]bool{Networks{Any: true}.Contain(addr), prefixes.Contain(addr)}; got != want {
			t.Errorf("%s: watched by any and by the prefixes: %v, want %v", text, got, want)
		}
	}
}

func TestNetworksAreWrittenAsInTheCorefile(t *testing.T) {
	for watch, want := range map[string]string{"any": "any", "192.0.2.0/24 2001:db8::1": "192.0.2.0/24 2001:db8::1/128"} {
		if got := stanza(t, "rrhealth {\nwatch "+watch+"\n}").Watch.String(); got != want {
			t.Errorf("watch %s: %q, want %q", watch, got, want)
		}
	}
}
