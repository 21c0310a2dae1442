package probe

import (
	"math"

	"golang.org/x/sys/unix"
)

// closeOnExec sees to it that commands inherit no descriptor but their three.
// Go opens its own so; what CoreDNS itself has inherited from who started it,
// such as the sockets of a supervisor, or what a C library opens, may lack the
// mark. It changes nothing for this process.
func closeOnExec() {
	if unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC) != nil {
		markOpen("/proc/self/fd") // Linux before 5.11, or forbidden by a sandbox
	}
}
