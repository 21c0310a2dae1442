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

// tlsOptions are the options of every check that uses TLS.
type tlsOptions struct {
	config    *tls.Config
	protocols []string // what alpn may name; nil for anything
	alpnGiven bool     // alpn was given
	minDays   int
	digests   []string // of the files, for the ID
}

// maxMinDays is the most that min_days may ask for.
const maxMinDays = 3650

// requireHost returns an error if l has no host to verify the certificate for.
func (l checkURL) requireHost() error {
	if l.host == "" {
		return fmt.Errorf("check %q: no host to verify the certificate for; write %s://HOST:%d", l.text, l.kind, l.port)
	}
	return nil
}

// newTLSOptions verifies the certificate for the host of l. protocols lists the
// protocols of the kind, which ALPN offers.
func newTLSOptions(l checkURL, protocols ...string) tlsOptions {
	return tlsOptions{
		config:    &tls.Config{ServerName: l.host, MinVersion: tls.VersionTLS12, NextProtos: protocols},
		protocols: protocols,
	}
}

// option reads one TLS option. It reports whether o is one.
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
			return true, o.errorf("takes no argument (got %q); write insecure alone", o.Args[0])
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
			return true, o.errorf("invalid number of days (got %q); write 1 to %d", text, maxMinDays)
		}
		t.minDays = n
		return true, nil
	}
	return false, nil
}

func (t *tlsOptions) alpn(o Option) error {
	if len(o.Args) == 0 {
		return o.errorf("no protocol given; write names such as h2 http/1.1")
	}
	for i, name := range o.Args {
		if slices.Contains(o.Args[:i], name) {
			return o.errorf("given twice (got %q); write each protocol once", cut(name))
		}
		if len(name) == 0 || len(name) > 255 {
			return o.errorf("invalid protocol (got %q); write names of 1 to 255 bytes", cut(name))
		}
		if t.protocols != nil && !slices.Contains(t.protocols, name) {
			return o.errorf("unsupported protocol (got %q); use %s", cut(name), list(t.protocols))
		}
	}
	t.config.NextProtos, t.alpnGiven = o.Args, true
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
		return o.errorf("no certificate in %q; name a PEM file", file)
	}
	return t.contradicted(o)
}

// contradicted returns an error if ca and insecure are both given.
func (t *tlsOptions) contradicted(o Option) error {
	if t.config.InsecureSkipVerify && t.config.RootCAs != nil {
		return o.errorf("ca and insecure are both given, but insecure verifies nothing; leave one of them out")
	}
	return nil
}

func (t *tlsOptions) certificate(o Option, root string) error {
	if len(o.Args) != 2 {
		return o.errorf("takes two arguments (got %d); write the PEM files of the certificate and of its key", len(o.Args))
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
		return o.errorf("%v; name a certificate and its key", err)
	}
	t.config.Certificates = []tls.Certificate{pair}
	return nil
}

// exposedKeys returns warnings about files with private keys that their group or
// all may read. On Windows there are none, since modes do not control that.
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

// read returns the content of file. The content is part of the check's ID: after
// a reload with new content it is another check.
func (t *tlsOptions) read(o Option, root, file string) ([]byte, error) {
	content, err := readFile(path(root, file))
	if err != nil {
		return nil, o.errorf("cannot read %q (%v); name a PEM file", path(root, file), plain(err))
	}
	sum := sha256.Sum256(content)
	t.digests = append(t.digests, hex.EncodeToString(sum[:]))
	return content, nil
}

// readFile reads a regular file of at most 4 MiB. A device or a pipe could block
// the parser forever.
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

// id returns the part of a Check.ID for the content of files.
func (t *tlsOptions) id() string { return id(t.digests...) }

// checkALPN returns a failure if alpn names protocols and the server chose none.
func (t *tlsOptions) checkALPN(kind string, target netip.AddrPort, state tls.ConnectionState) error {
	if t.alpnGiven && state.NegotiatedProtocol == "" {
		return failed(kind, target, "the server chose no protocol by ALPN, want one of %s", list(t.config.NextProtos))
	}
	return nil
}

func path(root, file string) string {
	if root == "" || filepath.IsAbs(file) {
		return file
	}
	return filepath.Join(root, file)
}

// checkExpiry returns a failure if the certificates expire within min_days.
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

// expiry returns when the server's chain expires: the earliest end in a chain, and
// with several verified chains the latest of these. Without verification it is
// the end of the server's own certificate.
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
