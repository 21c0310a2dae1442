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

// shakesMutely is shakes without the hello.
func shakesMutely(cert tls.Certificate, more ...func(*tls.Config)) func(*testing.T) string {
	return func(t *testing.T) string {
		t.Helper()
		return serveOn(t, listenTLS(t, cert, more...), until)
	}
}

// wantsClient has a server ask for a client certificate, and refuse those that
// have none after the handshake as they see it.
func wantsClient(c *tls.Config) {
	c.ClientAuth, c.MinVersion = tls.RequireAnyClientCert, tls.VersionTLS13
}

func protocols(names ...string) func(*tls.Config) {
	return func(c *tls.Config) { c.NextProtos = names }
}

// badCerts are rows that hold for every kind that uses TLS. The check's URL
// names www.example.org.
func badCerts(t *testing.T, kind, url string, a *authority) []row {
	t.Helper()
	other := newAuthority(t)
	below, unknown := a.authorize("an intermediate"), other.authorize("another intermediate")
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
		{name: kind + ": an intermediate certificate is not sent", check: url, options: []string{ca}, serve: shakes(below.issue(leaf{}), h2)},
		{name: kind + ": all of a chain is sent, and the authority is not trusted", check: url, options: []string{ca}, serve: shakes(unknown.issue(leaf{}, unknown.cert, other.cert), h2)},
		{name: kind + ": signed by itself", check: url, options: []string{ca}, serve: shakes(other.itself(), h2)},
		{name: kind + ": signed with SHA-1", check: url, options: []string{ca}, serve: shakes(a.issue(leaf{weak: true}), h2)},
		{name: kind + ": may not be used by servers", check: url, options: []string{ca}, serve: shakes(a.issue(leaf{client: true}), h2)},
		{name: kind + ": does not speak TLS", check: url, serve: says("SSH-2.0-OpenSSH_9.2p1\r\n")},
		{name: kind + ": silence instead of a handshake", check: url, serve: silent, silent: true},
		{name: kind + ": closes instead of a handshake", check: url, serve: closes},
		{name: kind + ": resets instead of a handshake", check: url, serve: resets},
		{name: kind + ": closed port", check: url, serve: unused},
	}
}

func tlsRows(t *testing.T) []row {
	t.Helper()
	const url = "tls://www.example.org:PORT"
	a := newAuthority(t)
	good := a.issue(leaf{})
	ca := "ca " + a.file
	below := a.authorize("an intermediate")
	cert, key := a.files(a.issue(leaf{names: []string{"client"}}))
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return append([]row{
		{name: "tls: good certificate", check: url, options: []string{ca, "min_days 14"}, serve: shakes(good)},
		{name: "tls: certificate of an unknown authority, insecure", check: url, options: []string{"insecure"}, serve: shakes(good)},
		{name: "tls: client certificate as asked for", check: url, options: []string{ca, "cert " + cert + " " + key}, serve: shakes(good, func(c *tls.Config) {
			c.ClientAuth, c.ClientCAs = tls.RequireAndVerifyClientCert, pool
		})},
		{name: "tls: client certificate as asked for, TLS 1.3", check: url, options: []string{ca, "cert " + cert + " " + key}, serve: shakes(good, func(c *tls.Config) {
			c.ClientAuth, c.ClientCAs, c.MinVersion = tls.RequireAndVerifyClientCert, pool, tls.VersionTLS13
		})},
		{name: "tls: wants a client certificate, TLS 1.3", check: url, options: []string{ca}, serve: shakes(good, wantsClient)},
		{name: "tls: wants a client certificate of another authority, TLS 1.3", check: url, options: []string{ca, "cert " + cert + " " + key}, serve: shakes(good, wantsClient, func(c *tls.Config) {
			c.ClientAuth, c.ClientCAs = tls.RequireAndVerifyClientCert, x509.NewCertPool()
		})},
		{name: "tls: would like a client certificate, TLS 1.3", check: url, options: []string{ca}, serve: shakes(good, wantsClient, func(c *tls.Config) {
			c.ClientAuth = tls.RequestClientCert
		})},
		{name: "tls: would like a client certificate, TLS 1.3, and sends no ticket", check: url, options: []string{ca}, serve: shakesMutely(good, wantsClient, func(c *tls.Config) {
			c.ClientAuth, c.SessionTicketsDisabled = tls.RequestClientCert, true
		})},
		{name: "tls expect: wants a client certificate, TLS 1.3", check: url, options: []string{ca, "expect ^hello"}, serve: shakes(good, wantsClient)},
		{name: "tls: an intermediate certificate is sent", check: url, options: []string{ca}, serve: shakes(below.issue(leaf{}, below.cert))},
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
		{"a directory", "ca " + t.TempDir(), "(not a regular file); name a PEM file"},
		{"a device that never ends", "ca /dev/zero", "(not a regular file); name a PEM file"},
		{"no certificate", "ca " + key, "no certificate in "},
		{"key missing", "cert " + cert + " /nonexistent/key.pem", "no such file"},
		{"key of another", "cert " + cert + " " + cert, "rather than a key"},
		{"key not given", "cert " + cert, "takes two arguments (got 1)"},
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

func TestKeysThatOthersMayReadAreExposed(t *testing.T) {
	a := newAuthority(t)
	cert, key := a.files(a.issue(leaf{}))
	for _, tc := range []struct {
		mode os.FileMode
		want string
	}{
		{0o600, ""}, {0o400, ""}, {0o711, ""},
		{0o640, "0640"}, {0o604, "0604"}, {0o644, "0644"},
	} {
		if err := os.Chmod(key, tc.mode); err != nil {
			t.Fatal(err)
		}
		c := check(t, "443", "tls://www.example.org:PORT", "cert "+cert+" "+key)
		if tc.want != "" {
			tc.want = "the private key " + key + " may be read by others than its owner (mode " + tc.want + "): chmod 0600"
		}
		if got := strings.Join(c.Warnings, "|"); got != tc.want {
			t.Errorf("mode %04o: %q, want %q", tc.mode, got, tc.want)
		}
	}
}
