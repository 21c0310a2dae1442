package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"
)

func TestTheSBOMListsWhatIsInTheProgram(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	content, err := sbom(self)
	if err != nil {
		t.Fatal(err)
	}
	again, _ := sbom(self)
	if string(content) != string(again) {
		t.Error("two SBOMs of one program differ")
	}
	var got bom
	if err := json.Unmarshal(content, &got); err != nil {
		t.Fatal(err)
	}
	if got.Format != "CycloneDX" || got.Metadata.Component.Name != "github.com/rrhealth/rrhealth" {
		t.Errorf("got a %s list of %s, want a CycloneDX list of the project", got.Format, got.Metadata.Component.Name)
	}
	if len(got.Components) == 0 || !strings.HasPrefix(got.Components[0].PURL, "pkg:golang/std@1.") {
		t.Errorf("components %v, want the standard library first", got.Components)
	}
}

func TestAReplacedModuleIsListedAsWhatReplacedIt(t *testing.T) {
	b := describe(&debug.BuildInfo{
		GoVersion: "go1.26.8",
		Main:      debug.Module{Path: "example.org/Main", Version: "(devel)"},
		Deps: []*debug.Module{
			{Path: "example.org/a", Version: "v1.0.0", Sum: "h1:abc="},
			{Path: "example.org/b", Version: "v1.0.0", Replace: &debug.Module{Path: "example.org/Fork", Version: "v1.1.0+incompatible"}},
		},
	})
	want := []string{"pkg:golang/std@1.26.8", "pkg:golang/example.org/a@v1.0.0", "pkg:golang/example.org/fork@v1.1.0%2Bincompatible"}
	for i, c := range b.Components {
		if c.PURL != want[i] || c.Ref != want[i] {
			t.Errorf("component %d is %s, want %s", i, c.PURL, want[i])
		}
	}
	if len(b.Components) != len(want) {
		t.Errorf("%d components, want %d", len(b.Components), len(want))
	}
	if p := b.Components[1].Properties; len(p) != 1 || p[0].Value != "h1:abc=" {
		t.Errorf("properties %v, want the sum of go.sum", p)
	}
}

// `setcap cap_net_bind_service=+p` writes the same bytes.
func TestTheCapabilityIsToBindAndNothingElse(t *testing.T) {
	want := "\x00\x00\x00\x02" + "\x00\x04\x00\x00" + strings.Repeat("\x00", 12)
	if got := string(bindService()); got != want {
		t.Errorf("capability %q, want %q", got, want)
	}
}

func TestAFileLooksTheSameWheneverItIsMade(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a", "b")
	if err := place(path, []byte("x"), 0o755); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode() != 0o755 || info.ModTime().Unix() != 0 {
		t.Errorf("mode %v, time %v, want 0755 and the epoch", info.Mode(), info.ModTime())
	}
}
