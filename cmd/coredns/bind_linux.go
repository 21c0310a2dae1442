package main

import (
	"syscall"
	"unsafe"
)

// netBindService is CAP_NET_BIND_SERVICE (linux/capability.h).
const netBindService = 1 << 10

// init makes the capability to bind port 53 effective, if the file has it.
//
// The image's file has the capability as permitted only (setcap's +p, not +ep).
// With +ep the kernel refuses to start the program if a runtime withholds the
// capability, even if the Corefile listens on port 1053. With +p the program
// starts anyway, and raises the capability here if it may. Errors are ignored:
// if the port cannot be bound, CoreDNS reports that.
func init() {
	header := struct {
		version uint32
		pid     int32
	}{version: 0x20080522} // _LINUX_CAPABILITY_VERSION_3: two 32-bit words
	var caps [2]struct{ effective, permitted, inheritable uint32 }

	_, _, errno := syscall.RawSyscall(syscall.SYS_CAPGET, uintptr(unsafe.Pointer(&header)), uintptr(unsafe.Pointer(&caps)), 0)
	if errno != 0 || caps[0].permitted&netBindService == 0 || caps[0].effective&netBindService != 0 {
		return
	}
	caps[0].effective |= netBindService
	// A capability belongs to a thread, and any thread may open a listener.
	_, _, _ = syscall.AllThreadsSyscall(syscall.SYS_CAPSET, uintptr(unsafe.Pointer(&header)), uintptr(unsafe.Pointer(&caps)), 0)
}
