package monitor

import (
	"errors"
	"fmt"
	"syscall"
)

// errStale is the reason of a Change to unknown without a result.
var errStale = fmt.Errorf("no usable probe result for %d intervals", staleAfter)

// localErrors are the error numbers of the local system: it has no descriptor,
// buffer, memory, port or process (EAGAIN) left, no route or no permission to
// send, or the command was removed or is being replaced. They do not count
// against the target. A refused connection, a reset and a timeout do, and so
// does any of these numbers if another machine reported it, see LocalErrorOf.
var localErrors = map[syscall.Errno]string{
	syscall.EMFILE:        "EMFILE",
	syscall.ENFILE:        "ENFILE",
	syscall.ENOBUFS:       "ENOBUFS",
	syscall.ENOMEM:        "ENOMEM",
	syscall.EADDRNOTAVAIL: "EADDRNOTAVAIL",
	syscall.EADDRINUSE:    "EADDRINUSE",
	syscall.ENETUNREACH:   "ENETUNREACH",
	syscall.EHOSTUNREACH:  "EHOSTUNREACH",
	syscall.ENETDOWN:      "ENETDOWN",
	syscall.ENOENT:        "ENOENT",
	syscall.ENOEXEC:       "ENOEXEC",
	syscall.ETXTBSY:       "ETXTBSY",
	syscall.EPERM:         "EPERM",
	syscall.EACCES:        "EACCES",
	syscall.EINVAL:        "EINVAL",
	syscall.EAGAIN:        "EAGAIN",
	syscall.E2BIG:         "E2BIG", // the arguments of a command are too long
}

// LocalErrorOf returns the name of the local error that err is, or "". A router
// reports an unreachable host with the same numbers as the local system. An
// error that knows which of the two it is has a method Local.
func LocalErrorOf(err error) string {
	errno, ok := errors.AsType[syscall.Errno](err)
	if !ok {
		return ""
	}
	var known interface{ Local() bool }
	if errors.As(err, &known) && !known.Local() {
		return ""
	}
	return localErrors[errno]
}
