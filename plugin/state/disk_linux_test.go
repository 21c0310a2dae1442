package state_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rrhealth/rrhealth/plugin/state"
)

// tmpfs returns the path of a new file system of 64 KiB.
func tmpfs(t *testing.T) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("mounting a tmpfs takes root")
	}
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=64k,mode=0700"); err != nil {
		t.Skipf("mounting a tmpfs: %v (no CAP_SYS_ADMIN?)", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// remount makes the file system at dir read-only or writable.
func remount(t *testing.T, dir string, flags uintptr) {
	t.Helper()
	if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_REMOUNT|flags, ""); err != nil {
		t.Fatal(err)
	}
}

// A state that has become too large for the disk leaves the one before, and is
// saved when it fits again.
func TestAStateTooLargeForTheDisk(t *testing.T) {
	dir := tmpfs(t)
	synctest.Test(t, func(t *testing.T) {
		var j journal
		size, n := 10_000, 1
		d := open(t, dir, &j)
		d.Start(func() any { return document(n, size) })
		d.Changed()
		synctest.Wait()
		before := readFile(t, dir, state.FileName)

		size, n = 200_000, 2
		d.Changed()
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if err := d.Status().Err; !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("status %v, want a full disk", err)
		}
		if readFile(t, dir, state.FileName) != before {
			t.Error("the file before is lost")
		}
		wantNames(t, dir, state.FileName)
		if lines := j.all(); len(lines) < 5 || len(lines) > 10 || !strings.Contains(lines[0], "no space left on device), rrhealth.json stays that of 2000-01-01T00:00:00Z") {
			t.Errorf("lines in ten minutes:\n%s", strings.Join(lines, "\n"))
		}

		size, n = 20_000, 3
		d.Changed()
		time.Sleep(30 * time.Second)
		synctest.Wait()
		j.want(t, "saved again (failed tries: ")
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	if got := saved(t, dir).N; got != 3 {
		t.Errorf("document %d, want 3", got)
	}
}

// Another program fills the disk. A start has what was saved before.
func TestAFullDisk(t *testing.T) {
	dir := tmpfs(t)
	put(t, dir, document(1, 10_000))
	filler := filepath.Join(dir, "filler")
	if err := os.WriteFile(filler, make([]byte, 1<<20), 0o600); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("not full: %v", err)
	}
	for range 3 {
		var j journal
		d := open(t, dir, &j)
		var got doc
		if _, ok := d.Load(&got); !ok || got.N != 1 {
			t.Errorf("loaded %d, %t, want 1", got.N, ok)
		}
		intact(t, got)
		d.Start(func() any { return document(2, 10_000) })
		if err := d.Close(); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("closed: %v, want a full disk", err)
		}
		j.want(t, "no space left on device")
		wantNames(t, dir, "filler", state.FileName)
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	put(t, dir, document(3, 10_000))
	if got := saved(t, dir).N; got != 3 {
		t.Errorf("document %d, want 3", got)
	}
}

// A disk with errors is remounted read-only by the kernel, while a server runs.
func TestADiskBecomesReadOnly(t *testing.T) {
	dir := tmpfs(t)
	synctest.Test(t, func(t *testing.T) {
		on(t, dir, func(s *subject) {
			s.change(1)
			s.wait(time.Second)
			remount(t, dir, unix.MS_RDONLY) // no file is open for writing
			s.change(2)
			s.wait(time.Second)
			s.has(1)
			if err := s.Status().Err; !errors.Is(err, syscall.EROFS) {
				t.Errorf("status %v, want EROFS", err)
			}
			remount(t, dir, 0)
			s.wait(30 * time.Second)
			s.has(2)
			s.want(t, "read-only file system", "saved again (failed tries: ")
		})
	})
}

// A start on a read-only disk has the state, and saves when the disk is writable.
func TestAStartOnAReadOnlyDisk(t *testing.T) {
	dir := tmpfs(t)
	put(t, dir, document(1, 0))
	for _, unlocked := range []bool{false, true} { // with the file to lock, and without
		if unlocked {
			remount(t, dir, 0)
			if err := os.Remove(filepath.Join(dir, state.LockName)); err != nil {
				t.Fatal(err)
			}
		}
		remount(t, dir, unix.MS_RDONLY)
		var j journal
		d := open(t, dir, &j)
		j.want(t, "read-only file system): nothing is saved until it can")
		if err := d.Status().Err; !errors.Is(err, syscall.EROFS) {
			t.Errorf("status %v, want EROFS", err)
		}
		var got doc
		if _, ok := d.Load(&got); !ok || got.N != 1 {
			t.Errorf("loaded %d, %t, want 1", got.N, ok)
		}
		if err := d.Save(document(2, 0)); !errors.Is(err, syscall.EROFS) {
			t.Errorf("saved: %v", err)
		}
		refused(t, dir, os.Getpid())
		remount(t, dir, 0)
		if err := d.Save(document(1, 0)); err != nil {
			t.Error(err)
		}
		_ = d.Close()
	}
	if got := saved(t, dir).N; got != 1 {
		t.Errorf("document %d, want 1", got)
	}
}

// What cannot be set aside is not replaced: it may be a newer version's.
func TestAFileOnAReadOnlyDiskIsSetAsideLater(t *testing.T) {
	dir := tmpfs(t)
	content := state.Seal(2, noon, `{"n":5}`)
	write(t, dir, content)
	remount(t, dir, unix.MS_RDONLY)
	var j journal
	d := openWith(t, dir, state.Options{Version: 1, Warn: j.warn, Now: at(noon)})
	j.want(t, "nothing is saved", "rrhealth.json is newer (version 2, this program reads 1 at most) and cannot be set aside")
	if err := d.Save(document(1, 0)); err == nil {
		t.Error("saved on a read-only disk")
	}
	remount(t, dir, 0)
	if err := d.Save(document(1, 0)); err != nil {
		t.Error(err)
	}
	aside := state.FileName + ".newer" + asideAtNoon
	wantNames(t, dir, state.FileName, aside)
	if got := readFile(t, dir, aside); got != string(content) {
		t.Errorf("set aside: %q", got)
	}
}

// The content is on the disk before its name, and the name before the save is
// reported: in any other order a power failure loses both files.
func TestTheOrderOfSyncs(t *testing.T) {
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("needs strace")
	}
	dir, trace := t.TempDir(), filepath.Join(t.TempDir(), "trace")
	cmd := exec.Command(strace, "-f", "-y", "-s", "4096", "-e", "trace=fsync,fdatasync,rename,renameat,renameat2", "-o", trace, os.Args[0])
	cmd.Env = append(os.Environ(), helperRole+"=save", helperDir+"="+dir, helperStep+"=1 none")
	if out, err := cmd.CombinedOutput(); strings.Contains(string(out), "ptrace") {
		t.Skipf("%s", out) // a container without the right to trace
	} else if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	calls := readFile(t, filepath.Dir(trace), filepath.Base(trace))
	order := regexp.MustCompile(`(?s)` +
		`fsync\(\d+<` + dir + `/rrhealth\.json\.tmp-\d+>.* = 0\n` +
		`.*rename\S*\(.*` + dir + `/rrhealth\.json\.tmp-\d+", .*` + dir + `/rrhealth\.json".* = 0\n` +
		`.*fsync\(\d+<` + dir + `>.* = 0\n`)
	if !order.MatchString(calls) {
		t.Errorf("calls:\n%s\nwant %v", calls, order)
	}
}
