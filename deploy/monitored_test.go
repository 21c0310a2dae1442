package deploy_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/internal/harness"
	"github.com/rrhealth/rrhealth/internal/lease"
)

// A monitored server has a pool or a filter in each state that a panel or an
// alert is about.
type monitored struct {
	*harness.Server
	metrics string // where Prometheus scrapes it
	port    string // of its backends
	down    string // the backend that is down all the time
}

// The pools, below example.org. The last three are filters.
var monitoredNames = []string{"www", "healthy", "none", "few", "flaps", "back", "dry", "near", "tls", "fresh", "blind", "filter", "signed", "dryfilter"}

// The pool and the filter for which operators have set something.
const (
	setInPool   = "healthy.example.org"
	setInFilter = "filter.example.org"
)

// pace lets a backend of this process be slow without going down.
const pace = "interval 1s fast 200ms\ntimeout 900ms\nfall 2\n"

// startMonitored starts the server. Its states come within seconds, but for that
// of a tier that has failed and is held down since.
func startMonitored(t *testing.T) *monitored {
	t.Helper()
	backends, port := harness.Fleet(t, 5)
	ip := harness.IPs(backends...)
	up, other, down, flapping, returning := ip[0], ip[1], ip[2], ip[3], ip[4]
	backends[2].Stop()
	restart(backends[3], alternate())
	host := lease.Net(t)
	soon, later := secureServer(t, host+"1", 2*24*time.Hour), secureServer(t, host+"2", 90*24*time.Hour)
	script := filepath.Join(t.TempDir(), "check")
	if err := os.WriteFile(script, []byte("#!/bin/sh\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	m := &monitored{metrics: "127.0.0.1:" + lease.Port(t, "127.0.0.1"), port: port, down: down}
	check := "check http://:" + port + "\n"
	stanzas := []string{
		"www {\nbackend " + up + " " + other + " " + down + "\n" + check + pace,
		"healthy {\nbackend " + up + " " + other + "\n" + check + pace,
		"none {\nbackend " + down + " " + harness.NoServer + "\n" + check + pace,
		"few {\nbackend " + up + " " + down + "\nmin_up 2\n" + check + pace,
		"flaps {\nbackend " + up + " " + flapping + "\n" + check + "interval 100ms\ntimeout 90ms\nrise 1\nfall 1\n",
		"back {\nbackend " + returning + "\nbackend " + up + " tier 2\nfailback manual\n" + check + pace,
		"dry {\nbackend " + up + " " + down + "\ndry_run\n" + check + pace,
		"near {\nbackend " + up + " location 50.1 8.7\nbackend " + other + " location 40.7 -74.0\npolicy nearest\n" + check + pace,
		"tls {\nbackend " + host + "1\ncheck https://:" + soon + " {\ninsecure\n}\n" + pace,
		"fresh {\nbackend " + host + "2\ncheck https://:" + later + " {\ninsecure\n}\n" + pace,
		"blind {\nbackend " + up + "\ncheck exec " + script + "\ninterval 100ms\ntimeout 90ms\n",
	}
	for _, name := range []string{"filter", "signed", "dryfilter"} {
		stanza := name + " {\nwatch 127.0.0.0/8\ncheck tcp://:" + port + "\n" + pace
		if name == "dryfilter" {
			stanza += "dry_run\n"
		}
		stanzas = append(stanzas, stanza)
	}
	var corefile strings.Builder
	control := filepath.Join(t.TempDir(), "control")
	fmt.Fprintf(&corefile, "prometheus %s\nfile %s example.org\nrrhealth {\ncontrol %s\nstate %s\n}\n", m.metrics, monitoredZone(t, up, down), control, t.TempDir())
	for _, stanza := range stanzas {
		name, block, _ := strings.Cut(stanza, " ")
		fmt.Fprintf(&corefile, "rrhealth %s.example.org %s}\n", name, block)
	}
	// The command is there while the Corefile is read, and for no probe that counts.
	m.Server = harness.Start(t, harness.Corefile(corefile.String()))
	if err := os.Remove(script); err != nil {
		t.Fatal(err)
	}
	set(t, control, `{"set": "drain", "selectors": ["`+other+`"], "pool": "`+setInPool+`", "for": 3600}`)
	m.ask() // so that the filter watches the address
	set(t, control, `{"set": "weight", "weight": 2, "selectors": ["`+up+`"], "pool": "`+setInFilter+`", "forever": true}`)
	m.Settled("back.example.org.", dns.TypeA, returning)
	backends[4].Stop()
	m.Settled("back.example.org.", dns.TypeA, up)
	backends[4].Start()
	return m
}

// set asks for a change at the control socket, until it is done: an address that
// a filter has just found is not watched at once.
func set(t *testing.T, control, change string) {
	t.Helper()
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", control)
	}
	client := http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}
	harness.Eventually(t, "done: "+change, func() bool {
		r, err := client.Post("http://control/api/v1/overrides", "application/json", strings.NewReader(change))
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		return r.StatusCode == http.StatusOK
	})
}

// monitoredZone writes the zone below the filters: sets of an address that is up
// and one that is down, and services at hosts of which one is down. Signatures
// need not validate: rrhealth changes no set that has one.
func monitoredZone(t *testing.T, up, down string) string {
	t.Helper()
	zone := harness.SOA
	for _, name := range []string{"filter", "signed", "dryfilter"} {
		zone += strings.NewReplacer("NAME", name, "UP", up, "DOWN", down).Replace(`NAME IN A UP
NAME IN A DOWN
a.NAME IN A UP
b.NAME IN A DOWN
_s._tcp.NAME IN SRV 10 5 443 a.NAME
_s._tcp.NAME IN SRV 20 5 443 b.NAME
`)
	}
	for name, labels := range map[string]int{"signed A": 3, "_s._tcp.signed SRV": 5, "a.signed A": 4, "b.signed A": 4} {
		owner, covered, _ := strings.Cut(name, " ")
		zone += fmt.Sprintf("%s IN RRSIG %s 13 %d 300 20500101000000 20200101000000 4711 example.org. %s\n", owner, covered, labels, strings.Repeat("AAAA", 21)+"AA==")
	}
	return harness.Zone(t, zone)
}

// restart has a backend answer by handler.
func restart(b *harness.Backend, handler http.Handler) {
	b.Stop()
	b.Handler = handler
	b.Start()
}

// alternate answers every other request with an error.
func alternate() http.HandlerFunc {
	var requests atomic.Int64
	return func(w http.ResponseWriter, _ *http.Request) {
		if requests.Add(1)%2 == 0 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}
}

// secureServer starts an HTTPS server whose certificate expires after left, and
// returns its port.
func secureServer(t *testing.T, ip string, left time.Duration) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().AddDate(-1, 0, 0), NotAfter: time.Now().Add(left)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", ip+":0")
	if err != nil {
		t.Fatal(err)
	}
	s := &httptest.Server{Listener: l, Config: &http.Server{Handler: http.HandlerFunc(harness.Healthy), ReadHeaderTimeout: time.Second}}
	s.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, MinVersion: tls.VersionTLS12}
	s.StartTLS()
	t.Cleanup(s.Close)
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

// ask asks for everything once, as a client that wants signatures and as one
// that does not.
func (m *monitored) ask() {
	for _, name := range monitoredNames {
		for _, do := range []bool{false, true} {
			m.Exchange(harness.Query(name+".example.org.", dns.TypeA, do), "udp")
			m.Exchange(harness.Query("_s._tcp."+name+".example.org.", dns.TypeSRV, do), "udp")
		}
	}
}
