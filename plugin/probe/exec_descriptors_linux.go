package probe

import (
	"math"

	"golang.org/x/sys/unix"
)

// closeOnExec makes commands inherit their three standard descriptors only. Go
// opens descriptors so anyway. Those that CoreDNS inherited, such as the sockets
// of a supervisor, or that a C library opened, may lack the flag. It has no
// effect on this process.
func closeOnExec() {
	if unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC) != nil {
		markOpen("/proc/self/fd") // Linux before 5.11, or forbidden by a sandbox
	}
}
