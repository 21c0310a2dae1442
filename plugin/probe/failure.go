package probe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"syscall"
)

// A failure is the error of a probe: "http 192.0.2.7:80: status 500, want
// 200-399". It wraps the cause, so that the monitor can tell a local error (no
// file descriptor left) from a failure of the backend. The cause's text is never
// shown.
type failure struct {
	kind    string
	target  fmt.Stringer // a netip.AddrPort, or a netip.Addr where there are no ports
	reason  reason
	cause   error
	secrets *secrets // of the check, set when its probe returns
}

// Error returns the text, with the secrets of the check redacted.
func (f *failure) Error() string {
	args := make([]any, len(f.reason.args))
	for i, arg := range f.reason.args {
		if t, ok := arg.(foreign); ok {
			arg = f.secrets.show(t)
		}
		args[i] = arg
	}
	return f.kind + " " + f.target.String() + ": " + fmt.Sprintf(f.reason.format, args...)
}

func (f *failure) Unwrap() error { return f.cause }

// A reason is a format of ours, with arguments of which some may be foreign.
type reason struct {
	format string
	args   []any
}

func reasonf(format string, args ...any) reason { return reason{format, args} }

// failed returns a failure of the server at target that answered wrongly.
func failed(kind string, target fmt.Stringer, format string, args ...any) error {
	return &failure{kind: kind, target: target, reason: reasonf(format, args...)}
}

// broken returns a failure because of err while doing something.
func broken(kind string, target fmt.Stringer, doing string, err error) error {
	return &failure{kind: kind, target: target, reason: explain(doing, err), cause: attribute(target, err)}
}

// explain returns the reason for err, for the log.
func explain(doing string, err error) reason {
	var errno syscall.Errno
	switch {
	case isTimeout(err):
		return reasonf("timed out while " + doing)
	case errors.As(err, &errno):
		return explainErrno(doing, errno)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return reasonf("connection closed while " + doing)
	case errors.Is(err, net.ErrClosed), errors.Is(err, context.Canceled):
		return reasonf("canceled while " + doing)
	}
	if reason, ok := explainTLS(err); ok {
		return reason
	}
	var refused *refusal
	switch {
	case errors.Is(err, errNotHTTP2):
		return reasonf(errNotHTTP2.Error())
	case errors.As(err, &refused):
		return reasonf("%s (%s)", refused.what, value(refused.code.String()))
	}
	return reasonf("%s: %s", doing, fromLibrary(err))
}

// explainErrno returns the reason for an error number. It names the local cause
// of those whose standard text suggests the backend.
func explainErrno(doing string, errno syscall.Errno) reason {
	switch {
	case errno == syscall.EINVAL && doing != "starting":
		return reasonf("invalid argument while %s: the route to it is a blackhole", doing)
	case errno == syscall.E2BIG:
		return reasonf("the arguments and the environment of the command are too long")
	case doing == "starting":
		return reasonf("the command cannot be started: %s", errno.Error())
	}
	return reasonf("%s", errno.Error())
}

// plain returns err without the system call and the file, for texts that have the
// file already.
func plain(err error) error {
	if file, ok := errors.AsType[*fs.PathError](err); ok {
		return file.Err
	}
	return err
}

func isTimeout(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) ||
		errors.Is(err, syscall.ETIMEDOUT)
}

// cut shortens text of the Corefile for an error.
func cut(s string) string {
	const most = 200
	if len(s) > most {
		return s[:most] + "..."
	}
	return s
}
