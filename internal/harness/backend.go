package harness

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/rrhealth/rrhealth/internal/lease"
)

// NoServer is an address of loopback on which no server listens, for backends
// that are down.
const NoServer = "127.0.63.1"

// A Backend is an HTTP server on a loopback address that tests can stop and
// start again. Backends of one fleet share the port, as those of a pool do.
type Backend struct {
	Addr    string       // 127.x.y.z:port
	Handler http.Handler // from the next Start on

	t      testing.TB
	mu     sync.Mutex
	server *httptest.Server
}

// Fleet starts n HTTP backends on addresses of their own, all on one port,
// which it returns.
func Fleet(t testing.TB, n int) ([]*Backend, string) {
	t.Helper()
	host := lease.Net(t)
	port := lease.Port(t, host+"1")
	all := make([]*Backend, 0, n)
	for i := range n {
		b := &Backend{t: t, Addr: fmt.Sprintf("%s%d:%s", host, i+1, port), Handler: http.HandlerFunc(Healthy)}
		b.Start()
		t.Cleanup(b.Stop)
		all = append(all, b)
	}
	return all, port
}

// Healthy answers 200, as backends do unless they have another Handler.
func Healthy(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") }

// IP returns the backend's address without the port.
func (b *Backend) IP() string {
	host, _, _ := net.SplitHostPort(b.Addr)
	return host
}

// Start lets the backend answer.
func (b *Backend) Start() {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", b.Addr)
	if err != nil {
		b.t.Fatalf("starting a backend: %v", err)
	}
	b.server = &httptest.Server{Listener: l, Config: &http.Server{Handler: b.Handler, ReadHeaderTimeout: time.Second}}
	b.server.Start()
}

// Stop lets the backend refuse connections. It may be called twice.
func (b *Backend) Stop() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.server != nil {
		b.server.CloseClientConnections()
		b.server.Close()
		b.server = nil
	}
}

// IPs lists the addresses of backends, without the port.
func IPs(backends ...*Backend) []string {
	all := make([]string, 0, len(backends))
	for _, b := range backends {
		all = append(all, b.IP())
	}
	return all
}

// ListenTCP accepts connections at addr and closes them, and returns the port.
func ListenTCP(t testing.TB, addr string) string {
	t.Helper()
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go Accept(l)
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

// Accept accepts connections from l and closes them, until l is closed.
func Accept(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		_ = c.Close()
	}
}
