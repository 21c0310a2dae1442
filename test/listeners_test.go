package test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/coredns/coredns/pb"
	_ "github.com/coredns/coredns/plugin/tls"
	"github.com/miekg/dns"
	"github.com/quic-go/quic-go"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/rrhealth/rrhealth/internal/harness"
)

// CoreDNS listens in six ways. A client gets the same answer in each,
// from a pool and through a filter, and nothing of it goes elsewhere.
func TestEveryKindOfListenerGivesTheSameAnswer(t *testing.T) {
	ca := newAuthority(t)
	cert, key := pemFiles(t, ca.issue(t, "dns.example.org", time.Hour))
	backends, port := harness.Fleet(t, 2)
	zone := harness.Zone(t, fmt.Sprintf("@ IN SOA ns1 hostmaster 1 7200 3600 1209600 60\nweb IN A %s\nweb IN A %s", backends[0].IP(), backends[1].IP()))
	backends[0].Stop()
	s := harness.Start(t, fmt.Sprintf(`example.org:0 tls://example.org:0 https://example.org:0 grpc://example.org:0 quic://example.org:0 {
    bind 127.0.0.1
    tls %s %s
    rrhealth www.example.org {
        backend 192.0.2.1 192.0.2.2 192.0.2.3
        policy sequential
    }
    rrhealth {
        policy sequential
        watch 127.0.0.0/8
        check tcp://:%s
        interval 1s fast 100ms
        timeout 100ms
    }
    file %s example.org # not the block's zones: it hangs at the end where one is there twice
}
`, cert, key, port, zone))
	secure, https := s.Listener("tls").Addr().String(), s.Listener("https").Addr().String()
	rpc, doq := s.Listener("grpc").Addr().String(), s.Listener("quic").LocalAddr().String()
	s.Settled("web.example.org.", dns.TypeA, harness.IPs(backends[1])...)

	roots := x509.NewCertPool()
	roots.AddCert(ca.cert)
	config := &tls.Config{RootCAs: roots, ServerName: "dns.example.org", MinVersion: tls.VersionTLS12}
	ask := map[string]func(*dns.Msg) (*dns.Msg, error){
		"udp": func(m *dns.Msg) (*dns.Msg, error) { return harness.Exchange(m, "udp", s.Addr) },
		"tcp": func(m *dns.Msg) (*dns.Msg, error) { return harness.Exchange(m, "tcp", s.TCP) },
		"tls": func(m *dns.Msg) (*dns.Msg, error) {
			c := dns.Client{Net: "tcp-tls", TLSConfig: config, Timeout: 5 * time.Second}
			r, _, err := c.Exchange(m, secure)
			return r, err
		},
		"https": packed(func(ctx context.Context, q []byte) ([]byte, error) {
			c := http.Client{Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}}
			req, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+https+"/dns-query", bytes.NewReader(q))
			if err != nil {
				return nil, err
			}
			req.Header.Set("Content-Type", "application/dns-message")
			resp, err := c.Do(req)
			if err != nil {
				return nil, err
			}
			defer resp.Body.Close()
			return io.ReadAll(resp.Body)
		}),
		"grpc": packed(func(ctx context.Context, q []byte) ([]byte, error) {
			conn, err := grpc.NewClient(rpc, grpc.WithTransportCredentials(credentials.NewTLS(config)))
			if err != nil {
				return nil, err
			}
			defer conn.Close()
			reply, err := pb.NewDnsServiceClient(conn).Query(ctx, &pb.DnsPacket{Msg: q})
			return reply.GetMsg(), err
		}),
		"quic": packed(func(ctx context.Context, q []byte) ([]byte, error) {
			c := config.Clone()
			c.NextProtos = []string{"doq"}
			conn, err := quic.DialAddr(ctx, doq, c, nil)
			if err != nil {
				return nil, err
			}
			defer func() { _ = conn.CloseWithError(0, "") }()
			stream, err := conn.OpenStreamSync(ctx)
			if err != nil {
				return nil, err
			}
			if _, err := stream.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(q))), q...)); err != nil {
				return nil, err
			}
			_ = stream.Close() // RFC 9250, section 4.2: FIN ends the query
			reply, err := io.ReadAll(stream)
			if err != nil || len(reply) < 2 {
				return nil, fmt.Errorf("read %d bytes: %w", len(reply), err)
			}
			return reply[2:], nil
		}),
	}
	want := map[string][]string{
		"www.example.org.": {"192.0.2.1", "192.0.2.2", "192.0.2.3"},
		"web.example.org.": harness.IPs(backends[1]),
	}
	for how, ask := range ask {
		for name, want := range want {
			t.Run(how+" "+name, func(t *testing.T) {
				m := new(dns.Msg).SetQuestion(name, dns.TypeA)
				m.Id = 0 // RFC 9250, section 4.2.1
				m.SetEdns0(1232, false)
				r, err := ask(m)
				if err != nil {
					t.Fatal(err)
				}
				if got := harness.Addrs(r); !slices.Equal(got, want) || r.IsEdns0() == nil {
					t.Errorf("got %v, want %v and an OPT record", r, want)
				}
			})
		}
	}
}

// packed makes of an exchange of bytes one of messages.
func packed(exchange func(context.Context, []byte) ([]byte, error)) func(*dns.Msg) (*dns.Msg, error) {
	return func(m *dns.Msg) (*dns.Msg, error) {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		q, err := m.Pack()
		if err != nil {
			return nil, err
		}
		reply, err := exchange(ctx, q)
		if err != nil {
			return nil, err
		}
		r := new(dns.Msg)
		return r, r.Unpack(reply)
	}
}

// pemFiles writes a certificate and its key to files.
func pemFiles(t *testing.T, c tls.Certificate) (cert, key string) {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for file, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: c.Certificate[0]}, key: {Type: "PRIVATE KEY", Bytes: der}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}
