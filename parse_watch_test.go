package rrhealth

import (
	"strings"
	"testing"

	"github.com/rrhealth/rrhealth/internal/harness"
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
		err := harness.Validate("example.org {\nbind 127.0.0.1\nrrhealth {\n" + block + "\n}\n}\n")
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q:\ngot  %v\nwant %s", block, err, want)
		}
	}
	for corefile, want := range map[string]string{
		"example.org {\nrrhealth . {\nwatch any\n}\n}\n":                                     `name ".": not inside the server block`,
		". {\nrrhealth . {\nbackend 192.0.2.1\n}\n}\n":                                       `name ".": nobody asks for the addresses of the root`,
		"example.org {\nrrhealth {\nwatch any\n}\nrrhealth example.org {\nwatch any\n}\n}\n": `name "example.org." is claimed by the stanza at Corefile:2 already`,
	} {
		if err := harness.Validate(corefile); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q:\ngot  %v\nwant %s", corefile, err, want)
		}
	}
}

func TestGoodFilters(t *testing.T) {
	for _, corefile := range []string{
		". {\nrrhealth {\nwatch any\ncheck tcp://:443\n}\nforward . 192.0.2.1\n}\n",
		". {\nrrhealth . *.example.org {\nwatch 192.0.2.7 2001:db8::/32\ncheck http://:80/\n}\n}\n",
		"example.org {\nrrhealth www.example.org {\nwatch 192.0.2.0/24\ndry_run\n}\nrrhealth www.example.org {\nbackend 192.0.2.1\ndry_run\n}\n}\n",
		"example.org {\nrrhealth {\ncheck tls://www.example.org:443\nwatch any\n}\n}\n",
	} {
		if err := harness.Validate(corefile); err != nil {
			t.Errorf("%q: %v", corefile, err)
		}
	}
}

func TestAFilterAnswersAllUnlessMaxAnswersIsGiven(t *testing.T) {
	for block, want := range map[string]int{"": 0, "max_answers 3": 3, "max_answers 0": 0} {
		s := parsed(t, "rrhealth {\nwatch any\n"+block+"\n}")[0]
		if s.pool.MaxAnswers != want || s.pool.TTL != seconds(staticTTL) || s.pool.AllDown != pool.ActAnswer {
			t.Errorf("%q: %+v, want max_answers %d", block, s.pool, want)
		}
	}
}
