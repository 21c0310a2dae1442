//go:build unix

package monitor

import "syscall"

// descriptorsForProbes is how many file descriptors probes may hold: half of
// the process's limit. The other half remains for queries and upstreams. Go has
// raised the soft limit to the hard one already.
func descriptorsForProbes() int {
	const unlimited = 1 << 20
	var r syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &r); err != nil {
		return unlimited
	}
	//nolint:unconvert // a signed number on some systems
	return int(min(max(uint64(r.Cur)/2, 1), unlimited)) // #nosec G115 -- bounded
}
