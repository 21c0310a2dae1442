package state_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/rrhealth/rrhealth/plugin/state"
)

// refused fails unless Open of dir fails and names process pid.
func refused(t *testing.T, dir string, pid int) {
	t.Helper()
	d, err := state.Open(dir, state.Options{Version: 1})
	if err == nil {
		_ = d.Close()
		t.Fatalf("opened, want %d to have it", pid)
	}
	host, _ := os.Hostname()
	want := fmt.Sprintf("state %s: process %d on %s has it; stop that process, or give each server a directory of its own", dir, pid, host)
	if err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

func TestADirectoryHasOneServer(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, document(1, 0))
	s := start(t, "hold", dir, "")
	if got := s.line(); got != "open" {
		t.Fatalf("the other server: %s", got)
	}
	writeFile(t, dir, state.TempPrefix+"1", nil) // of the other server
	refused(t, dir, s.Process.Pid)
	wantNames(t, dir, state.FileName, state.TempPrefix+"1")
	_ = s.in.Close()
	if err := s.Wait(); err != nil {
		t.Fatal(err)
	}
	if got := saved(t, dir).N; got != 1 {
		t.Errorf("document %d, want 1", got)
	}
}

// A lock does not outlast its process.
func TestAKilledServerHasNoDirectory(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, document(1, 0))
	s := start(t, "hold", dir, "")
	if got := s.line(); got != "open" {
		t.Fatalf("the other server: %s", got)
	}
	_ = s.Process.Kill()
	if !s.killed() {
		t.Fatal(s.ProcessState)
	}
	if got := saved(t, dir).N; got != 1 {
		t.Errorf("document %d, want 1", got)
	}
}

func TestADirectoryIsOpenedOnceInAProcess(t *testing.T) {
	dir := t.TempDir()
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	d := open(t, dir, &journal{})
	refused(t, dir, os.Getpid())
	refused(t, link, os.Getpid())
	if err := d.Save(document(1, 0)); err != nil {
		t.Errorf("the first: %v", err)
	}
	_ = d.Close()
	if got := saved(t, link).N; got != 1 {
		t.Errorf("document %d, want 1", got)
	}
}

// The holder's name is for the message only.
func TestTheHolderHasNoName(t *testing.T) {
	dir := t.TempDir()
	s := start(t, "hold", dir, "")
	if got := s.line(); got != "open" {
		t.Fatalf("the other server: %s", got)
	}
	for _, text := range []string{"", "7", "process 7\nstate /: a line of its own"} {
		writeFile(t, dir, state.LockName, []byte(text))
		_, err := state.Open(dir, state.Options{Version: 1})
		if err == nil || !strings.Contains(err.Error(), ": another process has it; stop") {
			t.Errorf("lock file %q: %v", text, err)
		}
	}
}

// An operator removes the file that is locked. Until another server comes, nothing
// happens; then one of the two saves, and the other one reports it.
func TestTheLockedFileIsRemoved(t *testing.T) {
	dir := t.TempDir()
	var j journal
	d := open(t, dir, &j)
	if err := os.Remove(filepath.Join(dir, state.LockName)); err != nil {
		t.Fatal(err)
	}
	if err := d.Save(document(1, 0)); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, state.LockName)); err != nil {
		t.Errorf("not locked again: %v", err)
	}

	if err := os.Remove(filepath.Join(dir, state.LockName)); err != nil {
		t.Fatal(err)
	}
	s := start(t, "hold", dir, "")
	if got := s.line(); got != "open" {
		t.Fatalf("the other server: %s", got)
	}
	err := d.Save(document(2, 0))
	if want := fmt.Sprintf("process %d on ", s.Process.Pid); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("saved: %v, want %q", err, want)
	}
	_ = s.in.Close()
	_ = s.Wait()
	if err := d.Save(document(3, 0)); err != nil {
		t.Error(err)
	}
	j.want(t)
}

// A file system without locks is used nevertheless. In one process a directory is
// still opened once.
func TestAFileSystemWithoutLocks(t *testing.T) {
	for _, errno := range []syscall.Errno{syscall.ENOLCK, syscall.ENOTSUP, syscall.ENOSYS} {
		t.Run(errno.Error(), func(t *testing.T) {
			interrupt(t, func(step string) error {
				if step == "lock" {
					return errno
				}
				return nil
			})
			dir := t.TempDir()
			write(t, dir, []byte("{"))
			writeFile(t, dir, state.TempPrefix+"1", nil)
			var j journal
			d := open(t, dir, &j)
			j.want(t, fmt.Sprintf("the file system has no locks (locking %s: %v): make sure that no other server uses the directory", filepath.Join(dir, state.LockName), errno), "rrhealth.json is torn")
			refused(t, dir, os.Getpid())
			for n := range 3 {
				if err := d.Save(document(n, 0)); err != nil {
					t.Error(err)
				}
			}
			j.want(t)
			if got := names(t, dir); len(got) != 2 {
				t.Errorf("files %q, want the torn one and the good one", got)
			}
		})
	}
}

// NFS locks only files that are open for writing.
func TestALockThatTakesAWritableFile(t *testing.T) {
	tries := 0
	interrupt(t, func(step string) error {
		if step == "lock" {
			if tries++; tries%2 == 1 {
				return syscall.EBADF
			}
		}
		return nil
	})
	dir := t.TempDir()
	var j journal
	d := open(t, dir, &j)
	j.want(t)
	s := start(t, "hold", dir, "")
	if got := s.line(); !strings.Contains(got, fmt.Sprintf("process %d on ", os.Getpid())) {
		t.Errorf("the other server: %s, want it refused", got)
	}
	if err := d.Save(document(1, 0)); err != nil {
		t.Error(err)
	}
}
