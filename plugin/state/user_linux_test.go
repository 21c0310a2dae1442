package state_test

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/rrhealth/rrhealth/plugin/state"
)

// unprivileged runs f as a user without any right.
func unprivileged(t *testing.T, f func()) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("to be another user takes root")
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlock it: the thread ends with this goroutine
		const other = 65534
		if err := unix.Setfsgid(other); err != nil {
			t.Error(err)
			return
		}
		if err := unix.Setfsuid(other); err != nil {
			t.Error(err)
			return
		}
		f()
	}()
	<-done
}

// publicDir returns a new directory that other users can reach.
func publicDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "state") //nolint:usetesting // t.TempDir is in a directory of root's
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// chmod sets the mode of path.
func chmod(t *testing.T, path string, mode os.FileMode) {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

func TestADirectoryOfAnotherUser(t *testing.T) {
	dir := publicDir(t)
	put(t, dir, document(1, 0))
	for _, tc := range []struct {
		name      string
		dir, file os.FileMode
		err       string   // of Open
		loaded    bool     // the state
		warn      []string // by Open and Load
		save      string   // the error of a save
	}{
		{"closed", 0o700, 0o600, "permission denied); make it readable and writable for the user that runs the server", false, nil, ""},
		{"to be read", 0o755, 0o644, "", true, []string{"cannot be written"}, "permission denied"},
		{"to be listed", 0o755, 0o600, "", false, []string{"cannot be written", "rrhealth.json is foreign (open " + filepath.Join(dir, state.FileName) + ": permission denied) and cannot be set aside"}, "permission denied"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			chmod(t, dir, tc.dir)
			chmod(t, filepath.Join(dir, state.FileName), tc.file)
			unprivileged(t, func() {
				var j journal
				d, err := state.Open(dir, state.Options{Version: 1, Warn: j.warn})
				if err != nil || tc.err != "" {
					if err == nil || tc.err == "" || !strings.Contains(err.Error(), tc.err) {
						t.Errorf("opened: %v, want %q", err, tc.err)
					}
					return
				}
				if _, ok := d.Load(new(doc)); ok != tc.loaded {
					t.Errorf("loaded %t", ok)
				}
				j.want(t, tc.warn...)
				if err := d.Save(document(2, 0)); err == nil || !strings.Contains(err.Error(), tc.save) {
					t.Errorf("saved: %v, want %q", err, tc.save)
				}
				_ = d.Close()
			})
		})
	}
	chmod(t, dir, 0o700)
	if got := saved(t, dir).N; got != 1 {
		t.Errorf("document %d, want 1", got)
	}
}

// A server that ran as root once, and now as a user of its own, starts.
func TestFilesOfAnotherUserInADirectoryOfOurs(t *testing.T) {
	dir := publicDir(t)
	put(t, dir, document(1, 0))
	chmod(t, dir, 0o777)
	unprivileged(t, func() {
		var j journal
		d, err := state.Open(dir, state.Options{Version: 1, Warn: j.warn})
		if err != nil {
			t.Error(err)
			return
		}
		j.want(t, "permission denied), set aside as rrhealth.json.foreign-")
		if err := d.Save(document(2, 0)); err != nil {
			t.Error(err)
		}
		_ = d.Close()
	})
	if got := saved(t, dir).N; got != 2 {
		t.Errorf("document %d, want 2", got)
	}
}

// Without the lock nothing is changed: another process may be at it.
func TestADirectoryThatCannotBeLockedIsNotChanged(t *testing.T) {
	dir := publicDir(t)
	put(t, dir, document(1, 0))
	write(t, dir, []byte("{"))
	writeFile(t, dir, state.TempPrefix+"1", nil)
	chmod(t, filepath.Join(dir, state.FileName), 0o644)
	chmod(t, filepath.Join(dir, state.LockName), 0o600)
	chmod(t, dir, 0o777)
	unprivileged(t, func() {
		var j journal
		d, err := state.Open(dir, state.Options{Version: 1, Warn: j.warn})
		if err != nil {
			t.Error(err)
			return
		}
		j.want(t, "cannot be written", "rrhealth.json is torn (cut off) and cannot be set aside")
		if err := d.Save(document(2, 0)); err == nil {
			t.Error("saved without the lock")
		}
		_ = d.Close()
	})
	wantNames(t, dir, state.FileName, state.TempPrefix+"1")
}
