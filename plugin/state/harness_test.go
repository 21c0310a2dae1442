package state_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rrhealth/rrhealth/plugin/state"
)

// A doc is what the tests save: which save it is, and as many bytes as it takes.
type doc struct {
	N    int      `json:"n"`
	Fill []string `json:"fill"`
}

// document returns the document of save n, of at least size bytes.
func document(n, size int) doc {
	d := doc{N: n, Fill: []string{}}
	for i := 0; i < size; i += 1000 {
		d.Fill = append(d.Fill, strings.Repeat(fmt.Sprint(n%10), 1000))
	}
	return d
}

// intact fails unless d is what document has returned.
func intact(t *testing.T, d doc) {
	t.Helper()
	for i, s := range d.Fill {
		if s != strings.Repeat(fmt.Sprint(d.N%10), 1000) {
			t.Fatalf("save %d: part %d is not of that save", d.N, i)
		}
	}
}

// A journal collects log lines.
type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) warn(format string, args ...any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, fmt.Sprintf(format, args...))
}

// all returns the lines, and forgets them.
func (j *journal) all() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	lines := j.lines
	j.lines = nil
	return lines
}

// want fails unless the lines since the last call contain the texts, one each.
func (j *journal) want(t *testing.T, texts ...string) {
	t.Helper()
	lines := j.all()
	if len(lines) != len(texts) {
		t.Fatalf("%d lines, want %d:\n%s", len(lines), len(texts), strings.Join(lines, "\n"))
	}
	for i, text := range texts {
		if !strings.HasPrefix(lines[i], "state /") || !strings.Contains(lines[i], text) {
			t.Errorf("line %q, want %q in it", lines[i], text)
		}
	}
}

// open opens dir with version 1, and closes it when the test ends.
func open(t *testing.T, dir string, j *journal) *state.Dir {
	t.Helper()
	return openWith(t, dir, state.Options{Version: 1, Warn: j.warn})
}

func openWith(t *testing.T, dir string, o state.Options) *state.Dir {
	t.Helper()
	d, err := state.Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

// saved returns the document that dir has. It fails if there is none, or if there
// is something to warn of.
func saved(t *testing.T, dir string) doc {
	t.Helper()
	var j journal
	d := open(t, dir, &j)
	var got doc
	if _, ok := d.Load(&got); !ok {
		t.Fatalf("no document in %v: %q", names(t, dir), j.all())
	}
	j.want(t)
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	intact(t, got)
	return got
}

// put saves doc in dir, without Start.
func put(t *testing.T, dir string, v any) {
	t.Helper()
	var j journal
	d := open(t, dir, &j)
	if err := d.Save(v); err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
}

// names returns the files in dir but the lock.
func names(t *testing.T, dir string) (all []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() != state.LockName {
			all = append(all, e.Name())
		}
	}
	return all
}

// wantNames fails unless dir has these files, and the lock.
func wantNames(t *testing.T, dir string, want ...string) {
	t.Helper()
	slices.Sort(want)
	if got := names(t, dir); !slices.Equal(got, want) {
		t.Errorf("files %q, want %q", got, want)
	}
}

// write writes content as the state of dir.
func write(t *testing.T, dir string, content []byte) {
	t.Helper()
	writeFile(t, dir, state.FileName, content)
}

func writeFile(t *testing.T, dir, name string, content []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
		t.Fatal(err)
	}
}

func readFile(t *testing.T, dir, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// interrupt has f called before each step until the test ends.
func interrupt(t *testing.T, f func(step string) error) {
	t.Helper()
	state.Interrupt(f)
	t.Cleanup(func() { state.Interrupt(nil) })
}

// noon is the time of the tests' wall clock.
var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// at returns a wall clock that shows now.
func at(now time.Time) func() time.Time { return func() time.Time { return now } }
