package probe

import (
	"errors"
	"io"
	"syscall"
)

// Hard reports whether the failure is certainly the other side's own: it
// answered, but wrongly, or it refused. A time-out, or a host that cannot be
// reached, may as well be a failure of the network between.
func (f *failure) Hard() bool {
	switch err := f.cause; {
	case err == nil: // see failed
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
