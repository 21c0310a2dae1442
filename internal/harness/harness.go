// Package harness lets a test run CoreDNS with rrhealth in its own process: a
// Corefile goes in, queries, metrics and log lines come out. [Start] starts a
// server on a Corefile, and [Server.Ask] asks it over a real socket. [Fleet]
// starts HTTP backends on loopback addresses, which fail with [Backend.Stop] and
// recover with [Backend.Start]; [Server.Settled] waits until the answers have
// the addresses that a test expects, [Eventually] for anything else, and
// [Server.Reload] replaces the Corefile. [Series] and [Metric] read what
// Prometheus would scrape, and [CaptureLog] what is logged. A test package
// imports rrhealth and the other plugins that its Corefiles name, and calls
// [Main] from TestMain. Addresses and ports come from package lease: tests of
// several processes do not meet. The end of a test stops all that it started.
package harness

import (
	"net"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/coredns/caddy"
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/plugin"
	clog "github.com/coredns/coredns/plugin/pkg/log"
	"github.com/miekg/dns"
)

// Main runs the tests of a package, with rrhealth directly before cache and
// without a log.
func Main(m *testing.M) {
	Insert("rrhealth", "cache")
	caddy.Quiet, dnsserver.Quiet = true, true
	clog.Discard()
	os.Exit(m.Run())
}

// Insert gives a plugin its place in the chain, directly before another.
func Insert(name, before string) {
	at := slices.Index(dnsserver.Directives, before)
	// Not with SetDirectives, which CoreDNS has had since 1.15 only.
	dnsserver.Directives = slices.Insert(slices.Clone(dnsserver.Directives), at, name)
}

// A Server is CoreDNS, started in this process on a Corefile.
type Server struct {
	Addr string // where it answers plain DNS over UDP
	TCP  string // where it answers plain DNS over TCP

	t     testing.TB
	inst  *caddy.Instance
	ports map[string]string // by transport: the port that stands for port 0
}

// Start starts CoreDNS on corefile, until the test ends. Server blocks on port 0
// get a port of their own.
func Start(t testing.TB, corefile string) *Server {
	t.Helper()
	s := &Server{t: t, ports: make(map[string]string)}
	inst, err := caddy.Start(input(s.withPorts(corefile)))
	if err != nil {
		t.Fatalf("starting CoreDNS: %v", err)
	}
	t.Cleanup(s.Stop)
	s.started(inst)
	return s
}

func (s *Server) started(inst *caddy.Instance) {
	s.inst = inst
	l := s.Listener("dns")
	s.Addr, s.TCP = l.LocalAddr().String(), l.Addr().String()
	s.serving()
}

// serving waits until every server for plain DNS reads its sockets. CoreDNS does
// not, and a server that is stopped before it has begun goes on for ever, on the
// sockets of the one that has replaced it (docs/upstream/server-stop-race.md). A
// header without a question is refused before any plugin sees it.
func (s *Server) serving() {
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

// Listener returns where s answers transport: dns, tls, https, grpc or quic.
// CoreDNS starts its servers in the order of a map. Of several for transport
// it is that with the least address in the Corefile.
func (s *Server) Listener(transport string) caddy.ServerListener {
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

// Port returns the port that stands for port 0 with transport.
func (s *Server) Port(transport string) string { return s.ports[transport] }

// server returns what l serves. Caddy does not export it, so its field is read.
func server(l caddy.ServerListener) reflect.Value {
	return reflect.ValueOf(l).FieldByName("server").Elem().Elem()
}

// configuredAddr returns the address by which CoreDNS knows the server of l, as
// in tls://127.0.0.1:853.
func configuredAddr(l caddy.ServerListener) string {
	return server(l).FieldByName("Addr").String()
}

// Ready reports what the plugin ready would report of rrhealth, if it is in the
// Corefile: zones are walked, and every backend and address has had a result.
func (s *Server) Ready() bool {
	for _, l := range s.inst.Servers() {
		// CoreDNS does not export the plugins of a server either.
		zones := server(l).FieldByName("zones")
		byZone := *(*map[string][]*dnsserver.Config)(unsafe.Pointer(zones.UnsafeAddr())) // #nosec G103 -- of this very type
		for _, configs := range byZone {
			for _, c := range configs {
				if h, ok := handler(c).(interface{ Ready() bool }); ok && !h.Ready() {
					return false
				}
			}
		}
	}
	return true
}

func handler(c *dnsserver.Config) plugin.Handler { return c.Handler("rrhealth") }

// AwaitReady waits until s is ready.
func (s *Server) AwaitReady() {
	s.t.Helper()
	Eventually(s.t, "rrhealth is ready", s.Ready)
}

// Stop shuts down as CoreDNS does on SIGTERM. It may be called twice.
func (s *Server) Stop() {
	if s.inst == nil {
		return
	}
	s.LameDuck()
	if err := s.inst.Stop(); err != nil {
		s.t.Errorf("stopping: %v", err)
	}
	s.inst = nil
}

// LameDuck stops the plugins, but not the listeners: CoreDNS is in that state
// while it waits for the lameduck of the plugin health.
func (s *Server) LameDuck() {
	for _, err := range s.inst.ShutdownCallbacks() {
		s.t.Errorf("shutting down: %v", err)
	}
}

// Reload replaces the Corefile, as SIGUSR1 and the plugin reload do. After an
// error the old one is in force.
func (s *Server) Reload(corefile string) error {
	inst, err := s.inst.Restart(input(s.withPorts(corefile)))
	if err == nil {
		s.started(inst)
	}
	return err
}

// RestartCallbacks returns how many functions CoreDNS would call if a reload
// failed.
func (s *Server) RestartCallbacks() int { return len(s.inst.OnRestartFailed) }

// Ask sends one query over UDP and returns the reply.
func (s *Server) Ask(name string, qtype uint16) *dns.Msg {
	s.t.Helper()
	m := new(dns.Msg)
	m.SetQuestion(name, qtype)
	return s.Exchange(m, "udp")
}

// Exchange sends m over network, udp or tcp, and returns the reply.
func (s *Server) Exchange(m *dns.Msg, network string) *dns.Msg {
	s.t.Helper()
	addr := s.Addr
	if network == "tcp" {
		addr = s.TCP
	}
	r, err := Exchange(m, network, addr)
	if err != nil {
		s.t.Fatalf("asking for %s: %v", m.Question[0].String(), err)
	}
	return r
}

// Settled waits until the answers for name are just these addresses, in any
// order.
func (s *Server) Settled(name string, qtype uint16, want ...string) {
	s.t.Helper()
	slices.Sort(want)
	var got []string
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		got = Addrs(s.Ask(name, qtype))
		slices.Sort(got)
		if slices.Equal(got, want) {
			return
		}
	}
	s.t.Fatalf("%s: answers are %v after %s, want %v", name, got, patience, want)
}

// patience is as long as a slow machine may take.
const patience = 20 * time.Second

// Eventually waits until ok.
func Eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("still not so after %s: %s", patience, what)
		}
		<-tick.C
	}
}
