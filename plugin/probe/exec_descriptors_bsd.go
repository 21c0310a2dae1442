//go:build unix && !linux

package probe

// closeOnExec makes commands inherit their three standard descriptors only.
func closeOnExec() { markOpen("/dev/fd") }
