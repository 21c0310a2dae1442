package test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	stdlog "log"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/internal/harness"
	"github.com/rrhealth/rrhealth/internal/lease"
)

// Backends that fail in every way there is stand beside one that is well, in
// pools of their own. Each is judged as documented, and none holds up the
// schedule of another.
func TestEveryKindOfFailureIsJudgedAndNoneBlocksAnother(t *testing.T) {
	ca := newAuthority(t)
	good := ca.issue(t, "www.example.org", time.Hour)
	host := lease.Net(t)
	port := lease.Port(t, host+"1")
	at := func(n int) string { return fmt.Sprintf("%s%d", host, n) }
	listen := func(n int) net.Listener {
		l, err := net.Listen("tcp", at(n)+":"+port)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() })
		return l
	}
	plain := func(n int, f http.HandlerFunc) { serveHTTP(t, listen(n), f) }
	secure := func(n int, cert tls.Certificate) {
		serveHTTP(t, tls.NewListener(listen(n), &tls.Config{Certificates: []tls.Certificate{cert}}), harness.Healthy)
	}
	var heartbeats atomic.Int64
	plain(1, func(w http.ResponseWriter, r *http.Request) { heartbeats.Add(1); harness.Healthy(w, r) })
	accept(listen(2), func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }) // says nothing
	overflowing(t, at(3), port)                                           // packets dropped
	accept(listen(4), func(c net.Conn) { _ = c.(*net.TCPConn).SetLinger(0); _ = c.Close() })
	plain(5, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
	plain(6, func(w http.ResponseWriter, r *http.Request) { // an endless body
		for r.Context().Err() == nil {
			_, _ = w.Write(make([]byte, 32<<10))
		}
	})
	plain(7, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://"+harness.NoServer+"/", http.StatusFound)
	})
	secure(11, good)
	secure(12, ca.issue(t, "www.example.org", -time.Hour))
	secure(13, ca.issue(t, "other.example.org", time.Hour))
	secure(14, newAuthority(t).issue(t, "www.example.org", time.Hour))

	tests := []struct {
		name  string
		n     int
		check string
		up    bool
	}{
		{"well", 1, "http://:%s/", true},
		{"silent", 2, "http://:%s/", false},
		{"dropped", 3, "http://:%s/", false},
		{"reset", 4, "http://:%s/", false},
		{"error500", 5, "http://:%s/", false},
		{"endless", 6, "http://:%s/", true},
		{"endlessbody", 6, "http://:%s/ {\nbody healthy\n}", false},
		{"redirect", 7, "http://:%s/", true},
		{"noredirect", 7, "http://:%s/ {\nstatus 200\n}", false},
		{"tls", 11, "https://www.example.org:%s/ {\nca " + ca.file + "\n}", true},
		{"expired", 12, "https://www.example.org:%s/ {\nca " + ca.file + "\n}", false},
		{"othername", 13, "https://www.example.org:%s/ {\nca " + ca.file + "\n}", false},
		{"unknownca", 14, "https://www.example.org:%s/ {\nca " + ca.file + "\n}", false},
		{"insecure", 12, "https://www.example.org:%s/ {\ninsecure\n}", true},
		{"shortlived", 11, "tls://www.example.org:%s {\nca " + ca.file + "\nmin_days 30\n}", false},
	}
	stanzas := ""
	for _, tc := range tests {
		stanzas += fmt.Sprintf("rrhealth %s.example.org {\nbackend %s\nall_down nodata\ncheck "+tc.check+"\ninterval 1s fast 100ms\ntimeout 700ms\n}\n", tc.name, at(tc.n), port)
	}
	s := harness.Start(t, harness.Corefile(stanzas))
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			name := tc.name + ".example.org."
			var want []string
			if tc.up {
				want = []string{at(tc.n)}
			}
			harness.Eventually(t, "judged", func() bool { return slices.Equal(harness.Addrs(s.Ask(name, dns.TypeA)), want) })
		})
	}
	// Still so after every one of them has been probed several times.
	before := heartbeats.Load()
	harness.Eventually(t, "the backend that is well goes on being probed", func() bool { return heartbeats.Load() >= before+3 })
	for _, tc := range tests {
		if got := harness.Addrs(s.Ask(tc.name+".example.org.", dns.TypeA)); (len(got) == 1) != tc.up {
			t.Errorf("%s: answer %v, want up %t", tc.name, got, tc.up)
		}
	}
}

func serveHTTP(t *testing.T, l net.Listener, f http.HandlerFunc) {
	t.Helper()
	server := &http.Server{Handler: f, ReadHeaderTimeout: time.Second, ErrorLog: stdlog.New(io.Discard, "", 0)}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
}

// accept hands each connection to f, in a goroutine of its own.
func accept(l net.Listener, f func(net.Conn)) {
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { defer c.Close(); f(c) }()
		}
	}()
}

// overflowing listens at ip:port with a queue that is full: the kernel drops
// the packets of all others that connect, as a firewall would.
func overflowing(t *testing.T, ip, port string) {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(fd) })
	var n int
	_, _ = fmt.Sscan(port, &n)
	sa := &syscall.SockaddrInet4{Port: n, Addr: [4]byte(net.ParseIP(ip).To4())}
	if err := syscall.Bind(fd, sa); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	for range 8 { // the queue holds one; the rest stay half open
		c, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_NONBLOCK, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = syscall.Close(c) })
		_ = syscall.Connect(c, sa)
	}
}

// An authority signs certificates for tests.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	file string // PEM
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "rrhealth test authority"},
		NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(240 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	a := &authority{cert: cert, key: key, file: filepath.Join(t.TempDir(), "ca.pem")}
	if err := os.WriteFile(a.file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return a
}

// issue returns a certificate for name that ends after lifetime from now,
// which may be in the past.
func (a *authority) issue(t *testing.T, name string, lifetime time.Duration) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), DNSNames: []string{name},
		NotBefore: time.Now().Add(-24 * time.Hour), NotAfter: time.Now().Add(lifetime),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}
