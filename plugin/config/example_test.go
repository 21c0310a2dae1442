package config_test

import (
	"fmt"
	"net/netip"

	"github.com/rrhealth/rrhealth/plugin/config"
)

// A stanza, line by line, becomes a pool and its checks. What it does not set
// follows from the rest: the TTL, for example, from the pace of the check.
func ExampleParse() {
	at := func(no int, words ...string) config.Line {
		return config.Line{File: "Corefile", No: no, Words: words}
	}
	stanza := at(1, "rrhealth", "WWW.example.org")
	stanza.Block = []config.Line{
		at(2, "backend", "192.0.2.1", "192.0.2.2"),
		at(3, "backend", "192.0.2.3", "tier", "2"),
		at(4, "check", "http://:8080/healthz"),
		at(5, "interval", "10s", "fast", "2s"),
	}
	stanzas, _, err := config.Parse([]config.Line{stanza}, config.Block{Zones: []string{"example.org."}})
	if err != nil {
		fmt.Println(err)
		return
	}
	s := stanzas[0]
	fmt.Println("names", s.Names, "policy", s.Pool.Policy, "ttl", s.Pool.TTL)
	for _, b := range s.Pool.Backends {
		fmt.Println("backend", b.Addr, "tier", b.Tier)
	}
	for _, c := range s.Checks {
		fmt.Println("check", c.Probe.Label, "every", c.Pace.Interval, "rise", c.Pace.Rule.Rise, "fall", c.Pace.Rule.Fall)
	}
	// Output:
	// names [www.example.org.] policy rotate ttl 14
	// backend 192.0.2.1 tier 1
	// backend 192.0.2.2 tier 1
	// backend 192.0.2.3 tier 2
	// check http://:8080/healthz every 10s rise 2 fall 3
}

// Parse returns all errors at once, each with its line.
func ExampleParse_errors() {
	stanza := config.Line{File: "Corefile", No: 1, Words: []string{"rrhealth"}, Block: []config.Line{
		{File: "Corefile", No: 2, Words: []string{"backend", "192.0.2.1", "weight", "0"}},
		{File: "Corefile", No: 3, Words: []string{"ttl", "30"}},
	}}
	_, _, err := config.Parse([]config.Line{stanza}, config.Block{Zones: []string{"example.org."}})
	fmt.Println(err)
	// Output:
	// 2 errors in the Corefile:
	// Corefile:2 - Error during parsing: backend: weight 0, want 1 to 65535; to answer it no longer, write drain
	// Corefile:3 - Error during parsing: ttl: "30" has no unit, want a duration such as 30s
}

// A filter probes only what its networks contain.
func ExampleNetworks_Contain() {
	stanza := config.Line{File: "Corefile", No: 1, Words: []string{"rrhealth", "example.org"}, Block: []config.Line{
		{File: "Corefile", No: 2, Words: []string{"watch", "any"}},
	}}
	stanzas, _, err := config.Parse([]config.Line{stanza}, config.Block{Zones: []string{"."}})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, text := range []string{"192.0.2.1", "127.0.0.1", "169.254.169.254"} {
		fmt.Println(text, stanzas[0].Watch.Contain(netip.MustParseAddr(text)))
	}
	// Output:
	// 192.0.2.1 true
	// 127.0.0.1 false
	// 169.254.169.254 false
}
