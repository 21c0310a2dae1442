package state_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/rrhealth/rrhealth/plugin/state"
)

// FuzzOpen opens a directory with any file. With sealed, its sum is right. Open
// neither fails nor panics, and the file is there afterwards, as it was.
func FuzzOpen(f *testing.F) {
	good := state.Seal(1, noon, `{"n":5,"fill":["a"]}`)
	body := good[:len(good)-77]
	for i := 0; i < len(good); i += 10 {
		f.Add(good[:i], false)
		f.Add(good[i:], false)
		f.Add(body[:min(i, len(body))], true)
	}
	f.Add(good, false)
	f.Add([]byte(`{"format":"rrhealth-state","version":2,"x":1}`), false)
	f.Add(make([]byte, 100), false)
	f.Add(body, true)
	f.Fuzz(func(t *testing.T, content []byte, sealed bool) {
		if sealed {
			content = state.SealBody(string(content))
		}
		dir := t.TempDir()
		write(t, dir, content)
		var j journal
		d := open(t, dir, &j)
		var got doc
		_, ok := d.Load(&got)
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		all := names(t, dir)
		if len(all) != 1 || ok != (all[0] == state.FileName) {
			t.Fatalf("files %q, loaded %t", all, ok)
		}
		if b, err := os.ReadFile(filepath.Join(dir, all[0])); err != nil || string(b) != string(content) {
			t.Errorf("%s has %q (%v), want %q", all[0], b, err, content)
		}
		if lines := j.all(); !ok && len(lines) != 1 {
			t.Errorf("lines %q, want one", lines)
		}
	})
}
