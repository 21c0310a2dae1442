package state

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// The kinds of files that are set aside, as in their names.
const (
	torn    = "torn"    // ours, and damaged
	foreign = "foreign" // not ours
	newer   = "newer"   // of a version that is newer than ours
)

// keptAside is how many files of each kind are kept.
const keptAside = 5

// A problem says why a file cannot be used.
type problem struct{ kind, why string }

// reject sets the file aside for p, and logs a line. If that is impossible now, as
// d is read-only, each save tries it first: a save must not replace the file.
func (d *Dir) reject(p *problem) {
	d.damaged = p
	name, err := d.setAside()
	if err != nil {
		d.warnf("%s is %s (%s) and cannot be set aside (%v): starting without it", fileName, p.kind, p.why, err)
		return
	}
	d.warnf("%s is %s (%s), set aside as %s: starting without it", fileName, p.kind, p.why, name)
}

// setAside gives a damaged file a name of its own, and returns the name.
func (d *Dir) setAside() (name string, err error) {
	if d.damaged == nil {
		return "", nil
	}
	if err := d.hold(); err != nil {
		return "", err
	}
	if err := step("set aside"); err != nil {
		return "", err
	}
	prefix := fileName + "." + d.damaged.kind + "-"
	name = d.unused(prefix + d.options.Now().UTC().Format("20060102T150405Z"))
	err = os.Rename(d.file(), filepath.Join(d.path, name))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	d.damaged = nil
	d.prune(prefix, name)
	return name, nil
}

// unused returns name, or name with a number if files have that name: the number
// after theirs, so that the names have an order.
func (d *Dir) unused(name string) string {
	last := 0
	for _, other := range d.list(name) {
		_, number := asideOrder(other[strings.LastIndexByte(name, '-')+1:])
		last = max(last, number)
	}
	if last == 0 {
		return name
	}
	return fmt.Sprintf("%s-%d", name, last+1)
}

// prune removes the files set aside first, as their names have it. It keeps the
// latest, whose name is not the last one if the clock has been set back.
func (d *Dir) prune(prefix, latest string) {
	names := slices.DeleteFunc(d.list(prefix), func(name string) bool { return name == latest })
	slices.SortFunc(names, func(a, b string) int {
		timeA, numberA := asideOrder(a[len(prefix):])
		timeB, numberB := asideOrder(b[len(prefix):])
		return cmp.Or(cmp.Compare(timeA, timeB), cmp.Compare(numberA, numberB))
	})
	for _, name := range names[:max(0, len(names)-(keptAside-1))] {
		if err := os.Remove(filepath.Join(d.path, name)); err != nil {
			d.warnf("cannot remove %s: %v", name, err)
		}
	}
}

// asideOrder splits the end of a name into time and number. The first of a second
// has number 1 without showing it.
func asideOrder(suffix string) (time string, number int) {
	time, digits, _ := strings.Cut(suffix, "-")
	number, _ = strconv.Atoi(digits)
	return time, max(1, number)
}
