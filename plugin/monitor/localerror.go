package monitor

import (
	"errors"
	"syscall"
)

// errStale is why a verdict became unknown without a result.
var errStale = errors.New("no probe of it has counted for too long")

// localErrors are the errors that say something about the local system and nothing
// about the target: no descriptor, buffer, memory, port or process (EAGAIN)
// left, no route or no permission to send, a command that is gone or is being
// replaced. A refused connection, a reset and a timeout are the target's, and so
// is whatever of these another machine has reported, see localErrorOf.
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
	syscall.E2BIG:         "E2BIG", // a command with too much to say to it
}

// localErrorOf names the local error that err is, or returns "". Routers report
// with the same numbers as the local system that a host cannot be reached.
// Errors that know better say so by a method Local, as those that know whose
// failure they are by Hard.
func localErrorOf(err error) string {
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
