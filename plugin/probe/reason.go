package probe

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"strings"
	"syscall"
	"time"
)

// A failure is why a check did not pass: "http 192.0.2.7:80: status 500, want
// 200-399". The cause stays reachable, so that who judges can tell a fault of
// our own (no file descriptor left) from the backend's.
type failure struct {
	kind   string
	target fmt.Stringer // a netip.AddrPort, or a netip.Addr where there are no ports
	reason string
	cause  error
}

func (f *failure) Error() string { return f.kind + " " + f.target.String() + ": " + f.reason }
func (f *failure) Unwrap() error { return f.cause }

// failed tells that the server at target answered, but not as it should.
func failed(kind string, target fmt.Stringer, format string, args ...any) error {
	return &failure{kind, target, fmt.Sprintf(format, args...), nil}
}

// broken tells that err came in the way while doing what.
func broken(kind string, target fmt.Stringer, doing string, err error) error {
	return &failure{kind, target, explain(doing, err), attribute(target, err)}
}

// explain puts err into words for the log. It writes no text that came from
// the network without quoting it.
func explain(doing string, err error) string {
	var errno syscall.Errno
	switch {
	case isTimeout(err):
		return "timed out while " + doing
	case errors.As(err, &errno):
		return errno.Error()
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "connection closed while " + doing
	case errors.Is(err, net.ErrClosed), errors.Is(err, context.Canceled):
		return "given up while " + doing
	}
	if reason := explainTLS(err); reason != "" {
		return reason
	}
	var refused *refusal
	if errors.Is(err, errNotH2) || errors.As(err, &refused) {
		return err.Error()
	}
	return fmt.Sprintf("%s: %q", doing, cut(err.Error()))
}

// explainTLS words what a TLS handshake may fail with, or returns "".
func explainTLS(err error) string {
	var (
		invalid x509.CertificateInvalidError
		host    x509.HostnameError
		unknown x509.UnknownAuthorityError
		alert   *net.OpError
		record  tls.RecordHeaderError
	)
	switch {
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired && invalid.Cert != nil:
		if time.Now().Before(invalid.Cert.NotBefore) {
			return "certificate is not valid before " + day(invalid.Cert.NotBefore)
		}
		return "certificate expired on " + day(invalid.Cert.NotAfter)
	case errors.As(err, &host):
		return fmt.Sprintf("certificate is for %s, not for %s", names(host.Certificate), host.Host)
	case errors.As(err, &unknown):
		return "certificate is signed by an authority that is not trusted here"
	case errors.As(err, &alert) && alert.Op == "remote error":
		return "server sent the TLS alert: " + strings.TrimPrefix(alert.Err.Error(), "tls: ")
	case errors.As(err, &record):
		return "the reply is not TLS"
	}
	return ""
}

// names lists what a certificate is good for, quoted, the first four of it.
func names(c *x509.Certificate) string {
	if c == nil {
		return "another name"
	}
	var all []string
	for _, n := range c.DNSNames {
		all = append(all, fmt.Sprintf("%q", cut(n)))
	}
	for _, ip := range c.IPAddresses {
		all = append(all, ip.String())
	}
	if len(all) == 0 {
		return "no name at all"
	}
	if len(all) > 4 {
		all = append(all[:4], "...")
	}
	return strings.Join(all, ", ")
}

func day(t time.Time) string { return t.UTC().Format(time.DateOnly) }

// plain is err without the call and the file that it is about, for texts that
// name the file already.
func plain(err error) error {
	if file, ok := errors.AsType[*fs.PathError](err); ok {
		return file.Err
	}
	return err
}

// redact replaces each of the secrets in text. What is shorter than four bytes
// is left: it is no secret, and would be found everywhere.
func redact(text string, secrets []string) string {
	for _, s := range secrets {
		if len(s) >= 4 {
			text = strings.ReplaceAll(text, s, "***")
		}
	}
	return text
}

func isTimeout(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) ||
		errors.Is(err, syscall.ETIMEDOUT)
}

// cut bounds what a log line takes over from elsewhere.
func cut(s string) string {
	const most = 200
	if len(s) > most {
		return s[:most] + "..."
	}
	return s
}
