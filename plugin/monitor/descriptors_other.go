//go:build !unix

package monitor

// descriptorsForProbes is how many probes may be in flight where no limit on
// descriptors can be read.
func descriptorsForProbes() int { return 8192 }
