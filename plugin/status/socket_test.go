package status

import (
	"errors"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/rrhealth/rrhealth/plugin/api"
)

// startAt starts a Server with only a control socket.
func startAt(t *testing.T, r *Registry, c Config) (*Server, error) {
	t.Helper()
	s, err := r.Start(c, Service{Model: func() *Model { return sample(1) }, Change: func(_ api.Change, by string) (api.Changed, error) {
		return api.Changed{Overrides: []api.Override{{Set: "drain", Author: by}}}, nil
	}})
	if err == nil {
		t.Cleanup(s.Close)
	}
	return s, err
}

// The file's mode and group are the permission: other users cannot connect, those
// of the group can, and the Change has their name.
func TestTheModeOfTheSocketIsThePermission(t *testing.T) {
	path := filepath.Join(openFolder(t), "s")
	const uid, gid = 65533, 65531
	for _, tc := range []struct {
		mode     fs.FileMode
		group    string
		uid, gid uint32
		want     string
	}{
		{0, "", uid, gid, "permission denied"},
		{0o660, "65531", uid, 65530, "permission denied"},
		{0o660, "65531", uid, gid, `"author":"uid 65533"`},
		{0o600, "65531", uid, gid, "permission denied"},
		{0o666, "", uid, gid, `"author":"uid 65533"`},
		{0o666, "", 1, 1, `"author":"daemon"`},
		{0o600, "", 0, 0, `"author":"root"`},
	} {
		var r Registry
		s, err := startAt(t, &r, Config{Control: path, Mode: tc.mode, Group: tc.group})
		if err != nil {
			t.Fatal(err)
		}
		if got := connectAs(t, path, tc.uid, tc.gid); !strings.Contains(got, tc.want) {
			t.Errorf("mode %#o, group %q, as %d:%d: %s, want %q", tc.mode, tc.group, tc.uid, tc.gid, got, tc.want)
		}
		s.Close()
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("after Close the file is there (%v)", err)
		}
	}
}

// The usual mode is 0660, independent of the umask, and nothing else stays in the folder.
func TestTheSocketHasItsModeFromTheStart(t *testing.T) {
	old := syscall.Umask(0)
	defer syscall.Umask(old)
	for _, umask := range []int{0, 0o22, 0o777} {
		folder := t.TempDir()
		path := filepath.Join(folder, "s")
		if umask == 0o777 && os.Getuid() != 0 {
			continue // without root a process cannot enter the folder that it has made
		}
		syscall.Umask(umask)
		var r Registry
		_, err := startAt(t, &r, Config{Control: path})
		syscall.Umask(0)
		if err != nil {
			t.Fatal(err)
		}
		file, err := os.Lstat(path)
		if err != nil || file.Mode() != fs.ModeSocket|0o660 {
			t.Errorf("umask %#o: mode %v (%v), want 0660", umask, file.Mode(), err)
		}
		if files, err := os.ReadDir(folder); err != nil || len(files) != 1 {
			t.Errorf("umask %#o: files %v (%v), want the socket only", umask, files, err)
		}
	}
}

// staleSocket leaves a socket file on which no process listens.
func staleSocket(t *testing.T, path string) {
	t.Helper()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	_ = l.Close()
}

// What a process left that was killed is replaced.
func TestAStaleSocketIsReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	staleSocket(t, path)
	var r Registry
	if _, err := startAt(t, &r, Config{Control: path}); err != nil {
		t.Fatal(err)
	}
	if got := do(t, onSocket(t, path), http.MethodGet, "http://rrhealth"+api.PathStatus, ""); got.code != http.StatusOK {
		t.Errorf("status: %d", got.code)
	}
}

// A socket of another process, and a file that is no socket, stay as they are.
func TestWhatIsNotStaleStays(t *testing.T) {
	folder := t.TempDir()
	for name, tc := range map[string]struct {
		make func(path string) error
		want string
	}{
		"live":    {func(path string) error { _, err := net.Listen("unix", path); return err }, "another process listens there"},
		"file":    {func(path string) error { return os.WriteFile(path, []byte("precious"), 0o600) }, "not a socket"},
		"folder":  {func(path string) error { return os.Mkdir(path, 0o700) }, "not a socket"},
		"symlink": {func(path string) error { return os.Symlink("/etc/passwd", path) }, "not a socket"},
		"pipe":    {func(path string) error { return syscall.Mkfifo(path, 0o600) }, "not a socket"},
		"datagram": {func(path string) error {
			_, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
			return err
		}, "another process listens there"},
	} {
		path := filepath.Join(folder, name)
		if err := tc.make(path); err != nil {
			t.Fatal(err)
		}
		before, err := os.Lstat(path)
		if err != nil {
			t.Fatal(err)
		}
		var r Registry
		if _, err := startAt(t, &r, Config{Control: path}); err == nil || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: error %v, want %q", name, err, tc.want)
		}
		if after, err := os.Lstat(path); err != nil || !os.SameFile(before, after) || !after.ModTime().Equal(before.ModTime()) {
			t.Errorf("%s: the file is another (%v)", name, err)
		}
	}
	if files, err := os.ReadDir(folder); err != nil || len(files) != 6 {
		t.Errorf("files %v (%v), want six", files, err)
	}
}

// A second process that has seen the same stale file does not take the socket
// from the first.
func TestTheFirstOfTwoProcessesKeepsTheSocket(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "s")
	staleSocket(t, path)
	stale, err := occupant(path)
	if err != nil {
		t.Fatal(err)
	}
	var r Registry
	if _, err := startAt(t, &r, Config{Control: path}); err != nil {
		t.Fatal(err)
	}
	first, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	private := filepath.Join(folder, "private")
	if err := os.Mkdir(private, 0o700); err != nil {
		t.Fatal(err)
	}
	staleSocket(t, filepath.Join(private, "s"))
	for _, seen := range []fs.FileInfo{stale, nil} {
		if _, err := place(filepath.Join(private, "s"), path, seen, 0o660, -1); err == nil || !strings.Contains(err.Error(), "another process") {
			t.Errorf("stale %v: error %v, want one about another process", seen, err)
		}
		if now, err := os.Lstat(path); err != nil || !os.SameFile(first, now) {
			t.Errorf("stale %v: the socket of the first process is gone (%v)", seen, err)
		}
	}
}

func TestErrorsOfTheSocket(t *testing.T) {
	folder := t.TempDir()
	for name, tc := range map[string]struct {
		c    Config
		want string
	}{
		"no folder":  {Config{Control: filepath.Join(folder, "none", "s")}, "no such file or directory; create it"},
		"too long":   {Config{Control: filepath.Join(folder, strings.Repeat("x", 10), "s")}, "no such file"},
		"no group":   {Config{Control: filepath.Join(folder, "s"), Group: "no-such-group"}, "no such group (got no-such-group)"},
		"bad number": {Config{Control: filepath.Join(folder, "s"), Group: "-5"}, "no such group (got -5)"},
	} {
		var r Registry
		_, err := startAt(t, &r, tc.c)
		if err == nil || !strings.Contains(err.Error(), tc.want) || !strings.HasPrefix(err.Error(), "control") {
			t.Errorf("%s: %v, want %q", name, err, tc.want)
		}
	}
}

// A path may be as long as that of a socket can be, although the folder in which
// the socket is bound has a longer one.
func TestTheLongestPath(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "x")
	folder += strings.Repeat("x", longestPath-2-len(folder))
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	var r Registry
	if _, err := startAt(t, &r, Config{Control: filepath.Join(folder, "s")}); err != nil {
		t.Fatalf("a path of %d bytes: %v", longestPath, err)
	}
	if got := do(t, onSocket(t, filepath.Join(folder, "s")), http.MethodGet, "http://rrhealth"+api.PathStatus, ""); got.code != http.StatusOK {
		t.Errorf("status: %d", got.code)
	}
	if _, err := startAt(t, &r, Config{Control: filepath.Join(folder, "st")}); err == nil || !strings.Contains(err.Error(), "path is too long for a socket (got 104 bytes); at most 103") {
		t.Errorf("a path of %d bytes: %v", longestPath+1, err)
	}
	if files, err := os.ReadDir(folder); err != nil || len(files) != 1 {
		t.Errorf("files %v (%v), want the socket", files, err)
	}
}
