//go:build !unix

package status

// refused reports whether err says that no process listens.
func refused(err error) bool { return err != nil }
