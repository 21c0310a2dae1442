//go:build unix

package monitor

import "syscall"

// descriptorsForProbes is how many file descriptors probes may hold: half of
// what the process may open. The other half is for what it is here for,
// answering queries and asking upstreams. Go has raised the soft limit to the
// hard one already; beyond that the limit is obeyed.
func descriptorsForProbes() int {
	const unlimited = 1 << 20
	var r syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &r); err != nil {
		return unlimited
	}
	//nolint:unconvert // a signed number on some systems
	return int(min(max(uint64(r.Cur)/2, 1), unlimited)) // #nosec G115 -- bounded
}
