package probe

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"time"
)

// tlsOptions are the options of every check that speaks TLS.
type tlsOptions struct {
	config    *tls.Config
	protocols []string // what may stand behind alpn; nil for anything
	named     bool     // alpn was given
	minDays   int
	digests   []string // of the files that were read, for the ID
}

// maxMinDays is the most that min_days may ask for.
const maxMinDays = 3650

// named returns an error when l has no host to verify the certificate for.
func (l checkURL) requireHost() error {
	if l.host == "" {
		return fmt.Errorf("check %q: no host to verify the certificate for, want %s://HOST:%d", l.text, l.kind, l.port)
	}
	return nil
}

// newTLSOptions prepares the verification for the host of l. protocols lists the
// protocols of the kind, which are offered by ALPN.
func newTLSOptions(l checkURL, protocols ...string) tlsOptions {
	return tlsOptions{
		config:    &tls.Config{ServerName: l.host, MinVersion: tls.VersionTLS12, NextProtos: protocols},
		protocols: protocols,
	}
}

// option takes one TLS option. It reports whether o was one.
func (t *tlsOptions) option(o Option, root string) (bool, error) {
	switch o.Name {
	case "alpn":
		return true, t.alpn(o)
	case "ca":
		return true, t.authorities(o, root)
	case "cert":
		return true, t.certificate(o, root)
	case "insecure":
		if len(o.Args) != 0 {
			return true, o.errorf("got %q, want no argument", o.Args[0])
		}
		t.config.InsecureSkipVerify = true // #nosec G402 -- asked for by name, warned of at start
		return true, t.contradicted(o)
	case "min_days":
		text, err := o.one("a number of days")
		if err != nil {
			return true, err
		}
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > maxMinDays {
			return true, o.errorf("got %q, want a number of days from 1 to %d", text, maxMinDays)
		}
		t.minDays = n
		return true, nil
	}
	return false, nil
}

func (t *tlsOptions) alpn(o Option) error {
	if len(o.Args) == 0 {
		return o.errorf("got no arguments, want protocol names such as h2 http/1.1")
	}
	for i, name := range o.Args {
		if slices.Contains(o.Args[:i], name) {
			return o.errorf("given twice (got %q); write each protocol once", cut(name))
		}
		if len(name) == 0 || len(name) > 255 {
			return o.errorf("got %q, want protocol names of 1 to 255 bytes", cut(name))
		}
		if t.protocols != nil && !slices.Contains(t.protocols, name) {
			return o.errorf("got %q, want what this check can speak: %s", cut(name), list(t.protocols))
		}
	}
	t.config.NextProtos, t.named = o.Args, true
	return nil
}

func (t *tlsOptions) authorities(o Option, root string) error {
	file, err := o.one("a PEM file of the authorities to trust")
	if err != nil {
		return err
	}
	pem, err := t.read(o, root, file)
	if err != nil {
		return err
	}
	t.config.RootCAs = x509.NewCertPool()
	if !t.config.RootCAs.AppendCertsFromPEM(pem) {
		return o.errorf("%q holds no certificate, want PEM", file)
	}
	return t.contradicted(o)
}

// contradicted returns an error when ca and insecure are both given.
func (t *tlsOptions) contradicted(o Option) error {
	if t.config.InsecureSkipVerify && t.config.RootCAs != nil {
		return o.errorf("ca and insecure are both given, but insecure verifies nothing; leave one of them out")
	}
	return nil
}

func (t *tlsOptions) certificate(o Option, root string) error {
	if len(o.Args) != 2 {
		return o.errorf("got %d arguments, want two: the PEM files of certificate and key", len(o.Args))
	}
	cert, err := t.read(o, root, o.Args[0])
	if err != nil {
		return err
	}
	key, err := t.read(o, root, o.Args[1])
	if err != nil {
		return err
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return o.errorf("%v", err)
	}
	t.config.Certificates = []tls.Certificate{pair}
	return nil
}

// exposedKeys is what to log of the files with private keys in s that the group
// or all may read. Where modes say nothing about that, it is nothing.
func (s Spec) exposedKeys() []string {
	var odd []string
	for _, o := range s.Options {
		if o.Name != "cert" || len(o.Args) != 2 || runtime.GOOS == "windows" {
			continue
		}
		name := path(s.Root, o.Args[1])
		if info, err := os.Stat(name); err == nil && info.Mode()&0o044 != 0 {
			odd = append(odd, fmt.Sprintf("the private key %s may be read by others than its owner (mode %04o): chmod 0600", name, info.Mode().Perm()))
		}
	}
	return odd
}

// read returns what file holds. The content counts into the check's ID: after
// a reload with new content the check is another one.
func (t *tlsOptions) read(o Option, root, file string) ([]byte, error) {
	content, err := readFile(path(root, file))
	if err != nil {
		return nil, o.errorf("%q: %v, want a PEM file", path(root, file), plain(err))
	}
	sum := sha256.Sum256(content)
	t.digests = append(t.digests, hex.EncodeToString(sum[:]))
	return content, nil
}

// readFile reads a regular file of a size that certificates may have. Anything
// else, such as a device or a pipe, could keep the parser for ever.
func readFile(name string) ([]byte, error) {
	const most = 4 << 20
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("not a regular file")
	}
	f, err := os.Open(name) // #nosec G304 -- the Corefile names the file
	if err != nil {
		return nil, err
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && len(content) > most {
		err = errors.New("larger than 4 MiB")
	}
	return content, err
}

// id is the part of a Check.ID that the options make which no word shows.
func (t *tlsOptions) id() string { return id(t.digests...) }

// agreed checks that one of the protocols that the Corefile named was agreed on.
func (t *tlsOptions) checkALPN(kind string, target netip.AddrPort, state tls.ConnectionState) error {
	if t.named && state.NegotiatedProtocol == "" {
		return failed(kind, target, "no protocol agreed on, want one of %s", list(t.config.NextProtos))
	}
	return nil
}

func path(root, file string) string {
	if root == "" || filepath.IsAbs(file) {
		return file
	}
	return filepath.Join(root, file)
}

// lasting checks min_days against the certificates that the handshake showed.
func (t *tlsOptions) checkExpiry(kind string, target netip.AddrPort, state tls.ConnectionState) error {
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
