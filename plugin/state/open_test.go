package state_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rrhealth/rrhealth/plugin/state"
)

func TestWhatIsSavedIsLoaded(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	var j journal
	o := state.Options{Version: 3, Warn: j.warn, Now: at(noon)}
	d := openWith(t, dir, o)
	if _, ok := d.Load(new(doc)); ok {
		t.Error("a document in a new directory")
	}
	if s := d.Status(); s != (state.Status{Path: filepath.Join(dir, state.FileName)}) {
		t.Errorf("status %+v, want the path alone", s)
	}
	d.Start(func() any { return document(7, 3000) })
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}

	d = openWith(t, dir, o)
	var got doc
	savedAt, ok := d.Load(&got)
	if !ok || got.N != 7 || len(got.Fill) != 3 || !savedAt.Equal(noon) {
		t.Errorf("loaded %d with %d parts of %v, %t", got.N, len(got.Fill), savedAt, ok)
	}
	intact(t, got)
	content := readFile(t, dir, state.FileName)
	if s := d.Status(); !s.SavedAt.Equal(noon) || s.Bytes != len(content) || s.Err != nil {
		t.Errorf("status %+v, want %d bytes of %v", s, len(content), noon)
	}
	if !strings.HasPrefix(content, `{"format":"rrhealth-state","version":3,"saved":"2026-11-24T12:00:00Z","payload":{"n":7,`) {
		t.Errorf("file %.100s", content)
	}
	j.want(t)
}

// The state of backends is for the user of the server only.
func TestTheDirectoryAndTheFileArePrivate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	put(t, dir, document(1, 0))
	for path, want := range map[string]os.FileMode{dir: 0o700, filepath.Join(dir, state.FileName): 0o600} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != want {
			t.Errorf("%s: mode %v, want %v", path, info.Mode().Perm(), want)
		}
	}
}

func TestOpenSaysWhyADirectoryCannotBeUsed(t *testing.T) {
	parent := t.TempDir()
	writeFile(t, parent, "file", nil)
	for name, want := range map[string]string{
		"file":          "not a directory",
		"file/state":    "not a directory",
		"missing/state": "cannot be made",
	} {
		d, err := state.Open(filepath.Join(parent, name), state.Options{Version: 1})
		if err == nil {
			_ = d.Close()
			t.Errorf("%s: opened, want an error", name)
			continue
		}
		if text := err.Error(); !strings.HasPrefix(text, "state "+parent) || !strings.Contains(text, want) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
}

// A relative path stays that of the start, also if the process changes directory.
func TestARelativeDirectory(t *testing.T) {
	parent := t.TempDir()
	t.Chdir(parent)
	d := open(t, "state", &journal{})
	t.Chdir(t.TempDir())
	if err := d.Save(document(1, 0)); err != nil {
		t.Fatal(err)
	}
	wantNames(t, filepath.Join(parent, "state"), state.FileName)
}

// A payload of another type is no reason to lose it.
func TestAPayloadThatDoesNotFitIsSetAside(t *testing.T) {
	dir := t.TempDir()
	content := state.Seal(1, noon, `{"n":"seven"}`)
	write(t, dir, content)
	var j journal
	d := openWith(t, dir, state.Options{Version: 1, Warn: j.warn, Now: at(noon)})
	if _, ok := d.Load(new(doc)); ok {
		t.Error("loaded, want a payload that does not fit")
	}
	j.want(t, "rrhealth.json is foreign (payload: json: cannot unmarshal string into Go struct field doc.n of type int), set aside as rrhealth.json.foreign-20261124T120000Z: starting without it")
	if s := d.Status(); !s.SavedAt.IsZero() || s.Bytes != 0 {
		t.Errorf("status %+v of a file that is not there", s)
	}
	if got := readFile(t, dir, "rrhealth.json.foreign-20261124T120000Z"); got != string(content) {
		t.Errorf("set aside: %s", got)
	}
	if _, ok := d.Load(new(doc)); ok {
		t.Error("loaded the second time")
	}
}

// panicking panics when it is encoded or decoded.
type panicking struct{}

func (panicking) MarshalJSON() ([]byte, error) { panic("no way out") }
func (*panicking) UnmarshalJSON([]byte) error  { panic("no way in") }

func TestAPanicOfThePayloadIsAnError(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, 1)
	var j journal
	d := open(t, dir, &j)
	if _, ok := d.Load(new(panicking)); ok {
		t.Error("loaded")
	}
	j.want(t, "payload: panic: no way in")
	if err := d.Save(panicking{}); err == nil || !strings.Contains(err.Error(), "no way out") {
		t.Errorf("saved: %v", err)
	}
}

// A new program may read what an old one has saved.
func TestAFileOfAnOlderVersionIsRead(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, state.Seal(1, noon, `{"n":5}`))
	var j journal
	d := openWith(t, dir, state.Options{Version: 2, Warn: j.warn})
	var got doc
	if _, ok := d.Load(&got); !ok || got.N != 5 {
		t.Errorf("loaded %+v, %t", got, ok)
	}
	j.want(t)
}

// The clock decides neither whether the state is read, nor when it is saved.
func TestTheClockIsSet(t *testing.T) {
	for _, tc := range []struct {
		name string
		now  time.Time
		age  time.Duration
		warn []string
	}{
		{"an hour later", noon.Add(time.Hour), time.Hour, nil},
		{"a day ahead", noon.AddDate(0, 0, 1), 24 * time.Hour, nil},
		{"a second back", noon.Add(-time.Second), 0, nil},
		{"a day back", noon.AddDate(0, 0, -1), 0, []string{"rrhealth.json was saved 24h0m0s in the future (2026-11-24T12:00:00Z): the clock has been set back, it counts as just saved"}},
		{"without a clock", time.Unix(0, 0), 0, []string{"in the future"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, dir, state.Seal(1, noon, `{"n":5}`))
			var j journal
			d := openWith(t, dir, state.Options{Version: 1, Warn: j.warn, Now: at(tc.now)})
			savedAt, ok := d.Load(new(doc))
			if !ok || !savedAt.Equal(noon) {
				t.Errorf("loaded of %v, %t", savedAt, ok)
			}
			if age := state.Age(savedAt, tc.now); age != tc.age {
				t.Errorf("age %v, want %v", age, tc.age)
			}
			j.want(t, tc.warn...)
			if err := d.Save(document(6, 0)); err != nil {
				t.Fatal(err)
			}
			if s := readFile(t, dir, state.FileName); !strings.Contains(s, tc.now.UTC().Format(time.RFC3339)) {
				t.Errorf("saved %.100s, want the time %v", s, tc.now)
			}
		})
	}
}

// A caller whose Open has failed need not ask whether it has a Dir.
func TestANilDirKeepsNothing(t *testing.T) {
	var d *state.Dir
	d.Start(func() any { t.Error("collected"); return 1 })
	d.Changed()
	if _, ok := d.Load(new(doc)); ok {
		t.Error("loaded")
	}
	if s := d.Status(); s != (state.Status{}) {
		t.Errorf("status %+v", s)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}
