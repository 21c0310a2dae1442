package rrhealth

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/rrhealth/rrhealth"

// downwards says which of our packages each part may import.
var downwards = map[string][]string{
	"plugin/api":        nil,
	"plugin/status":     {"plugin/api"},
	"plugin/history":    {"plugin/verdict"},
	"plugin/names":      nil,
	"plugin/probe":      nil,
	"plugin/state":      nil,
	"plugin/verdict":    nil,
	"plugin/monitor":    {"plugin/verdict"},
	"plugin/pool":       {"plugin/verdict"},
	"plugin/override":   {"plugin/pool", "plugin/verdict"},
	"plugin/config":     {"plugin/monitor", "plugin/pool", "plugin/probe", "plugin/verdict"},
	"plugin/reply":      {"plugin/pool"},
	"plugin/live":       {"plugin/config", "plugin/history", "plugin/monitor", "plugin/override", "plugin/pool", "plugin/probe", "plugin/verdict"},
	"plugin/operations": {"plugin/api", "plugin/config", "plugin/history", "plugin/live", "plugin/monitor", "plugin/override", "plugin/pool", "plugin/state", "plugin/status", "plugin/verdict"},
	"plugin/discover":   {"plugin/reply"},
	"plugin/filter":     {"plugin/config", "plugin/live", "plugin/names", "plugin/pool", "plugin/reply", "plugin/verdict"},
}

// foreignInTests says which foreign packages the tests of a part may import. What
// reply encodes is compared with what the server makes of the same message.
var foreignInTests = map[string][]string{
	"plugin/config": {"github.com/coredns/caddy/caddyfile"}, // the words that lines are read from
	"plugin/reply":  {"github.com/coredns/coredns/request"},
}

// rootFiles are the files of the root: the plugin's contracts with CoreDNS, one
// file each. What needs no CoreDNS has a package below plugin/.
var rootFiles = []string{
	"below.go",    // the plugins below, and writers of their answers
	"context.go",  // metadata, clients, nested queries
	"denial.go",   // NSEC records beside those of the dnssec plugin
	"fastpath.go", // writers that bytes may pass by
	"health.go",   // the life cycle, orphans, readiness, what operators ask
	"log.go",
	"metrics.go",
	"rrhealth.go", // ServeDNS
	"setup.go",    // the Corefile, instances of caddy
	"sign.go",     // the dnssec plugin
	"stack.go",    // the server's goroutines
	"start.go",    // warnings, the search for addresses to watch
}

// A file more in the root is the beginning of a package that has no room yet.
func TestTheRootHasTheFilesListed(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	files = slices.DeleteFunc(files, func(file string) bool { return strings.HasSuffix(file, "_test.go") })
	if !slices.Equal(files, rootFiles) {
		t.Errorf("files of the root: %v\nwant %v: a new one needs a reason in this test, or a package below plugin/", files, rootFiles)
	}
}

// forTests is what the tests of any part may import, and nothing else may.
const forTests = "internal/lease"

// The parts below plugin/ know neither CoreDNS nor Prometheus, and one another
// only downwards: that is what lets each be read, tested and changed alone.
func TestPartsImportOnlyDownwards(t *testing.T) {
	for part := range downwards {
		if files, err := filepath.Glob(filepath.Join(filepath.FromSlash(part), "*.go")); err != nil || len(files) == 0 {
			t.Errorf("a rule for %s, which has no Go files (%v)", part, err)
		}
	}
	err := filepath.WalkDir("plugin", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".go" {
			return err
		}
		part := filepath.ToSlash(filepath.Dir(path))
		allowed, known := downwards[part]
		if !known {
			t.Errorf("%s: no rule for package %s, want one in this test", path, part)
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range f.Imports {
			name, _ := strconv.Unquote(spec.Path.Value)
			own, ok := strings.CutPrefix(name, module+"/")
			test := strings.HasSuffix(path, "_test.go") && (own == forTests || own == part) // an Example imports its package
			if ok && !test && !slices.Contains(allowed, own) {
				t.Errorf("%s imports %s, want only %v", path, own, allowed)
			}
			for _, foreign := range []string{"github.com/coredns/", "github.com/prometheus/client_golang"} {
				if strings.HasPrefix(name, foreign) && !(strings.HasSuffix(path, "_test.go") && slices.Contains(foreignInTests[part], name)) {
					t.Errorf("%s imports %s, which parts do not know", path, name)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// The end-to-end tests see rrhealth from the outside, so that they stay as they
// are while it changes inside.
func TestEndToEndTestsKnowNoPackageOfOurs(t *testing.T) {
	files, err := filepath.Glob("test/*.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files in test (%v)", err)
	}
	helpers, _ := filepath.Glob("internal/harness/*.go")
	for _, file := range append(files, helpers...) {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, spec := range f.Imports {
			name, _ := strconv.Unquote(spec.Path.Value)
			blank := spec.Name != nil && spec.Name.Name == "_"
			if own, ok := strings.CutPrefix(name, module); ok && !strings.HasPrefix(own, "/internal/") && !(own == "" && blank) {
				t.Errorf("%s imports %s, want only rrhealth for its directive, and helpers", file, name)
			}
		}
	}
}

// A program that embeds rrhealth selects its plugins. They must not import coremain,
// which would add the command line of CoreDNS to it (see core/dnsserver's doc).
func TestThePluginDoesNotBringTheCommandLineAlong(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, spec := range f.Imports {
			switch name, _ := strconv.Unquote(spec.Path.Value); name {
			case "github.com/coredns/coredns/coremain", "github.com/coredns/coredns/plugin/metrics", "github.com/coredns/coredns/plugin/cache":
				t.Errorf("%s imports %s, which imports coremain", file, name)
			}
		}
	}
}
