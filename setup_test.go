package rrhealth

import (
	"flag"
	"os"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/coredns/caddy"
	"github.com/coredns/coredns/core/dnsserver"

	"github.com/rrhealth/rrhealth/internal/harness"
	"github.com/rrhealth/rrhealth/plugin/config"
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
		for file, text := range map[string]string{golden: got.String(), errorsDocument: pageOfErrors(got.String())} {
			if err := os.WriteFile(file, []byte(text), 0o644); err != nil { // #nosec G306 -- a document
				t.Fatal(err)
			}
		}
	}
}

// parsed returns the stanzas of a server block for example.org.
func parsed(t *testing.T, block string) []config.Stanza {
	t.Helper()
	c := caddy.NewTestController("dns", block)
	c.ServerBlockKeys = []string{"example.org."}
	stanzas, err := parse(c, "")
	if err != nil {
		t.Fatal(err)
	}
	return stanzas
}

func TestTheNameDefaultsToTheServerBlocks(t *testing.T) {
	c := caddy.NewTestController("dns", "rrhealth {\nbackend 192.0.2.1\n}")
	c.ServerBlockKeys = []string{"get.example.org.:1053", "get.example.net.", "tls://get.example.org."}
	stanzas, err := parse(c, "")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := stanzas[0].Names, []string{"get.example.org.", "get.example.net."}; !slices.Equal(got, want) {
		t.Errorf("names %v, want %v", got, want)
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

// FuzzCorefile has CoreDNS read what is fuzzed. FuzzParse of plugin/config fuzzes
// the lines that this results in.
func FuzzCorefile(f *testing.F) {
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
		for i := range h.rules.Pools {
			p := &h.rules.Pools[i]
			if h.rules.Pool(p.Name) != p {
				t.Errorf("pool %q is not found by its name", p.Name)
			}
		}
	})
}
