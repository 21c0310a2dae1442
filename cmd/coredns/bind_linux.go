package main

import (
	"syscall"
	"unsafe"
)

// netBindService is CAP_NET_BIND_SERVICE (linux/capability.h).
const netBindService = 1 << 10

// init makes effective the capability to bind port 53 when the file has it.
//
// The image's file is permitted the capability, but not given it outright
// (setcap's +p, not +ep): with +ep the kernel refuses to start the program at
// all where a runtime withholds the capability, even if the Corefile listens
// on port 1053. So the program takes what it may take, and without it starts
// all the same. An error changes nothing: if the port then cannot be bound,
// CoreDNS says so.
func init() {
	header := struct {
		version uint32
		pid     int32
	}{version: 0x20080522} // of linux/capability.h, version 3: two words of bits
	var caps [2]struct{ effective, permitted, inheritable uint32 }

	_, _, errno := syscall.RawSyscall(syscall.SYS_CAPGET, uintptr(unsafe.Pointer(&header)), uintptr(unsafe.Pointer(&caps)), 0)
	if errno != 0 || caps[0].permitted&netBindService == 0 || caps[0].effective&netBindService != 0 {
		return
	}
	caps[0].effective |= netBindService
	// Capabilities belong to threads, and a listener may be opened on any.
	_, _, _ = syscall.AllThreadsSyscall(syscall.SYS_CAPSET, uintptr(unsafe.Pointer(&header)), uintptr(unsafe.Pointer(&caps)), 0)
}
