package monitor

import (
	"errors"
	"syscall"
)

// errStale is why a verdict became unknown without a result.
var errStale = errors.New("no probe of it has counted for too long")

// faults are the errors that say something about us and nothing about the
// target: no descriptor, buffer, memory, port or process (EAGAIN) left, no route
// or no permission to send, a command that is gone or is being replaced.
// ECONNREFUSED, EHOSTUNREACH, a reset and a time-out are the target's.
var faults = map[syscall.Errno]string{
	syscall.EMFILE:        "EMFILE",
	syscall.ENFILE:        "ENFILE",
	syscall.ENOBUFS:       "ENOBUFS",
	syscall.ENOMEM:        "ENOMEM",
	syscall.EADDRNOTAVAIL: "EADDRNOTAVAIL",
	syscall.EADDRINUSE:    "EADDRINUSE",
	syscall.ENETUNREACH:   "ENETUNREACH",
	syscall.ENETDOWN:      "ENETDOWN",
	syscall.ENOENT:        "ENOENT",
	syscall.ENOEXEC:       "ENOEXEC",
	syscall.ETXTBSY:       "ETXTBSY",
	syscall.EPERM:         "EPERM",
	syscall.EACCES:        "EACCES",
	syscall.EAGAIN:        "EAGAIN",
}

// faultOf names the fault of ours that err is, or returns "".
func faultOf(err error) string {
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		return faults[errno]
	}
	return ""
}
