package probe

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// shakes returns a TLS server that shakes hands and says hello.
func shakes(cert tls.Certificate, more ...func(*tls.Config)) func(*testing.T) string {
	return func(t *testing.T) string {
		t.Helper()
		return serveOn(t, listenTLS(t, cert, more...), func(c net.Conn) {
			if c.(*tls.Conn).HandshakeContext(t.Context()) == nil {
				fmt.Fprint(c, "hello\n")
				until(c)
			}
		})
	}
}

func protocols(names ...string) func(*tls.Config) {
	return func(c *tls.Config) { c.NextProtos = names }
}

// badCerts are rows that hold for every kind that speaks TLS. The check's URL
// names www.example.org.
func badCerts(t *testing.T, kind, url string, a *authority) []row {
	t.Helper()
	other := newAuthority(t)
	ca := "ca " + a.file
	year := time.Now().AddDate(-1, 0, 0)
	var names []string
	for i := range 9 {
		names = append(names, fmt.Sprintf("host%d.example.net", i))
	}
	h2 := protocols("h2")
	return []row{
		{name: kind + ": expired certificate", check: url, options: []string{ca}, serve: shakes(a.issue(leaf{notBefore: year, notAfter: time.Now().AddDate(0, 0, -2)}), h2)},
		{name: kind + ": certificate not valid yet", check: url, options: []string{ca}, serve: shakes(a.issue(leaf{notBefore: time.Now().AddDate(0, 0, 2)}), h2)},
		{name: kind + ": certificate for another name", check: url, options: []string{ca}, serve: shakes(a.issue(leaf{names: names}), h2)},
		{name: kind + ": certificate of another authority", check: url, options: []string{ca}, serve: shakes(other.issue(leaf{}), h2)},
		{name: kind + ": certificate of no public authority", check: url, serve: shakes(other.issue(leaf{}), h2)},
		{name: kind + ": certificate ends too soon", check: url, options: []string{ca, "min_days 14"}, serve: shakes(a.issue(leaf{notAfter: time.Now().Add(73 * time.Hour)}), h2)},
		{name: kind + ": wants a client certificate", check: url, options: []string{ca}, serve: shakes(a.issue(leaf{}), h2, func(c *tls.Config) {
			c.ClientAuth, c.MaxVersion = tls.RequireAnyClientCert, tls.VersionTLS12
		})},
		{name: kind + ": does not speak TLS", check: url, serve: says("SSH-2.0-OpenSSH_9.2p1\r\n")},
		{name: kind + ": silence instead of a handshake", check: url, serve: silent, silent: true},
		{name: kind + ": closes instead of a handshake", check: url, serve: closes},
		{name: kind + ": resets instead of a handshake", check: url, serve: resets},
		{name: kind + ": nobody listens", check: url, serve: unused},
	}
}

func tlsRows(t *testing.T) []row {
	t.Helper()
	const url = "tls://www.example.org:PORT"
	a := newAuthority(t)
	good := a.issue(leaf{})
	ca := "ca " + a.file
	cert, key := a.files(a.issue(leaf{names: []string{"client"}}))
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return append([]row{
		{name: "tls: good certificate", check: url, options: []string{ca, "min_days 14"}, serve: shakes(good)},
		{name: "tls: certificate that nobody vouches for, insecure", check: url, options: []string{"insecure"}, serve: shakes(good)},
		{name: "tls: client certificate as asked for", check: url, options: []string{ca, "cert " + cert + " " + key}, serve: shakes(good, func(c *tls.Config) {
			c.ClientAuth, c.ClientCAs = tls.RequireAndVerifyClientCert, pool
		})},
		{name: "tls alpn: one of them agreed on", check: url, options: []string{ca, "alpn imap h2"}, serve: shakes(good, protocols("h2"))},
		{name: "tls alpn: server knows of none", check: url, options: []string{ca, "alpn imap"}, serve: shakes(good)},
		{name: "tls alpn: server wants another", check: url, options: []string{ca, "alpn imap"}, serve: shakes(good, protocols("h2"))},
		{name: "tls expect: as expected", check: url, options: []string{ca, "expect ^hello"}, serve: shakes(good)},
		{name: "tls expect: another reply, and waits", check: url, options: []string{ca, "expect ^220"}, serve: shakes(good), silent: true},
	}, badCerts(t, "tls", url, a)...)
}

func TestTheCertificateMustBeForTheNameOfThePool(t *testing.T) {
	a := newAuthority(t)
	port := shakes(a.issue(leaf{names: []string{"pool.example.org"}}))(t)
	s := spec(port, "tls://:PORT", "ca "+a.file)
	s.Name = "pool.example.org."
	c, err := Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	if err := ask(t, c, enough); err != nil {
		t.Errorf("%v, want a pass", err)
	}
}

func TestANewAuthorityInTheSameFileMakesAnotherCheck(t *testing.T) {
	a, b := newAuthority(t), newAuthority(t)
	file := filepath.Join(t.TempDir(), "ca.pem")
	use := func(a *authority) string {
		content, err := os.ReadFile(a.file)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return check(t, "443", "tls://www.example.org:PORT", "ca "+file).ID
	}
	first, second, again := use(a), use(b), use(a)
	if first == second {
		t.Error("the checks are the same, want two: after a reload the old authority would be trusted for ever")
	}
	if first != again {
		t.Error("the same content makes two checks, want one")
	}
}

func TestFilesOfTLSOptionsAreRefusedWhenTheyCannotBeUsed(t *testing.T) {
	a := newAuthority(t)
	cert, key := a.files(a.issue(leaf{}))
	for _, tc := range []struct{ name, option, want string }{
		{"missing", "ca /nonexistent/ca.pem", "no such file"},
		{"a directory", "ca " + t.TempDir(), "not a regular file, want a PEM file"},
		{"a device that never ends", "ca /dev/zero", "not a regular file, want a PEM file"},
		{"no certificate", "ca " + key, "holds no certificate, want PEM"},
		{"key missing", "cert " + cert + " /nonexistent/key.pem", "no such file"},
		{"key of another", "cert " + cert + " " + cert, "rather than a key"},
		{"key not given", "cert " + cert, "got 1 arguments, want two"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := Parse(spec("443", "https://www.example.org:PORT", tc.option))
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%v, want %q", err, tc.want)
			}
		})
	}
}

func TestFileNamesStartFromTheRoot(t *testing.T) {
	a := newAuthority(t)
	s := spec("443", "https://www.example.org:PORT", "ca ca.pem")
	s.Root = filepath.Dir(a.file)
	if _, err := Parse(s); err != nil {
		t.Error(err)
	}
}
