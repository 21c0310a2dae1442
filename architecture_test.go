package rrhealth

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	namedFile = regexp.MustCompile("`([a-z_/]+\\.go)`")
	namedTest = regexp.MustCompile(`\b(Test|Fuzz|Benchmark)[A-Z]\w+`)
)

// A developer reads ARCHITECTURE.md first. Files and tests that it names but
// that have moved or gone send them on a search.
func TestTheArchitectureNamesFilesAndTestsThatExist(t *testing.T) {
	if _, err := os.Stat("deploy"); err != nil {
		t.Skip("only a part of the tree is here") // see scripts/compat
	}
	text, err := os.ReadFile("ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	files, tests := goFiles(t)
	for _, m := range namedFile.FindAllStringSubmatch(string(text), -1) {
		if !files[m[1]] {
			t.Errorf("ARCHITECTURE.md names %s, which is neither a path nor the name of a Go file", m[1])
		}
	}
	for _, name := range namedTest.FindAllString(string(text), -1) {
		if !strings.Contains(tests, "func "+name+"(") {
			t.Errorf("ARCHITECTURE.md names %s, which no test file has", name)
		}
	}
}

// goFiles returns the paths and the base names of all Go files, and the text of
// those with tests.
func goFiles(t *testing.T) (files map[string]bool, tests string) {
	t.Helper()
	files = make(map[string]bool)
	var text strings.Builder
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (path == "build" || path == ".git"):
			return filepath.SkipDir
		case filepath.Ext(path) != ".go":
			return nil
		}
		files[filepath.ToSlash(path)], files[filepath.Base(path)] = true, true
		if strings.HasSuffix(path, "_test.go") {
			content, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			text.Write(content)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files, text.String()
}
