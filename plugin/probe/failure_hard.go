package probe

import (
	"errors"
	"io"
	"syscall"
)

// Hard reports whether f is a hard failure: the other side answered wrongly, or
// refused. A timeout, or an unreachable host, may be the network's failure.
func (f *failure) Hard() bool {
	switch err := f.cause; {
	case err == nil: // a wrong answer, see failed
		return true
	case isTimeout(err):
		return false
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return true
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return true
	case errors.Is(err, errNoMatch):
		return true
	default:
		_, ok := explainTLS(err)
		return ok
	}
}
