package ctl

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// withoutRights runs f on a thread that has the rights of another user to files.
func withoutRights(t *testing.T, f func()) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root, to have the rights of another user")
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		if err := syscall.Setfsuid(65534); err != nil {
			t.Error(err)
			return
		}
		f()
	}()
	<-done
}

// Without permission the error names the file, its group, and what to do.
func TestASocketOfOthers(t *testing.T) {
	for closed, want := range map[string]string{
		"s": "for user root and group root (mode 0600); join the group (sudo usermod -aG root $USER, then log in again), or use sudo",
		"d": "for user root and group root (mode 0700); join the group",
	} {
		dir := filepath.Join(t.TempDir(), "d")
		for _, open := range []string{filepath.Dir(filepath.Dir(dir)), filepath.Dir(dir)} {
			if err := os.Chmod(open, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, "s")
		site().listen(t, path)
		at := map[string]string{"s": path, "d": dir}[closed]
		if err := os.Chmod(at, map[string]os.FileMode{"s": 0o600, "d": 0o700}[closed]); err != nil {
			t.Fatal(err)
		}
		withoutRights(t, func() {
			_, err := new(net.Dialer).DialContext(context.Background(), "unix", path)
			c := client{path: path}
			if got := c.reason(err); !strings.HasPrefix(got, "permission denied: "+at+" is ") || !strings.Contains(got, want) {
				t.Errorf("%s closed: %v: got %s\nwant %s", closed, err, got, want)
			}
		})
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
}
