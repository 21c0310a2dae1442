//go:build unix

package probe

import (
	"os"
	"strconv"
	"syscall"
)

// markOpen sets close-on-exec on all descriptors that dir lists, except for the
// standard three.
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
