package state

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// The parts of a file, in their order. Versions to come keep the first one.
const (
	startOfFile = `{"format":"rrhealth-state","version":`
	beforeSaved = `,"saved":"`
	beforeState = `","payload":`
	endOfFile   = `,"sum":"sha256:%x"}` + "\n" // the sum of all that precedes
	endLength   = len(endOfFile) - len("%x") + 2*sha256.Size
)

// maxFile bounds the memory that Open needs. It is 20 times the state of 10,000
// backends.
const maxFile = 1 << 30

// content is what a good file has.
type content struct {
	payload []byte // JSON; nil without a good file
	saved   time.Time
	size    int
}

// read reads the file, sets it aside if it is not good, and removes temporary
// files that a crash has left.
func (d *Dir) read() {
	c, p := readFile(d.file(), d.options.Version)
	if p != nil {
		d.reject(p)
	}
	if d.lock.held() { // or these may be another process's
		c = d.clean(c)
	}
	if c.payload == nil {
		return
	}
	d.content = c
	s := d.Status()
	s.SavedAt, s.Bytes = c.saved, c.size
	d.status.Store(&s)
	if ahead := c.saved.Sub(d.options.Now()); ahead > time.Minute {
		d.warnf("%s was saved %s in the future (%s): the clock has been set back, it counts as just saved",
			fileName, ahead.Round(time.Second), c.saved.Format(time.RFC3339))
	}
}

// clean removes the temporary files. If there is no good file, the latest
// temporary file that is complete becomes the file: the file system has lost the
// name in a crash during the rename.
func (d *Dir) clean(c content) content {
	var latest string
	missing := c.payload == nil && d.damaged == nil
	temps := d.list(tempPrefix)
	for _, name := range temps {
		if !missing {
			break
		}
		t, p := readFile(filepath.Join(d.path, name), d.options.Version)
		if p == nil && t.payload != nil && (latest == "" || t.saved.After(c.saved)) {
			c, latest = t, name
		}
	}
	if latest != "" && os.Rename(filepath.Join(d.path, latest), d.file()) == nil {
		d.warnf("%s was missing: continuing with %s, which is complete", fileName, latest)
	}
	for _, name := range temps {
		if err := os.Remove(filepath.Join(d.path, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			d.warnf("cannot remove %s: %v", name, err)
		}
	}
	return c
}

// list returns the names in d that begin with prefix, sorted.
func (d *Dir) list(prefix string) (names []string) {
	entries, _ := os.ReadDir(d.path)
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), prefix) {
			names = append(names, e.Name())
		}
	}
	return names
}

// readFile returns what the file at path has, or why it cannot be used. Without a
// file it returns neither.
func readFile(path string, version int) (content, *problem) {
	f, err := openToRead(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return content{}, nil
	case err != nil:
		return content{}, &problem{foreign, err.Error()}
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	switch {
	case err != nil:
		return content{}, &problem{torn, err.Error()}
	case !info.Mode().IsRegular():
		return content{}, &problem{foreign, "not a regular file"}
	case info.Size() > maxFile:
		return content{}, &problem{foreign, fmt.Sprintf("%d bytes, at most %d are read", info.Size(), maxFile)}
	}
	b := make([]byte, info.Size())
	n, err := io.ReadFull(f, b)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return content{}, &problem{torn, err.Error()}
	}
	return parse(b[:n], version)
}

// parse returns what b has if it is a good file of at most version.
func parse(b []byte, version int) (content, *problem) {
	rest, ok := bytes.CutPrefix(b, []byte(startOfFile))
	switch {
	case ok:
	case len(bytes.Trim(b, "\x00")) == 0:
		return content{}, &problem{torn, "empty"}
	case strings.HasPrefix(startOfFile, string(b)):
		return content{}, &problem{torn, "cut off"}
	default:
		return content{}, &problem{foreign, "not written by rrhealth"}
	}
	digits := len(rest) - len(bytes.TrimLeft(rest, "0123456789"))
	complete := digits > 0 && digits < len(rest) // or the number may have been cut off
	if v, err := strconv.Atoi(string(rest[:digits])); complete && (err != nil || v > version) {
		return content{}, &problem{newer, fmt.Sprintf("version %s, this program reads %d at most", rest[:digits], version)}
	}
	body := b[:max(0, len(b)-endLength)]
	if string(b[len(body):]) != fmt.Sprintf(endOfFile, sha256.Sum256(body)) {
		return content{}, &problem{torn, "its sum does not match"}
	}
	saved, payload, ok := bytes.Cut(body[len(startOfFile)+digits:], []byte(beforeState))
	saved, begins := bytes.CutPrefix(saved, []byte(beforeSaved))
	at, err := time.Parse(time.RFC3339, string(saved))
	if !ok || !begins || err != nil {
		return content{}, &problem{foreign, "its sum matches, its form does not"}
	}
	return content{payload: payload, saved: at, size: len(b)}, nil
}

// decode decodes payload. A panic in a method of the payload's type is an error:
// a file must not be able to prevent a start.
func decode(payload []byte, into any) (err error) {
	defer recovered(&err)
	return json.Unmarshal(payload, into)
}

// recovered makes a panic an error. It is deferred.
func recovered(err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("panic: %v", r)
	}
}
