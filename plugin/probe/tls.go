package probe

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"
)

// tlsOptions are the options of every check that speaks TLS.
type tlsOptions struct {
	config  *tls.Config
	minDays int
}

const tlsOptionNames = "alpn, ca, cert, insecure, min_days"

// newTLSOptions prepares the verification for the host of l, which there must be.
func newTLSOptions(l location) (tlsOptions, error) {
	if l.host == "" {
		return tlsOptions{}, fmt.Errorf("check %q: no host to verify the certificate for, want %s://HOST:%d", l.text, l.kind, l.port)
	}
	return tlsOptions{config: &tls.Config{ServerName: l.host, MinVersion: tls.VersionTLS12}}, nil
}

// option takes one TLS option. It reports whether o was one.
func (t *tlsOptions) option(o Option, root string) (bool, error) {
	switch o.Name {
	case "alpn":
		if len(o.Args) == 0 {
			return true, o.errorf("got no arguments, want protocol names such as h2 http/1.1")
		}
		t.config.NextProtos = o.Args
	case "ca":
		file, err := o.one("a PEM file of the authorities to trust")
		if err != nil {
			return true, err
		}
		pem, err := os.ReadFile(path(root, file)) // #nosec G304 -- the Corefile names the file
		if err != nil {
			return true, o.errorf("%v", err)
		}
		t.config.RootCAs = x509.NewCertPool()
		if !t.config.RootCAs.AppendCertsFromPEM(pem) {
			return true, o.errorf("%q holds no certificate, want PEM", file)
		}
	case "cert":
		if len(o.Args) != 2 {
			return true, o.errorf("got %d arguments, want two: the PEM files of certificate and key", len(o.Args))
		}
		pair, err := tls.LoadX509KeyPair(path(root, o.Args[0]), path(root, o.Args[1]))
		if err != nil {
			return true, o.errorf("%v", err)
		}
		t.config.Certificates = []tls.Certificate{pair}
	case "insecure":
		if len(o.Args) != 0 {
			return true, o.errorf("got %q, want no argument", o.Args[0])
		}
		t.config.InsecureSkipVerify = true // #nosec G402 -- asked for by name, warned of at start
	case "min_days":
		text, err := o.one("a number of days")
		if err != nil {
			return true, err
		}
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > 3650 {
			return true, o.errorf("got %q, want a number of days from 1 to 3650", text)
		}
		t.minDays = n
	default:
		return false, nil
	}
	return true, nil
}

func path(root, file string) string {
	if root == "" || filepath.IsAbs(file) {
		return file
	}
	return filepath.Join(root, file)
}

// lasting checks min_days against the certificates that the handshake showed.
func (t tlsOptions) lasting(kind string, target netip.AddrPort, state tls.ConnectionState) error {
	if t.minDays == 0 {
		return nil
	}
	end := expiry(state)
	if left := time.Until(end); left < time.Duration(t.minDays)*24*time.Hour {
		return failed(kind, target, "certificate expires on %s, in %d days, want at least %d", day(end), int(left.Hours()/24), t.minDays)
	}
	return nil
}

// expiry is when the chain that was shown stops being valid: the earliest end
// in a chain, and of several verified chains the one that lasts longest. Where
// nothing was verified, it is the end of the server's own certificate.
func expiry(state tls.ConnectionState) time.Time {
	var latest time.Time
	for _, chain := range state.VerifiedChains {
		end := slices.MinFunc(chain, func(a, b *x509.Certificate) int { return a.NotAfter.Compare(b.NotAfter) }).NotAfter
		if end.After(latest) {
			latest = end
		}
	}
	if latest.IsZero() && len(state.PeerCertificates) > 0 {
		latest = state.PeerCertificates[0].NotAfter
	}
	return latest
}

// parseTLS reads tls://[NAME][:PORT] with the TLS options and send and expect.
func parseTLS(s Spec) (Check, error) {
	l, err := parseLocation(s, 443, false)
	if err != nil {
		return Check{}, err
	}
	t := tlsCheck{port: l.port}
	if t.tls, err = newTLSOptions(l); err != nil {
		return Check{}, err
	}
	for _, o := range s.Options {
		known, err := t.tls.option(o, s.Root)
		if !known && err == nil {
			known, err = t.dialogue.option(o)
		}
		if err != nil {
			return Check{}, err
		}
		if !known {
			return Check{}, o.errorf("unknown for %s, want one of %s, send, expect, interval, timeout, rise, fall", l.kind, tlsOptionNames)
		}
	}
	return Check{
		Label:    l.text,
		ID:       id(l.kind, l.authority(), s.Root, optionsID(s.Options)),
		Insecure: t.tls.config.InsecureSkipVerify,
		Probe:    t.probe,
	}, nil
}

type tlsCheck struct {
	port     uint16
	tls      tlsOptions
	dialogue dialogue
}

// probe passes when the certificate verifies for the host, lasts long enough
// and, where protocols were named, one of them was agreed on.
func (t tlsCheck) probe(ctx context.Context, addr netip.Addr) error {
	target := netip.AddrPortFrom(addr, t.port)
	conn, done, err := dial(ctx, "tls", target)
	if err != nil {
		return err
	}
	defer done()
	secure, err := handshake(ctx, "tls", target, conn, t.tls.config)
	if err != nil {
		return err
	}
	state := secure.ConnectionState()
	if len(t.tls.config.NextProtos) > 0 && state.NegotiatedProtocol == "" {
		return failed("tls", target, "no protocol agreed on, want one of %s", list(t.tls.config.NextProtos))
	}
	if err := t.tls.lasting("tls", target, state); err != nil {
		return err
	}
	return converse("tls", target, t.dialogue, secure)
}
