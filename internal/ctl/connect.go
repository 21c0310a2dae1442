package ctl

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/rrhealth/rrhealth/plugin/api"
)

// An unreachableError is true of a server that did not answer at all.
type unreachableError struct{ text string }

// Error implements error.
func (e unreachableError) Error() string { return e.text }

// unreachable returns what to do about a request that got no answer.
func (c *client) unreachable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return unreachableError{fmt.Sprintf("%s: %s", c.path, c.reason(err))}
}

// reason returns why a request got no answer, and what to type.
func (c *client) reason(err error) string {
	const other = "name another with --control or " + ControlVariable
	info, statErr := os.Stat(c.path)
	switch {
	case errors.Is(err, syscall.ENOENT):
		return "no such socket; start CoreDNS with rrhealth { control " + c.path + " } in its Corefile, or " + other
	case errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		return denied(c.path)
	case statErr == nil && info.Mode()&fs.ModeSocket == 0:
		return "not a socket; " + other
	case errors.Is(err, syscall.ECONNREFUSED):
		return "no process listens on the socket, which an earlier one has left; start CoreDNS, or " + other
	case os.IsTimeout(err):
		return fmt.Sprintf("no answer within %v; see the log of CoreDNS", answerTimeout)
	}
	return fmt.Sprintf("no answer: %v; is CoreDNS with rrhealth behind the socket? If not, %s", err, other)
}

// denied returns who may open the socket at path: the first file on the way to it
// that this user may not pass.
func denied(path string) string {
	closed := path
	for dir := filepath.Dir(path); dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		// The entries of a folder can be looked at only if it may be passed.
		if _, err := os.Stat(filepath.Join(dir, "x")); errors.Is(err, fs.ErrPermission) {
			closed = dir
		}
	}
	info, err := os.Stat(closed)
	if err != nil {
		return "permission denied; use sudo"
	}
	user, group := owners(info)
	if group == "" {
		return "permission denied; use sudo"
	}
	return fmt.Sprintf("permission denied: %s is for user %s and group %s (mode %04o); join the group (sudo usermod -aG %s $USER, then log in again), or use sudo",
		closed, user, group, info.Mode().Perm(), group)
}

// checkServer returns an error if an answer is not that of an rrhealth whose API
// this program knows. A server without the header is believed: its answer shows
// what it is.
func (c *client) checkServer(res *http.Response) error {
	versions := res.Header.Get(api.Header)
	if versions == "" || slices.Contains(strings.Split(versions, ", "), api.Version) {
		return nil
	}
	return fmt.Errorf("%s: the server has the API %s, and this rrhealthctl knows %s; use the rrhealthctl of the server's version", c.path, clean(versions), api.Version)
}

// foreign returns the error for an answer that is not rrhealth's.
func (c *client) foreign(why string) error {
	return fmt.Errorf("%s: not the control socket of rrhealth (%s); name another with --control or %s", c.path, clean(why), ControlVariable)
}
