package main

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/coredns/coredns/core/dnsserver"
	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/internal/lease"
)

func TestInsertStandsDirectlyBeforeCache(t *testing.T) {
	before := slices.Clone(dnsserver.Directives)
	t.Cleanup(func() { dnsserver.Directives = before })
	if err := insert(); err != nil {
		t.Fatal(err)
	}
	at := slices.Index(dnsserver.Directives, "rrhealth")
	if at < 0 || dnsserver.Directives[at+1] != "cache" || len(dnsserver.Directives) != len(before)+1 {
		t.Errorf("directives %v, want rrhealth directly before cache", dnsserver.Directives)
	}
	if acl := slices.Index(dnsserver.Directives, "acl"); acl > at {
		t.Error("rrhealth stands above acl")
	}
}

func TestInsertFailsWithoutItsAnchor(t *testing.T) {
	before := slices.Clone(dnsserver.Directives)
	t.Cleanup(func() { dnsserver.Directives = before })
	dnsserver.Directives = []string{"errors", "forward"}
	if err := insert(); err == nil || !strings.Contains(err.Error(), `"cache"`) {
		t.Errorf("error %v, want one that names the missing plugin", err)
	}
}

// A newcomer runs this example first. The test runs it unchanged, except for
// free ports, through reloads by signal until a graceful end.
func TestTheShippedExample(t *testing.T) {
	dir := t.TempDir()
	binary := build(t)
	text, err := os.ReadFile("../../Corefile.example")
	if err != nil {
		t.Fatal(err)
	}
	corefile := string(text)
	addr := map[string]string{}
	for _, port := range []string{"1053", "8053", "8054", "8153", "9153"} {
		if !strings.Contains(corefile, ":"+port) {
			t.Fatalf("Corefile.example has no port %s", port)
		}
		free := lease.Port(t, "127.0.0.1")
		corefile = strings.ReplaceAll(corefile, ":"+port, ":"+free)
		addr[port] = "127.0.0.1:" + free
	}
	file := filepath.Join(dir, "Corefile")
	if err := os.WriteFile(file, []byte(corefile), 0o600); err != nil {
		t.Fatal(err)
	}

	cmd, out, ended := run(t, binary, file)
	eventually(t, "the backend that is down is left out", func() bool {
		got := ask(addr["1053"])
		slices.Sort(got)
		return slices.Equal(got, []string{"192.0.2.1", "192.0.2.2"})
	})
	rotates(t, addr["1053"])
	if got := get("http://" + addr["8153"] + "/ready"); got != "OK" {
		t.Errorf("/ready returns %q, want OK", got)
	}
	if got := get("http://" + addr["9153"] + "/metrics"); !strings.Contains(got, `coredns_rrhealth_backend_up{backend="192.0.2.3",pool="www.example.org.",server="dns://`+addr["1053"]+`",view=""} 0`) {
		t.Errorf("/metrics does not show the backend as down:\n%s", got)
	}
	if got := get("http://" + addr["8054"] + "/"); !strings.Contains(got, "192.0.2.3") {
		t.Errorf("the status page has no backend 192.0.2.3:\n%s", got)
	}
	if want := "status at http://" + addr["8054"] + "/"; !strings.Contains(out.String(), want) {
		t.Errorf("log %q, want %q in it", out.String(), want)
	}

	for i := range 3 {
		if err := cmd.Process.Signal(syscall.SIGUSR1); err != nil {
			t.Fatal(err)
		}
		eventually(t, "reloaded", func() bool { return strings.Count(out.String(), "Reloading complete") == i+1 })
		rotates(t, addr["1053"])
	}
	if n := strings.Count(out.String(), "is down"); n != 1 {
		t.Errorf("%d transitions logged, want only the one after the start: a reload keeps the state", n)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the lame duck", func() bool { return strings.Contains(out.String(), "lameduck") })
	rotates(t, addr["1053"])
	if err := <-ended; err != nil {
		t.Errorf("exit: %v, want no error", err)
	}
}

// The reload plugin reloads a changed file without a signal.
func TestTheReloadPluginPicksUpANewBackend(t *testing.T) {
	addr := "127.0.0.1:" + lease.Port(t, "127.0.0.1")
	corefile := func(backends string) []byte {
		_, port, _ := net.SplitHostPort(addr)
		return []byte("example.org:" + port + " {\n    bind 127.0.0.1\n    reload 2s 1s\n    rrhealth www.example.org {\n        backend " + backends + "\n    }\n}\n")
	}
	file := filepath.Join(t.TempDir(), "Corefile")
	if err := os.WriteFile(file, corefile("192.0.2.1"), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, build(t), file)
	eventually(t, "one backend", func() bool { return slices.Equal(ask(addr), []string{"192.0.2.1"}) })
	if err := os.WriteFile(file, corefile("192.0.2.1 192.0.2.2"), 0o600); err != nil {
		t.Fatal(err)
	}
	eventually(t, "two backends", func() bool { return len(ask(addr)) == 2 })
	rotates(t, addr)
}

// SIGUSR1 removes the event hooks of all plugins (caddy, sigtrap_posix.go).
// What is started with an instance must also start after each reload: here the
// warning about a zone that is signed below.
func TestReloadsBySignalLookForSignedZones(t *testing.T) {
	addr := "127.0.0.1:" + lease.Port(t, "127.0.0.1")
	_, port, _ := net.SplitHostPort(addr)
	dir := t.TempDir()
	zone := `$ORIGIN example.org.
@ 60 IN SOA ns hostmaster 1 7200 3600 1209600 60
@ 60 IN RRSIG SOA 13 2 60 20380101000000 20260101000000 4711 example.org. c2lnbmF0dXJl
@ 60 IN NS ns
ns 60 IN A 127.0.0.1
`
	corefile := "example.org:" + port + " {\n bind 127.0.0.1\n root " + dir + "\n rrhealth www.example.org {\n backend 192.0.2.1 192.0.2.2\n }\n file db\n}\n"
	for name, content := range map[string]string{"db": zone, "Corefile": corefile} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd, out, _ := run(t, build(t), filepath.Join(dir, "Corefile"))
	for i := range 3 {
		eventually(t, "one warning per instance", func() bool { return strings.Count(out.String(), "signed below") > i })
		rotates(t, addr)
		// A signal is lost if it arrives before caddy listens for it.
		taken := strings.Count(out.String(), "SIGUSR1: Reloading")
		eventually(t, "reloading", func() bool {
			_ = cmd.Process.Signal(syscall.SIGUSR1)
			return strings.Count(out.String(), "SIGUSR1: Reloading") > taken
		})
	}
}

// built has the folder of this command, which is built once for all tests.
var built struct {
	once   sync.Once
	dir    string
	output []byte
	err    error
}

func TestMain(m *testing.M) {
	code := m.Run()
	_ = os.RemoveAll(built.dir)
	os.Exit(code)
}

func build(t *testing.T) string {
	t.Helper()
	built.once.Do(func() {
		if built.dir, built.err = os.MkdirTemp("", "coredns"); built.err == nil { //nolint:usetesting // outlives the test
			built.output, built.err = exec.Command("go", "build", "-o", filepath.Join(built.dir, "coredns"), ".").CombinedOutput()
		}
	})
	if built.err != nil {
		t.Fatalf("building: %v\n%s", built.err, built.output)
	}
	return filepath.Join(built.dir, "coredns")
}

// run starts binary on a Corefile. It is killed when the test ends.
func run(t *testing.T, binary, file string) (*exec.Cmd, *output, <-chan error) {
	t.Helper()
	cmd := exec.Command(binary, "-conf", file)
	out := new(output)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		if t.Failed() {
			t.Log(out.String())
		}
	})
	return cmd, out, ended
}

// rotates checks that the answers alternate between the two backends that are
// up.
func rotates(t *testing.T, addr string) {
	t.Helper()
	first := ask(addr)
	if len(first) != 2 {
		t.Fatalf("answer %v, want the two backends that are up", first)
	}
	if second := ask(addr); !slices.Equal(second, []string{first[1], first[0]}) {
		t.Errorf("answers %v, then %v: want the second rotated by one", first, second)
	}
}

func ask(addr string) []string {
	m := new(dns.Msg)
	m.SetQuestion("www.example.org.", dns.TypeA)
	r, _, err := (&dns.Client{Timeout: 2 * time.Second}).Exchange(m, addr)
	if err != nil {
		return nil
	}
	var all []string
	for _, rr := range r.Answer {
		all = append(all, rr.(*dns.A).A.String())
	}
	return all
}

func get(url string) string {
	resp, err := http.Get(url) // #nosec G107 -- a test
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	return string(body)
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("condition not met within 30 s: %s", what)
		}
		<-tick.C
	}
}

// output collects what a process prints.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}
