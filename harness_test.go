package rrhealth

import (
	"context"
	"fmt"
	"io"
	stdlog "log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coredns/caddy"
	"github.com/coredns/coredns/core/dnsserver"
	clog "github.com/coredns/coredns/plugin/pkg/log"
	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/internal/lease"

	// The plugins that tests put around rrhealth. Not core/plugin: that is all
	// of them, and minutes of compiling.
	_ "github.com/coredns/coredns/plugin/acl"
	_ "github.com/coredns/coredns/plugin/any"
	_ "github.com/coredns/coredns/plugin/bind"
	_ "github.com/coredns/coredns/plugin/bufsize"
	_ "github.com/coredns/coredns/plugin/cache"
	_ "github.com/coredns/coredns/plugin/cancel"
	_ "github.com/coredns/coredns/plugin/chaos"
	_ "github.com/coredns/coredns/plugin/debug"
	_ "github.com/coredns/coredns/plugin/dns64"
	_ "github.com/coredns/coredns/plugin/dnssec"
	_ "github.com/coredns/coredns/plugin/dnstap"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/file"
	_ "github.com/coredns/coredns/plugin/forward"
	_ "github.com/coredns/coredns/plugin/geoip"
	_ "github.com/coredns/coredns/plugin/header"
	_ "github.com/coredns/coredns/plugin/health"
	_ "github.com/coredns/coredns/plugin/hosts"
	_ "github.com/coredns/coredns/plugin/loadbalance"
	_ "github.com/coredns/coredns/plugin/local"
	_ "github.com/coredns/coredns/plugin/log"
	_ "github.com/coredns/coredns/plugin/metadata"
	_ "github.com/coredns/coredns/plugin/metrics"
	_ "github.com/coredns/coredns/plugin/minimal"
	_ "github.com/coredns/coredns/plugin/multisocket"
	_ "github.com/coredns/coredns/plugin/nsid"
	_ "github.com/coredns/coredns/plugin/ready"
	_ "github.com/coredns/coredns/plugin/reload"
	_ "github.com/coredns/coredns/plugin/rewrite"
	_ "github.com/coredns/coredns/plugin/root"
	_ "github.com/coredns/coredns/plugin/shed"
	_ "github.com/coredns/coredns/plugin/template"
	_ "github.com/coredns/coredns/plugin/transfer"
	_ "github.com/coredns/coredns/plugin/tsig"
	_ "github.com/coredns/coredns/plugin/view"
	_ "github.com/coredns/coredns/plugin/whoami"
)

func TestMain(m *testing.M) {
	insert("cache", pluginName)
	insert(pluginName, "onebyone")
	caddy.Quiet, dnsserver.Quiet = true, true
	clog.Discard()
	os.Exit(m.Run())
}

// insert has a plugin stand directly before another.
func insert(before, name string) {
	at := slices.Index(dnsserver.Directives, before)
	// Not with SetDirectives, which CoreDNS has had since 1.15 only.
	dnsserver.Directives = slices.Insert(slices.Clone(dnsserver.Directives), at, name)
}

// A server is CoreDNS, started in this process on a Corefile.
type server struct {
	t    *testing.T
	inst *caddy.Instance
	addr string // where it answers plain DNS over UDP
	tcp  string // where it does over TCP

	ports map[string]string // by transport, what port 0 stands for
}

// start starts CoreDNS on corefile. Server blocks that bind port 0 of loopback
// get one of their own. It is stopped when the test ends.
func start(t *testing.T, corefile string) *server {
	t.Helper()
	s := &server{t: t, ports: make(map[string]string)}
	inst, err := caddy.Start(input(s.withPorts(corefile)))
	if err != nil {
		t.Fatalf("starting CoreDNS: %v", err)
	}
	t.Cleanup(s.stop)
	s.started(inst)
	return s
}

// Heads of server blocks with port 0, and the addresses in them.
var (
	headOnPort0 = regexp.MustCompile(`(?m)^[ \t]*(?:[^ \t]+:0,?[ \t]+)+\{$`)
	onPort0     = regexp.MustCompile(`(?:([a-z]+)://)?([^ \t]+):0\b`)
)

// withPorts gives server blocks on port 0 a port of the test's own, one for each
// transport. CoreDNS sets SO_REUSEPORT: for port 0 the system may give it a UDP
// port on which another test's server listens, and shares the queries out.
func (s *server) withPorts(corefile string) string {
	return headOnPort0.ReplaceAllStringFunc(corefile, func(head string) string {
		return onPort0.ReplaceAllStringFunc(head, func(addr string) string {
			transport, _, _ := strings.Cut(addr, "://")
			if transport == addr {
				transport = "dns"
			}
			if s.ports[transport] == "" {
				s.ports[transport] = freePort(s.t, "127.0.0.1")
			}
			return strings.TrimSuffix(addr, "0") + s.ports[transport]
		})
	})
}

func input(corefile string) caddy.Input {
	return caddy.CaddyfileInput{Filepath: "Corefile", Contents: []byte(corefile), ServerTypeName: "dns"}
}

func (s *server) started(inst *caddy.Instance) {
	s.inst = inst
	l := s.listener("dns")
	s.addr, s.tcp = l.LocalAddr().String(), l.Addr().String()
	s.serving()
}

// serving waits until every server for plain DNS reads its sockets. CoreDNS does
// not, and a server that is stopped before it has begun goes on for ever, on the
// sockets of the one that has replaced it (docs/upstream/server-stop-race.md). A
// header without a question is refused before any plugin sees it.
func (s *server) serving() {
	s.t.Helper()
	for _, l := range s.inst.Servers() {
		if !strings.HasPrefix(configuredAddr(l), "dns://") {
			continue
		}
		for _, addr := range []net.Addr{l.LocalAddr(), l.Addr()} {
			c := dns.Client{Net: addr.Network(), Timeout: 20 * time.Second}
			if _, _, err := c.Exchange(new(dns.Msg), addr.String()); err != nil {
				s.t.Fatalf("asking nothing of a server that has started: %v", err)
			}
		}
	}
}

// listener returns where s answers transport: dns, tls, https, grpc or quic.
// CoreDNS starts its servers in the order of a map. Of several for transport
// it is that with the least address in the Corefile.
func (s *server) listener(transport string) caddy.ServerListener {
	s.t.Helper()
	var found caddy.ServerListener
	least := ""
	for _, l := range s.inst.Servers() {
		at := configuredAddr(l)
		if strings.HasPrefix(at, transport+"://") && (least == "" || at < least) {
			found, least = l, at
		}
	}
	if least == "" {
		s.t.Fatalf("CoreDNS does not listen for %s", transport)
	}
	return found
}

// configuredAddr returns the address by which CoreDNS knows the server of l, as
// in tls://127.0.0.1:853. Caddy keeps the server to itself, so its field is read.
func configuredAddr(l caddy.ServerListener) string {
	return reflect.ValueOf(l).FieldByName("server").Elem().Elem().FieldByName("Addr").String()
}

// stop shuts down as CoreDNS does on SIGTERM. It may be called twice.
func (s *server) stop() {
	if s.inst == nil {
		return
	}
	for _, err := range s.inst.ShutdownCallbacks() {
		s.t.Errorf("shutting down: %v", err)
	}
	if err := s.inst.Stop(); err != nil {
		s.t.Errorf("stopping: %v", err)
	}
	s.inst = nil
}

// reload replaces the Corefile, as SIGUSR1 and the reload plugin do.
func (s *server) reload(corefile string) error {
	inst, err := s.inst.Restart(input(s.withPorts(corefile)))
	if err == nil {
		s.started(inst)
	}
	return err
}

// ask sends one query over UDP and returns the reply.
func (s *server) ask(name string, qtype uint16) *dns.Msg {
	s.t.Helper()
	m := new(dns.Msg)
	m.SetQuestion(name, qtype)
	return s.exchange(m, "udp")
}

// exchange sends m over UDP or TCP and returns the reply.
func (s *server) exchange(m *dns.Msg, network string) *dns.Msg {
	s.t.Helper()
	addr := s.addr
	if network == "tcp" {
		addr = s.tcp
	}
	r, err := exchange(m, network, addr)
	if err != nil {
		s.t.Fatalf("asking for %s: %v", m.Question[0].String(), err)
	}
	return r
}

func exchange(m *dns.Msg, network, addr string) (*dns.Msg, error) {
	c := dns.Client{Net: network, Timeout: 5 * time.Second, UDPSize: dns.MaxMsgSize}
	r, _, err := c.Exchange(m, addr)
	return r, err
}

// addrs returns the addresses of the answer section, in their order.
func addrs(m *dns.Msg) []string {
	var all []string
	for _, rr := range m.Answer {
		switch rr := rr.(type) {
		case *dns.A:
			all = append(all, rr.A.String())
		case *dns.AAAA:
			all = append(all, rr.AAAA.String())
		}
	}
	return all
}

// eventually waits until ok, for as long as a slow machine may take.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("still not so after 20 s: %s", what)
		}
		<-tick.C
	}
}

// settled waits until the answers for name are just these addresses, in any
// order.
func (s *server) settled(name string, qtype uint16, want ...string) {
	s.t.Helper()
	slices.Sort(want)
	var got []string
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); {
		got = addrs(s.ask(name, qtype))
		slices.Sort(got)
		if slices.Equal(got, want) {
			return
		}
	}
	s.t.Fatalf("%s: answers are %v after 20 s, want %v", name, got, want)
}

// A backend is an HTTP server on a loopback address that tests can stop and
// start again. Backends of one fleet share the port, as those of a pool do.
type backend struct {
	t       *testing.T
	addr    string // 127.0.x.y:port
	handler http.Handler
	mu      sync.Mutex
	server  *httptest.Server
}

// fleet starts n HTTP backends on 127.0.N.1 to 127.0.N.n, all on one port,
// which it returns. Each test uses a net of its own.
func fleet(t *testing.T, n int) ([]*backend, string) {
	t.Helper()
	host := nextNet(t)
	port := freePort(t, host+"1")
	var all []*backend
	for i := range n {
		b := &backend{t: t, addr: fmt.Sprintf("%s%d:%s", host, i+1, port), handler: http.HandlerFunc(healthy)}
		b.start()
		t.Cleanup(b.stop)
		all = append(all, b)
	}
	return all, port
}

func healthy(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") }

// nextNet returns the beginning of an address range of loopback that no other
// test uses.
func nextNet(t *testing.T) string {
	t.Helper()
	return lease.Net(t)
}

// freePort returns a port of ip that is the test's: its listeners on it, and
// those of programs that it starts, may come and go.
func freePort(t *testing.T, ip string) string {
	t.Helper()
	return lease.Port(t, ip)
}

// closedPort returns a port on which nothing listens, at any loopback address.
func closedPort(t *testing.T) string {
	t.Helper()
	return lease.Closed(t)
}

// ip returns the backend's address without the port.
func (b *backend) ip() string {
	host, _, _ := net.SplitHostPort(b.addr)
	return host
}

func (b *backend) start() {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", b.addr)
	if err != nil {
		b.t.Fatalf("starting a backend: %v", err)
	}
	b.server = &httptest.Server{Listener: l, Config: &http.Server{Handler: b.handler, ReadHeaderTimeout: time.Second}}
	b.server.Start()
}

func (b *backend) stop() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.server != nil {
		b.server.CloseClientConnections()
		b.server.Close()
		b.server = nil
	}
}

// ips lists the addresses of backends.
func ips(backends ...*backend) []string {
	var all []string
	for _, b := range backends {
		all = append(all, b.ip())
	}
	return all
}

// corefile puts stanza into a server block for example.org on loopback.
func corefile(stanza string) string {
	return "example.org:0 {\n    bind 127.0.0.1\n    errors\n" + strings.TrimRight(stanza, "\n") + "\n}\n"
}

// tempZone writes a zone file for example.org and returns its name.
func tempZone(t *testing.T, records string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "db.example.org")
	if err := os.WriteFile(file, []byte("$ORIGIN example.org.\n$TTL 300\n"+records+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// leastAllocs returns how often f allocates, the least of many times: a garbage
// collection empties pools, the race detector has them drop things at random,
// and what other goroutines allocate counts, too.
func leastAllocs(f func()) float64 {
	least := testing.AllocsPerRun(1, f)
	for range 50 {
		least = min(least, testing.AllocsPerRun(1, f))
	}
	return least
}

// discardLog takes what test servers complain about.
var discardLog = stdlog.New(io.Discard, "", 0)

// A counter64 counts in several goroutines.
type counter64 struct{ n atomic.Int64 }

func (c *counter64) add()       { c.n.Add(1) }
func (c *counter64) get() int64 { return c.n.Load() }
