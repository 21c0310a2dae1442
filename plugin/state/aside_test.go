package state_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rrhealth/rrhealth/plugin/state"
)

const asideAtNoon = "-20261124T120000Z"

// setsAside opens dir at noon, and fails unless the file is set aside as kind, and
// saves work.
func setsAside(t *testing.T, dir, kind, why string) {
	t.Helper()
	var j journal
	d := openWith(t, dir, state.Options{Version: 1, Warn: j.warn, Now: at(noon)})
	if _, ok := d.Load(new(doc)); ok {
		t.Errorf("loaded, want %s", kind)
	}
	name := state.FileName + "." + kind + asideAtNoon
	j.want(t, fmt.Sprintf("rrhealth.json is %s (%s), set aside as %s: starting without it", kind, why, name))
	wantNames(t, dir, name)
	if err := d.Save(document(1, 0)); err != nil {
		t.Error(err)
	}
	wantNames(t, dir, name, state.FileName)
	_ = d.Close()
	if got := saved(t, dir).N; got != 1 {
		t.Errorf("document %d, want 1", got)
	}
}

func TestAFileThatCannotBeUsedIsSetAside(t *testing.T) {
	good := string(state.Seal(1, noon, `{"n":5}`))
	for _, tc := range []struct{ name, content, kind, why string }{
		{"empty", "", "torn", "empty"},
		{"zeros", strings.Repeat("\x00", 4096), "torn", "empty"},
		{"half", good[:100], "torn", "its sum does not match"},
		{"the end missing", good[:len(good)-1], "torn", "its sum does not match"},
		{"zeros at the end", good[:100] + strings.Repeat("\x00", len(good)-100), "torn", "its sum does not match"},
		{"twice", good + good, "torn", "its sum does not match"},
		{"edited", strings.Replace(good, "5", "6", 1), "torn", "its sum does not match"},
		{"a time edited", strings.Replace(good, "12:00", "13:00", 1), "torn", "its sum does not match"},
		{"other JSON", `{"pools":[]}`, "foreign", "not written by rrhealth"},
		{"no JSON", "state: good\n", "foreign", "not written by rrhealth"},
		{"another format", `{"format":"rrhealth-statistics","version":1}`, "foreign", "not written by rrhealth"},
		{"binary", "\x7fELF\x02\x01\x01", "foreign", "not written by rrhealth"},
		{"a sum of another form", string(state.SealBody(`{"format":"rrhealth-state","version":1,"payload":1`)), "foreign", "its sum matches, its form does not"},
		{"a sum of another time", string(state.SealBody(`{"format":"rrhealth-state","version":1,"saved":"noon","payload":1`)), "foreign", "its sum matches, its form does not"},
		{"no version", string(state.SealBody(`{"format":"rrhealth-state","version":,"saved":"2026-11-24T12:00:00Z","payload":`)), "foreign", "payload: unexpected end of JSON input"},
		{"newer", string(state.Seal(2, noon, `{"n":5}`)), "newer", "version 2, this program reads 1 at most"},
		{"much newer, in a form to come", `{"format":"rrhealth-state","version":17,"compressed":"zstd"`, "newer", "version 17, this program reads 1 at most"},
		{"newest", `{"format":"rrhealth-state","version":99999999999999999999,`, "newer", "version 99999999999999999999, this program reads 1 at most"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, dir, []byte(tc.content))
			setsAside(t, dir, tc.kind, tc.why)
			if got := readFile(t, dir, state.FileName+"."+tc.kind+asideAtNoon); got != tc.content {
				t.Errorf("set aside: %q, want %q", got, tc.content)
			}
		})
	}
}

// Not only files can be in the place of the file.
func TestWhatIsNoFileIsSetAside(t *testing.T) {
	for _, tc := range []struct {
		name, why string
		make      func(path string) error
	}{
		{"a directory", "not a regular file", func(path string) error { return os.MkdirAll(filepath.Join(path, "data"), 0o700) }},
		{"a named pipe without a writer", "not a regular file", func(path string) error { return syscall.Mkfifo(path, 0o600) }},
		{"a device", "not a regular file", func(path string) error { return os.Symlink(os.DevNull, path) }},
		{"a link to itself", "open PATH: too many levels of symbolic links", func(path string) error { return os.Symlink(path, path) }},
		{"a file of 2 GiB", "2147483648 bytes, at most 1073741824 are read", func(path string) error {
			if err := os.WriteFile(path, nil, 0o600); err != nil {
				return err
			}
			return os.Truncate(path, 2*state.MaxFile) // sparse
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, state.FileName)
			if err := tc.make(path); err != nil {
				t.Fatal(err)
			}
			setsAside(t, dir, "foreign", strings.Replace(tc.why, "PATH", path, 1))
		})
	}
}

// A write that has been cut off anywhere, as after a power failure on a disk that
// lies about syncs.
func TestAFileIsCutOffAnywhere(t *testing.T) {
	good := state.Seal(1, noon, `{"n":5,"fill":[]}`)
	for i := range good {
		dir := t.TempDir()
		write(t, dir, good[:i])
		why := "its sum does not match"
		switch {
		case i == 0:
			why = "empty"
		case i < len(`{"format":"rrhealth-state","version":`):
			why = "cut off"
		}
		setsAside(t, dir, "torn", why)
		if got := readFile(t, dir, state.FileName+".torn"+asideAtNoon); got != string(good[:i]) {
			t.Errorf("%d bytes: set aside %q", i, got)
		}
	}
}

// No bit of a file can change unnoticed.
func TestABitOfAFileIsFlipped(t *testing.T) {
	good := state.Seal(1, noon, `{"n":5,"fill":[]}`)
	if err := state.Parse(good); err != nil {
		t.Fatal(err)
	}
	for i := range 8 * len(good) {
		flipped := bytes.Clone(good)
		flipped[i/8] ^= 1 << (i % 8)
		if state.Parse(flipped) == nil {
			t.Errorf("bit %d: %q is good", i, flipped)
		}
		if i%8 != i/8%8 {
			continue
		}
		dir := t.TempDir()
		write(t, dir, flipped)
		var j journal
		open(t, dir, &j)
		if all := names(t, dir); len(all) != 1 || all[0] == state.FileName || len(j.all()) != 1 || readFile(t, dir, all[0]) != string(flipped) {
			t.Errorf("bit %d: files %q, want the flipped one set aside, and a line", i, all)
		}
	}
}

// An operator who goes back to an older program and forward again has the state of
// the newer one.
func TestAFileOfANewerVersionIsNotTouched(t *testing.T) {
	dir := t.TempDir()
	content := state.Seal(2, noon, `{"n":5}`)
	write(t, dir, content)
	setsAside(t, dir, "newer", "version 2, this program reads 1 at most")
	aside := state.FileName + ".newer" + asideAtNoon
	for n := range 10 { // saves and starts of the older one
		put(t, dir, document(n, 0))
	}
	if got := readFile(t, dir, aside); got != string(content) {
		t.Errorf("set aside: %q, want %q", got, content)
	}
	if err := os.Rename(filepath.Join(dir, aside), filepath.Join(dir, state.FileName)); err != nil {
		t.Fatal(err)
	}
	var got doc
	if _, ok := openWith(t, dir, state.Options{Version: 2}).Load(&got); !ok || got.N != 5 {
		t.Errorf("loaded %+v, %t, want the document of the newer version", got, ok)
	}
}

// keeps opens dir with a torn file at each time, and returns the numbers of those
// kept: the first is 0.
func keeps(t *testing.T, times ...time.Time) (kept []int) {
	t.Helper()
	dir := t.TempDir()
	for i, now := range times {
		write(t, dir, fmt.Appendf(nil, `{"format":"rrhealth-state","version":1,%d`, i))
		d := openWith(t, dir, state.Options{Version: 1, Now: at(now)})
		_ = d.Close()
	}
	for _, name := range names(t, dir) {
		var i int
		if _, err := fmt.Sscanf(readFile(t, dir, name), `{"format":"rrhealth-state","version":1,%d`, &i); err != nil {
			t.Fatal(err)
		}
		kept = append(kept, i)
	}
	slices.Sort(kept)
	return kept
}

// A server that restarts again and again does not fill the disk.
func TestFiveFilesAreKept(t *testing.T) {
	hour := func(n int) time.Time { return noon.Add(time.Duration(n) * time.Hour) }
	for _, tc := range []struct {
		name  string
		times []time.Time
		want  []int
	}{
		{"five", []time.Time{hour(0), hour(1), hour(2), hour(3), hour(4)}, []int{0, 1, 2, 3, 4}},
		{"seven", []time.Time{hour(0), hour(1), hour(2), hour(3), hour(4), hour(5), hour(6)}, []int{2, 3, 4, 5, 6}},
		{"in one second", slices.Repeat([]time.Time{noon}, 12), []int{7, 8, 9, 10, 11}},
		{"the clock is set back", []time.Time{hour(20), hour(21), hour(22), hour(23), hour(24), hour(0)}, []int{1, 2, 3, 4, 5}},
	} {
		if got := keeps(t, tc.times...); !slices.Equal(got, tc.want) {
			t.Errorf("%s: kept %v, want %v", tc.name, got, tc.want)
		}
	}
}

// Each kind has its own five: torn files do not drive out one of a newer version.
func TestFiveFilesOfEachKindAreKept(t *testing.T) {
	dir := t.TempDir()
	for i := range 8 {
		for _, content := range []string{"{", "x", `{"format":"rrhealth-state","version":2,`} {
			write(t, dir, []byte(content))
			d := openWith(t, dir, state.Options{Version: 1, Now: at(noon.Add(time.Duration(i) * time.Second))})
			_ = d.Close()
		}
	}
	count := make(map[string]int)
	for _, name := range names(t, dir) {
		kind, _, _ := strings.Cut(strings.TrimPrefix(name, state.FileName+"."), "-")
		count[kind]++
	}
	if got := fmt.Sprint(count); got != "map[foreign:5 newer:5 torn:5]" {
		t.Errorf("kept %s", got)
	}
}
