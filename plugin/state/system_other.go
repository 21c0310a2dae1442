//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package state

import (
	"errors"
	"os"
)

// flock does nothing: this system has no flock.
func flock(*os.File) error { return errors.ErrUnsupported }

// wouldBlock is false: there are no locks.
func wouldBlock(error) bool { return false }

// wantsWritable is false: there are no locks.
func wantsWritable(error) bool { return false }

// noLocks reports whether err is that of flock.
func noLocks(err error) bool { return errors.Is(err, errors.ErrUnsupported) }

// writable returns nil: the first save fails if it is not.
func writable(string) error { return nil }

// openToRead opens the file at path.
func openToRead(path string) (*os.File, error) { return os.Open(path) }

// syncDir does nothing: not all of these systems can sync a directory.
func syncDir(string) error { return nil }
