package test

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	clog "github.com/coredns/coredns/plugin/pkg/log"
	"github.com/miekg/dns"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/rrhealth/rrhealth/internal/harness"
)

// repeats starts a server that says what say makes of each request.
func repeats(t *testing.T, say func(net.Conn)) (port string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				say(conn)
			}()
		}
	}()
	_, port, _ = net.SplitHostPort(l.Addr().String())
	return port
}

// TestNoSecretLeavesTheProcess has each option that may hold a secret hold one,
// and what is asked repeat it. Nothing of four characters of it may be in the
// log, with debug on, in the metrics, or in an answer.
func TestNoSecretLeavesTheProcess(t *testing.T) {
	const secret = "s3cr3tz9q7"
	header := func(head string) string {
		return repeats(t, func(c net.Conn) {
			if r, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
				fmt.Fprintf(c, "HTTP/1.1 200 OK\r\n"+head+"\r\n\r\n", strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")+r.URL.Query().Get("token"))
			}
		})
	}
	echo := repeats(t, func(c net.Conn) {
		b := make([]byte, 100)
		n, _ := c.Read(b)
		fmt.Fprintf(c, "ERR %s is wrong: %s\n", secret, strings.ToUpper(string(b[:n])))
	})
	script := filepath.Join(t.TempDir(), "check")
	if err := os.WriteFile(script, []byte("#!/bin/sh\necho \"$1: wrong $SECRET ($PEM)\" | tr a-z A-Z\necho \"$PEM\" | sed -n 2p >&2\nexit 2\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	out := harness.CaptureLog(t)
	clog.D.Set()
	t.Cleanup(clog.D.Clear)
	checks := []string{
		`tcp://:` + echo + ` {
            send "{\"user\":\"bob\",\"password\":\"` + secret + `\"}\n"
            expect ^OK
        }`,
		`tcp://:` + echo + ` {
            send "AUTH PLAIN ` + base64.StdEncoding.EncodeToString([]byte("\x00bob\x00"+secret)) + `\r\n"
            expect ^OK
        }`,
		`http://:` + header("Content-Length: %s") + ` {
            header Authorization "Bearer ` + secret + `"
        }`,
		`http://:` + header("Transfer-Encoding: %s") + `/?token=` + secret,
		`http://:` + header("%s") + `/?token=` + secret,
		`exec ` + script + ` --token=` + secret + ` {
            env SECRET " ` + secret + ` "
            env PEM "one
` + secret + `
three"
        }`,
	}
	var stanzas strings.Builder
	for i, c := range checks {
		fmt.Fprintf(&stanzas, "rrhealth n%d.example.org {\n    backend 127.0.0.1\n    all_down servfail\n    interval 100ms\n    timeout 90ms\n    fall 1\n    rise 1\n    check %s\n}\n", i, c)
	}
	s := harness.Start(t, harness.Corefile(stanzas.String()))
	for i := range checks {
		name := fmt.Sprintf("n%d.example.org.", i)
		harness.Eventually(t, name+" is down", func() bool { return strings.Contains(out(), "backend 127.0.0.1 of "+name+" is down") })
		q := new(dns.Msg).SetQuestion(name, dns.TypeA)
		q.SetEdns0(1232, false)
		if r := s.Exchange(q, "udp"); shows(r.String(), secret) != "" {
			t.Errorf("the answer shows %q: %s", shows(r.String(), secret), r)
		}
	}
	families, err := prometheus.DefaultGatherer.Gather()
	if err != nil {
		t.Fatal(err)
	}
	if metrics := fmt.Sprint(families); shows(metrics, secret) != "" || !strings.Contains(metrics, "coredns_rrhealth") {
		t.Errorf("the metrics show %q:\n%s", shows(metrics, secret), metrics)
	}
	for line := range strings.Lines(out()) {
		if part := shows(line, secret); part != "" {
			t.Errorf("the log shows %q: %s", part, line)
		}
	}
}

// shows returns four characters in a row of secret that text has, in any case.
func shows(text, secret string) string {
	text, secret = strings.ToLower(text), strings.ToLower(secret)
	for i := 0; i+4 <= len(secret); i++ {
		if strings.Contains(text, secret[i:i+4]) {
			return secret[i : i+4]
		}
	}
	return ""
}

// TestASlipInALineWithASecretDoesNotShowIt has errors of the parser.
func TestASlipInALineWithASecretDoesNotShowIt(t *testing.T) {
	const secret = "s3cr3tz9q7"
	for _, check := range []string{
		"exec true {\nenv TOK=" + secret + " two\n}",
		"exec true {\nenv \"TOK=" + secret + "\" two\n}",
		"exec true {\nenv TOK=" + secret + "\n}",
		"exec true {\nenv \"TOK " + secret + "\" two\n}",
		"http://:80 {\nheader X-Token:" + secret + " x\n}",
		"http://:80 {\nheader X-Token=" + secret + " x\n}",
		"http://:80 {\nheader \"X-Token: " + secret + "\"\n}",
		"http://:80 {\nheader \"X-Token: " + secret + "\" x\n}",
		"tcp://:80 {\nsend AUTH " + secret + "\n}",
		"tcp://:80 {\nsend \"\\q" + secret + "\"\n}",
		"\"exec /bin/check --token=" + secret + "\"",
		"exec \"/bin/no-such --token=" + secret + "\"",
		"exec \"no-such --token=" + secret + "\"",
	} {
		err := harness.Validate(harness.Corefile("rrhealth www.example.org {\nbackend 192.0.2.1\ncheck " + check + "\n}"))
		if err == nil || shows(err.Error(), secret) != "" {
			t.Errorf("%s\n%v: want an error without the secret", check, err)
		}
	}
}

// TestAKeyThatOthersMayReadIsWarnedOf has a stanza of two names.
func TestAKeyThatOthersMayReadIsWarnedOf(t *testing.T) {
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	writeKeyPair(t, cert, key)
	stanza := "rrhealth a.example.org b.example.org {\nbackend 192.0.2.1\ncheck tls://www.example.org:1 {\ncert " + cert + " " + key + "\n}\n}\n"
	for mode, want := range map[os.FileMode]int{0o600: 0, 0o640: 1, 0o644: 1} {
		if err := os.Chmod(key, mode); err != nil {
			t.Fatal(err)
		}
		out := harness.CaptureLog(t)
		harness.Start(t, harness.Corefile(stanza)).Stop()
		text := fmt.Sprintf("check tls://www.example.org:1 of a.example.org. and 1 more: the private key %s may be read by others than its owner (mode %04o): chmod 0600", key, mode)
		if got := strings.Count(out(), text); got != want || strings.Count(out(), "private key") != want {
			t.Errorf("mode %04o: warned %d times, want %d: %s", mode, got, want, out())
		}
	}
}

// writeKeyPair writes a certificate and its key.
func writeKeyPair(t *testing.T, cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	text, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: text}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
