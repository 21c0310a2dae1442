package probe

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rrhealth/rrhealth/internal/lease"
)

var loopback = netip.MustParseAddr("127.0.0.1")

// check parses one check. Each option is a line of the nested block, split at
// its spaces; PORT stands for the port.
func check(t *testing.T, port, line string, options ...string) Check {
	t.Helper()
	c, err := Parse(spec(port, line, options...))
	if err != nil {
		t.Fatalf("parsing %q: %v", line, err)
	}
	return c
}

func spec(port, line string, options ...string) Spec {
	s := Spec{Args: strings.Split(strings.ReplaceAll(line, "PORT", port), " "), General: []string{"interval", "timeout", "rise", "fall", "fall_hard"}}
	for _, o := range options {
		words := strings.Split(o, " ")
		s.Options = append(s.Options, Option{Name: words[0], Args: words[1:]})
	}
	return s
}

// ask runs the probe once, with time enough that only a server that never
// answers uses it up.
func ask(t *testing.T, c Check, within time.Duration) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	return c.Probe(ctx, loopback)
}

func addrPort(t *testing.T, text string) netip.AddrPort {
	t.Helper()
	a, err := netip.ParseAddrPort(text)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

const (
	enough = 20 * time.Second // for what answers
	briefs = 2 * time.Second  // for what never does, and may have to say something before
)

// serve accepts connections on loopback and has each handled in a goroutine of
// its own. When the test ends, all are closed and waited for.
func serve(t *testing.T, handle func(net.Conn)) (port string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return serveOn(t, l, handle)
}

func serveOn(t *testing.T, l net.Listener, handle func(net.Conn)) (port string) {
	t.Helper()
	var (
		wait  sync.WaitGroup
		mu    sync.Mutex
		conns = make(map[net.Conn]bool)
	)
	wait.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			sendLittle(conn)
			mu.Lock()
			conns[conn] = true
			mu.Unlock()
			wait.Go(func() {
				defer func() {
					_ = conn.Close()
					mu.Lock()
					delete(conns, conn)
					mu.Unlock()
				}()
				handle(conn)
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		mu.Lock()
		for c := range conns {
			_ = c.Close()
		}
		mu.Unlock()
		wait.Wait()
	})
	_, port, _ = net.SplitHostPort(l.Addr().String())
	return port
}

// sendLittle makes the kernel take at most about 100 KiB of what is written to
// conn before the other side reads it.
func sendLittle(conn net.Conn) {
	if c, ok := conn.(*tls.Conn); ok {
		conn = c.NetConn()
	}
	if c, ok := conn.(*net.TCPConn); ok {
		_ = c.SetWriteBuffer(32 << 10)
	}
}

// unused returns a closed port.
func unused(t *testing.T) string {
	t.Helper()
	return lease.Closed(t)
}

// until reads from conn until the other side closes it.
func until(conn net.Conn) {
	buf := make([]byte, 4<<10)
	for {
		if _, err := conn.Read(buf); err != nil {
			return
		}
	}
}

// reset closes conn with a TCP reset.
func reset(conn net.Conn) {
	_ = conn.(*net.TCPConn).SetLinger(0)
	_ = conn.Close()
}

// noLeaks fails the test when goroutines are left over at its end. Call it
// first, so that it looks last.
func noLeaks(t *testing.T) {
	t.Helper()
	before := runtime.NumGoroutine()
	t.Cleanup(func() {
		deadline := time.Now().Add(10 * time.Second)
		for runtime.NumGoroutine() > before {
			if time.Now().After(deadline) {
				buf := make([]byte, 1<<20)
				t.Errorf("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), before, buf[:runtime.Stack(buf, true)])
				return
			}
			runtime.Gosched()
		}
	})
}

// An authority signs certificates for tests.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	file string // of its certificate, PEM
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t, file: filepath.Join(t.TempDir(), "ca.pem")}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "the tests' authority"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(1, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	a.key = newKey(t)
	a.cert = sign(t, template, template, a.key, a.key)
	writePEM(t, a.file, "CERTIFICATE", a.cert.Raw)
	return a
}

// A leaf says what differs from a certificate for www.example.org that is
// good for ninety days.
type leaf struct {
	names     []string
	notBefore time.Time
	notAfter  time.Time
	weak      bool // signed with SHA-1
	client    bool // for clients alone
}

// issue signs a certificate, which servers send with the chain.
func (a *authority) issue(l leaf, chain ...*x509.Certificate) tls.Certificate {
	a.t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), DNSNames: l.names,
		NotBefore: l.notBefore, NotAfter: l.notAfter,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if l.weak {
		template.SignatureAlgorithm = x509.ECDSAWithSHA1
	}
	if l.client {
		template.ExtKeyUsage = template.ExtKeyUsage[1:]
	}
	if template.DNSNames == nil {
		template.DNSNames = []string{"www.example.org"}
	}
	if template.NotBefore.IsZero() {
		template.NotBefore = time.Now().Add(-time.Hour)
	}
	if template.NotAfter.IsZero() {
		template.NotAfter = time.Now().AddDate(0, 0, 90)
	}
	key := newKey(a.t)
	cert := sign(a.t, template, a.cert, key, a.key)
	c := tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key, Leaf: cert}
	for _, above := range chain {
		c.Certificate = append(c.Certificate, above.Raw)
	}
	return c
}

// authorize returns an authority that a vouches for.
func (a *authority) authorize(name string) *authority {
	a.t.Helper()
	template := *a.cert
	template.Subject = pkix.Name{CommonName: name}
	below := &authority{t: a.t, key: newKey(a.t)}
	below.cert = sign(a.t, &template, a.cert, below.key, a.key)
	return below
}

// itself is the certificate of a server that signed it with its own key.
func (a *authority) itself() tls.Certificate {
	template := *a.cert
	template.DNSNames = []string{"www.example.org"}
	cert := sign(a.t, &template, &template, a.key, a.key)
	return tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: a.key, Leaf: cert}
}

// files writes c and its key to files and returns their names.
func (a *authority) files(c tls.Certificate) (cert, key string) {
	a.t.Helper()
	dir := a.t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	der, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	if err != nil {
		a.t.Fatal(err)
	}
	writePEM(a.t, cert, "CERTIFICATE", c.Certificate[0])
	writePEM(a.t, key, "PRIVATE KEY", der)
	return cert, key
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func sign(t *testing.T, template, parent *x509.Certificate, key, by *ecdsa.PrivateKey) *x509.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, by)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func writePEM(t *testing.T, file, kind string, der []byte) {
	t.Helper()
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}

// listenTLS listens on loopback with cert; more may change the configuration.
func listenTLS(t *testing.T, cert tls.Certificate, more ...func(*tls.Config)) net.Listener {
	t.Helper()
	config := &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	for _, f := range more {
		f(config)
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// missing skips the test because something is not to be had here. In CI
// everything is to be had.
func missing(t *testing.T, format string, args ...any) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatalf("missing, but CI is set: "+format, args...)
	}
	t.Skipf("missing: "+format, args...)
}
