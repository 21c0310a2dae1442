// Package state keeps one JSON file in a directory that survives restarts.
//
// Open locks the directory for this process (flock) and reads the file. Load
// returns its payload. Start begins a goroutine that asks for the payload after
// Changed, at most once a second, and saves it; Close saves once more.
//
// A save writes a temporary file next to the old one, syncs it, renames it over
// the old one and syncs the directory. So a crash, a full disk or an I/O error
// leaves the old content or the new one, and a failed save is tried again. The
// file ends with the SHA-256 of all that precedes it. Open sets a file aside that
// is torn, foreign or of a newer version, and goes on: a start never fails for
// what is in the directory.
//
// No copy of the previous file is kept. The rename is atomic, and the new content
// is on the disk before it. On a file system that loses both names in a crash
// (FAT), the temporary file is still there and complete, and Open takes it. A
// disk that damages one file may damage two, and a second file leaves it open
// which of them counts.
package state

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"
)

// fileName is the file with the state.
const fileName = "rrhealth.json"

// Options say how a directory is used.
type Options struct {
	// Version is that of the payload. A file of a newer version is set aside, one of
	// an older version is read: the payload's type must be able to read it.
	Version int
	// Warn logs a line. It may be called from any goroutine. Nil logs nothing.
	Warn func(format string, args ...any)
	// Now is the wall clock, for times in the file and in names. Nil is time.Now.
	Now func() time.Time
}

// A Dir is a directory that this process has. A nil *Dir keeps nothing: a caller
// whose Open has failed goes on without state.
type Dir struct {
	path    string // absolute
	info    os.FileInfo
	options Options
	lock    lock

	saver  saver
	status atomic.Pointer[Status]

	mu      sync.Mutex // guards what follows
	content content    // what Open has read, until Start
	damaged *problem   // the file is to be set aside before the next save
}

// A Status says how the last save went.
type Status struct {
	Path    string        // of the file
	SavedAt time.Time     // of the last good save, by the wall clock; zero if there was none
	Bytes   int           // the size of the file
	Took    time.Duration // what the last good save of this process took
	Err     error         // of the last try, nil if it was good
	Failed  uint64        // tries to save that have failed, of this process
}

// Open locks dir for this process and reads its file. It makes dir if it is
// missing, but not dir's parents. It fails if another process has dir, or if dir
// cannot be used at all. If dir is only read-only, Open warns, and saves fail
// until it is writable.
func Open(dir string, o Options) (*Dir, error) {
	d, err := directory(dir, o)
	if err != nil {
		return nil, err
	}
	if !claim(d.info) {
		return nil, fmt.Errorf("state %s: %w", dir, busyError{thisProcess()})
	}
	err = d.hold()
	if isBusy(err) {
		disclaim(d.info)
		return nil, fmt.Errorf("state %s: %w", dir, err)
	}
	if err == nil {
		err = writable(d.path)
	}
	if err != nil {
		d.warnf("cannot be written (%v): nothing is saved until it can", err)
		d.status.Store(&Status{Path: d.file(), Err: err})
	}
	d.read()
	return d, nil
}

// directory returns the Dir of path, which it makes if it is missing.
func directory(path string, o Options) (*Dir, error) {
	if o.Warn == nil {
		o.Warn = func(string, ...any) {}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("state %s: %w", path, err)
	}
	if err := os.Mkdir(abs, 0o700); err == nil {
		_ = syncDir(filepath.Dir(abs)) // or a crash after the first save loses the directory
	} else if _, statErr := os.Stat(abs); statErr != nil {
		return nil, fmt.Errorf("state %s: cannot be made (%w); make it, for the user that runs the server", path, err)
	}
	info, err := readable(abs)
	if err != nil {
		return nil, fmt.Errorf("state %s: %w", path, err)
	}
	d := &Dir{path: abs, info: info, options: o, lock: lock{path: filepath.Join(abs, lockName)}, saver: newSaver()}
	d.status.Store(&Status{Path: d.file()})
	return d, nil
}

// readable returns what path is, if it is a directory that can be opened.
func readable(path string) (os.FileInfo, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case !info.IsDir():
		return nil, fmt.Errorf("not a directory (got %s); name a directory", info.Mode().Type())
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("cannot be used (%w); make it readable and writable for the user that runs the server", err)
	}
	return info, f.Close()
}

// Load decodes the payload that Open has read, and returns when it was saved. ok is
// false if there was no good file, or if its payload does not fit into; then the
// caller must not use into, and the file is set aside. Load is for the time before
// Start, which forgets what Open has read.
func (d *Dir) Load(into any) (savedAt time.Time, ok bool) {
	if d == nil {
		return time.Time{}, false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.content.payload == nil {
		return time.Time{}, false
	}
	if err := decode(d.content.payload, into); err != nil {
		d.content = content{}
		d.status.Store(&Status{Path: d.file()})
		d.reject(&problem{foreign, fmt.Sprintf("payload: %v", err)})
		return time.Time{}, false
	}
	return d.content.saved, true
}

// Status returns how the last save went. It takes no lock.
func (d *Dir) Status() Status {
	if d == nil {
		return Status{}
	}
	return *d.status.Load()
}

// Age returns how old at now is what was saved at saved. It is 0 if the wall clock
// has been set back since: then the true age is unknown, and not to use what was
// saved would be the greater loss.
func Age(saved, now time.Time) time.Duration { return max(0, now.Sub(saved)) }

// file returns the path of the file with the state.
func (d *Dir) file() string { return filepath.Join(d.path, fileName) }

// warnf logs a line about d.
func (d *Dir) warnf(format string, args ...any) {
	d.options.Warn("state %s: %s", d.path, fmt.Sprintf(format, args...))
}
