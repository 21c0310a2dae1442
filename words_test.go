package rrhealth

import (
	"bufio"
	"io/fs"
	"os"
	slashpath "path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// wordFile lists the words that are no longer used.
const wordFile = "testdata/words.txt"

type retiredWord struct {
	is, use string
	within  string // patterns of folders, separated by ", "; "" for the whole tree
	at      *regexp.Regexp
	bare    bool // a word alone
}

// retiredIn reports whether w may not be used in file.
func (w *retiredWord) retiredIn(file string) bool {
	if w.within == "" {
		return true
	}
	folder := slashpath.Dir(file)
	return slices.ContainsFunc(strings.Split(w.within, ", "), func(pattern string) bool {
		if top, ok := strings.CutSuffix(pattern, "/..."); ok {
			return strings.HasPrefix(folder+"/", top+"/")
		}
		matches, err := slashpath.Match(pattern, folder)
		return err == nil && matches
	})
}

// An allowance lets lines with a text pass, in the files that match a pattern.
type allowance struct{ file, text string }

// retiredWords reads wordFile.
func retiredWords(t *testing.T) (words []retiredWord, allowed []allowance) {
	t.Helper()
	text, err := os.ReadFile(wordFile)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if rest, ok := strings.CutPrefix(line, "allow "); ok {
			file, text, ok := strings.Cut(rest, ": ")
			if !ok {
				t.Fatalf("%s: %q: want allow FILE: TEXT", wordFile, line)
			}
			allowed = append(allowed, allowance{file, text})
			continue
		}
		var within string
		if rest, ok := strings.CutPrefix(line, "in "); ok {
			if within, line, ok = strings.Cut(rest, ": "); !ok {
				t.Fatalf("%s: %q: want in FOLDERS: OLD -> NEW", wordFile, rest)
			}
		}
		is, use, ok := strings.Cut(line, " -> ")
		if !ok {
			t.Fatalf("%s: %q: want OLD -> NEW", wordFile, line)
		}
		at, err := regexp.Compile(`(?i)` + wholeWord(is))
		if err != nil {
			t.Fatalf("%s: %q: %v", wordFile, line, err)
		}
		words = append(words, retiredWord{is, use, within, at, bareWord.MatchString(is)})
	}
	return words, allowed
}

var bareWord = regexp.MustCompile(`^[a-z]+$`)

// wholeWord makes an expression that is a bare word match whole words only,
// also as a part of an identifier: shadow_total and inShadow, not overshadowed.
func wholeWord(expr string) string {
	if bareWord.MatchString(expr) {
		title := strings.ToUpper(expr[:1]) + expr[1:]
		return `(\b|_)` + expr + `(\b|_)|(?-i:` + title + `([A-Z0-9_]|\b)|\b` + expr + `[A-Z])`
	}
	return expr
}

// worded reports whether people read the file: code, scripts, documents,
// Corefiles and manifests of ours.
func worded(file string) bool {
	if slices.Contains([]string{wordFile, "words_test.go", "CHANGELOG.md", "LICENSE"}, file) {
		return false
	}
	folder, name := filepath.Dir(file), filepath.Base(file)
	if slices.Contains([]string{"testdata", "scripts", ".ci"}, folder) || slices.Contains([]string{"Makefile", "run", "build", "make", "generate"}, name) ||
		strings.HasPrefix(name, "Corefile") {
		return true
	}
	return slices.Contains([]string{".go", ".md", ".7", ".yml", ".yaml", ".service", ".sh", ".txt", ".svg", ".cfg", ".conf"}, filepath.Ext(file))
}

// skippedFolder reports whether nothing in the folder is text of ours.
func skippedFolder(folder string) bool {
	return folder == "build" || folder == ".git" || folder == "node_modules"
}

// eachWordedLine calls f with each line of the tree.
func eachWordedLine(t *testing.T, f func(file string, n int, line string)) {
	t.Helper()
	err := filepath.WalkDir(".", func(file string, d fs.DirEntry, err error) error {
		switch file = filepath.ToSlash(file); {
		case err != nil:
			return err
		case d.IsDir():
			if skippedFolder(file) {
				return filepath.SkipDir
			}
			return nil
		case !d.Type().IsRegular() || !worded(file):
			return nil
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		lines := bufio.NewScanner(strings.NewReader(string(text)))
		lines.Buffer(nil, len(text)+1)
		for n := 1; lines.Scan(); n++ {
			f(file, n, lines.Text())
		}
		return lines.Err()
	})
	if err != nil {
		t.Fatal(err)
	}
}

// The field has a word for most things, and every thing has one word here.
func TestRetiredWords(t *testing.T) {
	words, allowed := retiredWords(t)
	files := make(map[string]bool)
	eachWordedLine(t, func(file string, n int, line string) {
		files[file] = true
		lower := strings.ToLower(line)
		for _, w := range words {
			if !w.retiredIn(file) || w.bare && !strings.Contains(lower, w.is) {
				continue
			}
			found := w.at.FindString(line)
			if found == "" || slices.ContainsFunc(allowed, func(a allowance) bool {
				matches, err := filepath.Match(a.file, file)
				return err == nil && matches && strings.Contains(line, a.text)
			}) {
				continue
			}
			t.Errorf("%s:%d: %q, use %s", file, n, found, w.use)
		}
	})
	if _, err := os.Stat("deploy"); err != nil {
		return // only a part of the tree is here, see scripts/compat
	}
	for _, file := range []string{"README.md", "ARCHITECTURE.md", "Corefile.example", "testdata/corefile_errors.txt", "deploy/man/coredns-rrhealth.7", "plugin/pool/pool.go", "deploy/kubernetes/overlays/sidecar/Corefile", "scripts/readme", "examples/4-delegation/run"} {
		if !files[file] {
			t.Errorf("%s is not looked at", file)
		}
	}
}

func TestRetiredWordsAreFound(t *testing.T) {
	for text, word := range map[string]string{
		"a shadow of":   "shadow",
		"Shadow, too":   "shadow",
		"shadow_total":  "shadow",
		"in_shadow":     "shadow",
		"inShadow()":    "shadow",
		"shadowCount++": "shadow",
		"parseShadow2":  "shadow",
		"overshadowed":  "",
		"shadows":       "",
		"the long way":  "(short|long) ?ways?",
		"TheLongWay":    "(short|long) ?ways?",
	} {
		words, _ := retiredWords(t)
		i := slices.IndexFunc(words, func(w retiredWord) bool { return w.at.MatchString(text) })
		if i < 0 && word != "" || i >= 0 && words[i].is != word {
			t.Errorf("%q: found %d, want %q", text, i, word)
		}
	}
}

func TestARetiredWordMayBeThatOfSomeFolders(t *testing.T) {
	for _, tc := range []struct {
		within, file string
		want         bool
	}{
		{"", "README.md", true},
		{"plugin/*", "plugin/pool/pool.go", true},
		{"plugin/*", "plugin/probe/testdata/peers.txt", false},
		{"plugin/*", "README.md", false},
		{"plugin/pool", "plugin/probe/dns.go", false},
		{"bench/..., cmd/...", "bench/main.go", true},
		{"bench/..., cmd/...", "cmd/coredns/main.go", true},
		{"bench/..., cmd/...", "benchmark/main.go", false},
		{"bench/...", "plugin/bench/main.go", false},
	} {
		w := retiredWord{within: tc.within}
		if got := w.retiredIn(tc.file); got != tc.want {
			t.Errorf("in %q: %s: %t, want %t", tc.within, tc.file, got, tc.want)
		}
	}
}
