//go:build !unix

package monitor

// descriptorsForProbes is how many probes may be in flight on systems without
// a limit on descriptors that can be read.
func descriptorsForProbes() int { return 8192 }
