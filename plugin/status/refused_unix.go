//go:build unix

package status

import (
	"errors"
	"syscall"
)

// refused reports whether err says that no process listens.
func refused(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }
