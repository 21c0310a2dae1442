//go:build unix

package probe

import (
	"os"
	"strconv"
	"syscall"
)

// markOpen marks all descriptors that are listed in dir, and are not the
// standard three, to be closed when a command starts.
func markOpen(dir string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		if fd, err := strconv.Atoi(e.Name()); err == nil && fd > 2 {
			syscall.CloseOnExec(fd)
		}
	}
}
