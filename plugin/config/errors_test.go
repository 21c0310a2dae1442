package config

import (
	"cmp"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// corefileErrors has wrong Corefiles with their errors. The root package has
// CoreDNS read them, and writes the file.
const corefileErrors = "../../testdata/corefile_errors.txt"

// Only CoreDNS reads imports, comments and escapes, and reports braces that are
// out of place.
var (
	beyondText = regexp.MustCompile(`(?m)\bimport\b|^\(|#|\\`)
	ofBraces   = regexp.MustCompile(`unexpected [{}]|behind [{]|no [}] for`)
)

// Without CoreDNS, Parse returns the same errors.
func TestBadStanzasGetErrorsThatHelp(t *testing.T) {
	data, err := os.ReadFile(corefileErrors)
	if err != nil {
		t.Fatal(err)
	}
	compared := 0
	for entry := range strings.SplitSeq(strings.TrimPrefix(string(data), "### "), "\n### ") {
		title, rest, _ := strings.Cut(entry, "\n")
		corefile, want, _ := strings.Cut(rest, "=> ")
		want, ours := strings.CutPrefix(strings.TrimSpace(want), "plugin/rrhealth: ")
		t.Run(title, func(t *testing.T) {
			if !ours || beyondText.MatchString(corefile) || ofBraces.MatchString(want) {
				t.Skip("only CoreDNS reads this Corefile")
			}
			compared++
			var got string
			if err := parseCorefile(corefile); err != nil {
				got = err.Error()
			}
			if got != want {
				t.Errorf("got:  %s\nwant: %s\n(go test -run Errors -update . at the top writes what is got)", got, want)
			}
		})
	}
	if compared < 100 {
		t.Errorf("compared %d errors, want at least 100", compared)
	}
}

// parseCorefile parses the stanzas of all server blocks.
func parseCorefile(corefile string) error {
	var errs []error
	var first *Process
	for _, server := range text(corefile) {
		in := Block{Root: "../..", Process: first}
		for _, key := range server.Words {
			in.Zones = append(in.Zones, strings.ToLower(dns.Fqdn(key)))
		}
		var lines []Line
		for _, l := range server.Block {
			if l.word() == "rrhealth" {
				lines = append(lines, l)
			}
		}
		_, own, err := Parse(lines, in)
		first = cmp.Or(first, own)
		errs = append(errs, err)
	}
	return Join(errs...)
}

// FuzzParse looks for blocks that make Parse panic, for errors that a log cannot
// have, and for stanzas that are accepted and incomplete.
func FuzzParse(f *testing.F) {
	data, err := os.ReadFile(corefileErrors)
	if err != nil {
		f.Fatal(err)
	}
	for entry := range strings.SplitSeq(string(data), "### ") {
		if _, rest, ok := strings.Cut(entry, "{\n"); ok {
			block, _, _ := strings.Cut(rest, "\n}\n=>")
			f.Add(block)
		}
	}
	for _, tc := range goodProcesses {
		f.Add("rrhealth {\n" + tc.block + "\n}")
	}
	f.Fuzz(func(t *testing.T, block string) {
		lines := text(block)
		for i := range lines {
			lines[i].Words[0] = "rrhealth"
		}
		stanzas, process, err := Parse(lines, exampleOrg)
		if err != nil {
			checkErrorText(t, err)
			return
		}
		for i := range stanzas {
			checkComplete(t, &stanzas[i])
		}
		if process != nil {
			checkProcess(t, process)
		}
	})
}

// checkComplete complains about what is missing or contradictory in s.
func checkComplete(t *testing.T, s *Stanza) {
	t.Helper()
	for _, name := range s.Names {
		if !dns.IsSubDomain("example.org.", name) || name != strings.ToLower(dns.Fqdn(name)) {
			t.Errorf("accepted the name %q", name)
		}
	}
	if s.IsFilter() == (len(s.Pool.Backends) > 0) {
		t.Errorf("a filter: %t, with %d backends", s.IsFilter(), len(s.Pool.Backends))
	}
	for _, b := range s.Pool.Backends {
		if usable(b.Addr) != nil || usable(b.CheckAddr) != nil || b.Weight < 1 || b.Tier < 1 {
			t.Errorf("accepted the backend %+v", b)
		}
	}
	for _, c := range s.Checks {
		p := c.Pace
		if p.Timeout >= p.Interval || p.Timeout <= 0 || p.Fast <= 0 || p.Fast > p.Interval || p.Rule.FallHard > p.Rule.Fall || p.ID != c.Probe.ID {
			t.Errorf("accepted the pace %+v", p)
		}
	}
	if s.Pool.ShortTTL == 0 || s.Pool.FastTTL == 0 {
		t.Errorf("a TTL is missing: %+v", s.Pool)
	}
	s.Warnings()
}
