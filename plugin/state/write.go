package state

import (
	"bufio"
	"crypto/sha256"
	"fmt"
	"hash"
	"os"
	"runtime"
	"time"
)

// tempPrefix begins the names of temporary files. The names are random: on a file
// system without locks two processes must not write to one file.
const tempPrefix = fileName + ".tmp-"

// pieceSize is how much is written at once.
const pieceSize = 64 << 10

// interrupt is called before each step that changes the directory. Tests kill the
// process in it, or have the step fail. It is nil outside tests.
var interrupt func(step string) error

// step comes before the step with that name.
func step(name string) error {
	if interrupt == nil {
		return nil
	}
	return interrupt(name)
}

// save replaces the file by one with v, and returns its size.
func (d *Dir) save(v any, saved time.Time) (size int, err error) {
	if err := d.hold(); err != nil {
		return 0, err
	}
	d.mu.Lock()
	_, err = d.setAside()
	d.mu.Unlock()
	if err != nil {
		return 0, fmt.Errorf("setting aside %s: %w", fileName, err)
	}
	if err := step("create"); err != nil {
		return 0, err
	}
	f, err := os.CreateTemp(d.path, tempPrefix+"*")
	if err != nil {
		return 0, err
	}
	if size, err = d.fill(f, v, saved); err == nil {
		err = d.rename(f.Name())
	}
	if err != nil {
		_ = f.Close()
		_ = os.Remove(f.Name()) // it may fill the disk
	}
	return size, err
}

// fill writes v to f, and returns when the disk has it.
func (d *Dir) fill(f *os.File, v any, saved time.Time) (size int, err error) {
	if size, err = encode(f, d.options.Version, saved, v); err != nil {
		return 0, err
	}
	if err := step("sync"); err != nil {
		return 0, err
	}
	if err := f.Sync(); err != nil {
		return 0, err
	}
	return size, f.Close() // reports a full disk on some network file systems
}

// rename makes the file at temp the file, and returns when the disk has the name.
func (d *Dir) rename(temp string) error {
	if err := step("rename"); err != nil {
		return err
	}
	if err := os.Rename(temp, d.file()); err != nil {
		return err
	}
	if err := step("sync directory"); err != nil {
		return err
	}
	if err := syncDir(d.path); err != nil {
		return err
	}
	return step("saved")
}

// encode writes a file with v to f.
func encode(f *os.File, version int, saved time.Time, v any) (size int, err error) {
	defer recovered(&err) // of methods of v
	w := &summed{file: f, hash: sha256.New()}
	b := bufio.NewWriterSize(w, pieceSize)
	fmt.Fprintf(b, "%s%d%s%s%s", startOfFile, version, beforeSaved, saved.UTC().Format(time.RFC3339), beforeState)
	if err := stream(b, v); err != nil {
		return 0, fmt.Errorf("encoding: %w", err)
	}
	if err := b.Flush(); err != nil {
		return 0, err
	}
	if err := step("end"); err != nil {
		return 0, err
	}
	n, err := fmt.Fprintf(f, endOfFile, w.hash.Sum(nil))
	return w.size + n, err
}

// A summed sums what is written to a file.
type summed struct {
	file *os.File
	hash hash.Hash
	size int
}

// Write writes and sums p. Then it lets other goroutines run: on a single
// processor queries would wait up to 10 ms for one that encodes without a break.
func (s *summed) Write(p []byte) (int, error) {
	if err := step("write"); err != nil {
		return 0, err
	}
	if s.size+len(p) > maxFile-endLength {
		return 0, fmt.Errorf("more than %d bytes, which Open would not read", maxFile)
	}
	n, err := s.file.Write(p)
	_, _ = s.hash.Write(p[:n])
	s.size += n
	runtime.Gosched()
	return n, err
}
