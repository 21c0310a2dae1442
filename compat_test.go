package rrhealth

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// docs/install.md names the versions that scripts/compat tests with, and that of
// go.mod. README.md names the first and the last.
func TestTheDocumentsNameTheVersionsOfCoreDNS(t *testing.T) {
	read := func(file, pattern string) string {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		m := regexp.MustCompile(pattern).FindSubmatch(text)
		if m == nil {
			t.Fatalf("%s: nothing matches %s", file, pattern)
		}
		return string(m[1])
	}
	want := read("scripts/compat", `versions=\(([\d. ]+)\)`)
	first, _, _ := strings.Cut(want, " ")
	last := read("go.mod", `github.com/coredns/coredns v([\d.]+)`)
	want = strings.ReplaceAll(want, " ", ", ") + " and " + last
	if got := read("docs/install.md", `with CoreDNS ([\d., and]+) \(`); got != want {
		t.Errorf("docs/install.md names %s, want %s", got, want)
	}
	contains(t, "README.md", document(t, "README.md"), "with CoreDNS "+first+" to "+last)
}
