package main

import (
	"encoding/binary"
	"fmt"
	"syscall"
)

// allowBind gives the file the capability to bind ports below 1024, as `setcap
// cap_net_bind_service=+p` does: permitted, but not effective from the start,
// so that the program also runs if the capability is withheld. The program
// raises the capability itself (cmd/coredns).
func allowBind(path string) error {
	if err := syscall.Setxattr(path, "security.capability", bindService(), 0); err != nil {
		return fmt.Errorf("giving %s the capability to bind port 53 (needs root, and a file system with extended attributes): %w", path, err)
	}
	return nil
}

// bindService returns a struct vfs_cap_data (linux/capability.h), revision 2,
// that permits CAP_NET_BIND_SERVICE.
func bindService() []byte {
	const (
		revision2  = 0x02000000
		capability = 10 // CAP_NET_BIND_SERVICE
	)
	var b []byte
	for _, v := range []uint32{
		revision2,          // and no VFS_CAP_FLAGS_EFFECTIVE
		1 << capability, 0, // permitted, inheritable: capabilities 0 to 31
		0, 0, // and 32 to 63
	} {
		b = binary.LittleEndian.AppendUint32(b, v)
	}
	return b
}
