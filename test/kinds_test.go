package test

import (
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
	"testing"
	"time"

	"github.com/miekg/dns"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/rrhealth/rrhealth/internal/harness"
	"github.com/rrhealth/rrhealth/internal/lease"
)

// secure starts an HTTPS server on addr, host and port, whose certificate ends
// at that time.
func secure(t *testing.T, addr string, ends time.Time) (port string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"www.example.org"},
		NotBefore: ends.AddDate(-1, 0, 0), NotAfter: ends,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	s := &httptest.Server{Listener: l, Config: &http.Server{Handler: http.HandlerFunc(harness.Healthy), ReadHeaderTimeout: time.Second}}
	s.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, MinVersion: tls.VersionTLS12}
	s.StartTLS()
	t.Cleanup(s.Close)
	_, port, _ = net.SplitHostPort(l.Addr().String())
	return port
}

func TestTheMetricsShowWhenCertificatesExpire(t *testing.T) {
	soon, later := time.Now().AddDate(0, 0, 3), time.Now().AddDate(0, 0, 90)
	past := time.Now().AddDate(0, 0, -1)
	host := lease.Net(t)
	port := secure(t, host+"1:0", later)
	secure(t, host+"2:"+port, past)
	other := secure(t, host+"1:0", soon)
	plain, _ := harness.Fleet(t, 1)
	corefiles := []string{
		fmt.Sprintf("rrhealth www.example.org {\nbackend %s1 %[1]s2\ncheck https://:%s {\ninsecure\n}\n%s}", host, port, harness.Quick),
		// Of several certificates, the one that ends first is shown.
		fmt.Sprintf("rrhealth www.example.org {\nbackend %s1\ncheck https://:%s {\ninsecure\n}\ncheck tls://:%s {\ninsecure\n}\n%s}", host, port, other, harness.Quick),
		fmt.Sprintf("rrhealth www.example.org {\nbackend %s\ncheck tcp://:%s\n%s}", plain[0].IP(), port, harness.Quick),
	}
	const name = "certificate_expiry_timestamp_seconds"
	of := func(last string) string {
		return fmt.Sprintf("%s{backend=%s%s,pool=www.example.org.}", name, host, last)
	}
	s := harness.Start(t, harness.Corefile(corefiles[0]))
	harness.Eventually(t, "both certificates are shown, the one that has expired as well", func() bool {
		all := harness.Series(t)
		return all[of("1")] == float64(later.Unix()) && all[of("2")] == float64(past.Unix())
	})
	if err := s.Reload(harness.Corefile(strings.Replace(corefiles[0], "200ms", "300ms", 1))); err != nil {
		t.Fatal(err)
	}
	harness.Eventually(t, "both certificates are shown at another pace", func() bool {
		all := harness.Series(t)
		return all[of("1")] == float64(later.Unix()) && all[of("2")] == float64(past.Unix())
	})
	if err := s.Reload(harness.Corefile(corefiles[1])); err != nil {
		t.Fatal(err)
	}
	harness.Eventually(t, "the certificate that ends first is shown, and the one that is gone is not", func() bool {
		all := harness.Series(t)
		_, still := all[of("2")]
		return all[of("1")] == float64(soon.Unix()) && !still
	})
	if err := s.Reload(harness.Corefile(corefiles[2])); err != nil {
		t.Fatal(err)
	}
	for shown := range harness.Series(t) {
		if strings.HasPrefix(shown, name) {
			t.Errorf("%s is shown, want none: nothing asks over TLS", shown)
		}
	}
}

func TestACommandDecidesWhatIsAnswered(t *testing.T) {
	dir, host := t.TempDir(), lease.Net(t)
	up := filepath.Join(dir, "up")
	script := filepath.Join(dir, "check")
	const text = "#!/bin/sh\n[ \"$2\" = \"$RRHEALTH_ADDRESS\" ] && [ \"$TOKEN\" = 'two words' ] && [ -e \"$1.$2\" ]\n"
	if err := os.WriteFile(script, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	start := func(last string) { _ = os.WriteFile(up+"."+host+last, nil, 0o600) }
	start("1")
	start("2")
	s := harness.Start(t, harness.Corefile(fmt.Sprintf(`rrhealth www.example.org {
		backend %[1]s1 %[1]s2
		check exec %s %s {
			env TOKEN two words
		}
		interval 500ms fast 100ms
		timeout 450ms
	}`, host, script, up)))
	s.Settled("www.example.org.", dns.TypeA, host+"1", host+"2")
	if err := os.Remove(up + "." + host + "2"); err != nil {
		t.Fatal(err)
	}
	s.Settled("www.example.org.", dns.TypeA, host+"1")
	start("2")
	s.Settled("www.example.org.", dns.TypeA, host+"1", host+"2")
}

func TestAServiceThatDoesNotServeIsNotAnswered(t *testing.T) {
	host := lease.Net(t)
	var services []*health.Server
	port := "0"
	for i := range 2 {
		l, err := net.Listen("tcp", fmt.Sprintf("%s%d:%s", host, i+1, port))
		if err != nil {
			t.Fatal(err)
		}
		_, port, _ = net.SplitHostPort(l.Addr().String())
		server, service := grpc.NewServer(), health.NewServer()
		healthpb.RegisterHealthServer(server, service)
		service.SetServingStatus("shop.v1.Cart", healthpb.HealthCheckResponse_SERVING)
		services = append(services, service)
		done := make(chan struct{})
		go func() { defer close(done); _ = server.Serve(l) }()
		t.Cleanup(func() { server.Stop(); <-done })
	}
	s := harness.Start(t, harness.Corefile(fmt.Sprintf(`rrhealth www.example.org {
		backend %[1]s1 %[1]s2
		check grpc://:%s/shop.v1.Cart
		%s
	}`, host, port, harness.Quick)))
	s.Settled("www.example.org.", dns.TypeA, host+"1", host+"2")
	services[0].SetServingStatus("shop.v1.Cart", healthpb.HealthCheckResponse_NOT_SERVING)
	s.Settled("www.example.org.", dns.TypeA, host+"2")
	services[0].SetServingStatus("shop.v1.Cart", healthpb.HealthCheckResponse_SERVING)
	s.Settled("www.example.org.", dns.TypeA, host+"1", host+"2")
}

// What the manual page advises for well-known servers must get through the
// Corefile's own quoting. plugin/probe asks the servers themselves.
func TestTheAdviceForWellKnownServersCanBeWritten(t *testing.T) {
	t.Setenv("REDIS_PASSWORD", "two")
	err := harness.Validate(harness.Corefile(`rrhealth www.example.org {
		backend 192.0.2.1
		check tcp://:6379 {
			send AUTH\x20{$REDIS_PASSWORD}\r\nPING\r\n
			expect \+PONG
		}
		check tcp://:25 {
			expect ^220
		}
		check tcp://:3306 {
			expect "(?s)^.{4}\n[!-~]*MariaDB"
		}
		check tcp://:5432 {
			send \0\0\0\x08\x04\xd2\x16\x2f
			expect ^[SN]$
		}
		check dns://:53/example.org {
			type SOA
			answer ^ns1\.
		}
		check exec /bin/sh -c "exec ping -c 1 $0 >&2" {
			env LC_ALL C
			env TOKEN "two words"
			timeout 2s
		}
	}`))
	if err != nil {
		t.Error(err)
	}
}
