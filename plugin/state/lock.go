package state

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
)

// lockName is the file that is locked. It names the process that has the
// directory. It stays when the process has gone: to remove it would let two
// processes lock two files of this name.
const lockName = "rrhealth.lock"

// A lock is the lock of a directory.
type lock struct {
	path string
	file *os.File // that is locked, or nil
	none bool     // the file system has no locks
}

// A busyError says which process has a directory.
type busyError struct{ holder string }

// Error names the process.
func (e busyError) Error() string {
	return fmt.Sprintf("%s has it; stop that process, or give each server a directory of its own", e.holder)
}

// isBusy reports whether another process has the directory.
func isBusy(err error) bool {
	var busy busyError
	return errors.As(err, &busy)
}

// hold makes sure that this process has d. It is called before each save too: an
// operator may have removed the file that is locked, and a directory that was
// read-only may be writable by now.
func (d *Dir) hold() error {
	err := d.lock.take()
	if !noLocks(err) {
		return err
	}
	d.lock.none = true
	d.warnf("the file system has no locks (%v): make sure that no other server uses the directory", err)
	return nil
}

// held reports whether this process has the lock, or there are no locks.
func (l *lock) held() bool { return l.file != nil || l.none }

// take locks the file, unless it is locked already.
func (l *lock) take() error {
	if l.none || l.file != nil && l.isFile() {
		return nil
	}
	l.release()
	// Between opening and locking another process may have replaced the file.
	for range 10 {
		f, err := openLocked(l.path)
		if err != nil {
			return err
		}
		l.file = f
		if l.isFile() {
			_ = os.WriteFile(l.path, []byte(thisProcess()+"\n"), 0o600) // for the message only
			return nil
		}
		l.release()
	}
	return fmt.Errorf("%s is replaced again and again", l.path)
}

// isFile reports whether the file at the path is the one that is locked.
func (l *lock) isFile() bool {
	locked, err := l.file.Stat()
	if err != nil {
		return false
	}
	named, err := os.Stat(l.path)
	return err == nil && os.SameFile(locked, named)
}

// release unlocks the file.
func (l *lock) release() {
	if l.file != nil {
		_ = l.file.Close()
		l.file = nil
	}
}

// openLocked opens the file at path and locks it. The file is open for reading
// only, where that will do: a file that is open for writing would keep operators
// from remounting the file system read-only.
func openLocked(path string) (f *os.File, err error) {
	for _, mode := range []int{os.O_RDONLY, os.O_RDWR} { // NFS takes the latter only
		// Another user's server must be able to find the file locked.
		if f, err = os.OpenFile(path, mode|os.O_CREATE, 0o644); err != nil { // #nosec G302
			return nil, err
		}
		if err = step("lock"); err == nil {
			err = flock(f)
		}
		if err == nil {
			return f, nil
		}
		_ = f.Close()
		if !wantsWritable(err) {
			break
		}
	}
	if wouldBlock(err) {
		return nil, busyError{holder(path)}
	}
	return nil, fmt.Errorf("locking %s: %w", path, err)
}

// holder returns which process has locked the file at path.
func holder(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return "another process"
	}
	defer func() { _ = f.Close() }()
	text, _ := io.ReadAll(io.LimitReader(f, 300))
	line := strings.TrimSpace(string(text))
	if !strings.HasPrefix(line, "process ") || strings.ContainsFunc(line, func(r rune) bool { return r < ' ' }) {
		return "another process" // which has not written its name yet
	}
	return line
}

// thisProcess names this process. The host tells two containers apart, where the
// server is process 1.
func thisProcess() string {
	host, _ := os.Hostname()
	return fmt.Sprintf("process %d on %s", os.Getpid(), host)
}

// claimed are the directories that this process has: on NFS, flock refuses other
// processes only.
var claimed struct {
	sync.Mutex
	dirs []os.FileInfo
}

// claim reports whether no Dir of this process has dir, and gives it to the caller.
func claim(dir os.FileInfo) bool {
	claimed.Lock()
	defer claimed.Unlock()
	if slices.ContainsFunc(claimed.dirs, func(c os.FileInfo) bool { return os.SameFile(c, dir) }) {
		return false
	}
	claimed.dirs = append(claimed.dirs, dir)
	return true
}

// disclaim undoes claim.
func disclaim(dir os.FileInfo) {
	claimed.Lock()
	defer claimed.Unlock()
	claimed.dirs = slices.DeleteFunc(claimed.dirs, func(c os.FileInfo) bool { return os.SameFile(c, dir) })
}
