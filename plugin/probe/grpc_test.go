package probe

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	grpcpeer "google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
)

// serves starts a gRPC server with what register gives it, over TLS where there
// is a certificate.
func serves(cert *tls.Certificate, register func(*grpc.Server), options ...grpc.ServerOption) func(*testing.T) string {
	return func(t *testing.T) string {
		t.Helper()
		if cert != nil {
			options = append(options, grpc.Creds(credentials.NewTLS(&tls.Config{Certificates: []tls.Certificate{*cert}, MinVersion: tls.VersionTLS12})))
		}
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		s := grpc.NewServer(options...)
		register(s)
		done := make(chan struct{})
		go func() { defer close(done); _ = s.Serve(l) }()
		t.Cleanup(func() { s.Stop(); <-done })
		_, port, _ := net.SplitHostPort(l.Addr().String())
		return port
	}
}

// standard registers grpc-go's own health service. The server is well, "sick"
// is not.
func standard(s *grpc.Server) {
	h := health.NewServer()
	h.SetServingStatus("shop.v1.Cart", healthpb.HealthCheckResponse_SERVING)
	h.SetServingStatus("sick", healthpb.HealthCheckResponse_NOT_SERVING)
	healthpb.RegisterHealthServer(s, h)
}

// A healthFunc is a health service of one function.
type healthFunc func(context.Context, *healthpb.HealthCheckRequest) (*healthpb.HealthCheckResponse, error)

func (f healthFunc) register(s *grpc.Server) { healthpb.RegisterHealthServer(s, server{f: f}) }

type server struct {
	healthpb.UnimplementedHealthServer
	f healthFunc
}

func (s server) Check(ctx context.Context, r *healthpb.HealthCheckRequest) (*healthpb.HealthCheckResponse, error) {
	return s.f(ctx, r)
}

func grpcRows(t *testing.T) []row {
	t.Helper()
	const url, secure = "grpc://:PORT", "grpcs://www.example.org:PORT"
	a := newAuthority(t)
	good := a.issue(leaf{})
	ca := "ca " + a.file
	fails := func(err error) func(*testing.T) string {
		return serves(nil, healthFunc(func(context.Context, *healthpb.HealthCheckRequest) (*healthpb.HealthCheckResponse, error) {
			return nil, err
		}).register)
	}
	return append([]row{
		{name: "grpc: serving", check: url, serve: serves(nil, standard)},
		{name: "grpc: service serving", check: url + "/shop.v1.Cart", serve: serves(nil, standard)},
		{name: "grpc: service not serving", check: url + "/sick", serve: serves(nil, standard)},
		{name: "grpc: service unknown", check: url + "/unknown", serve: serves(nil, standard)},
		{name: "grpc: a state that has no name", check: url, serve: serves(nil, healthFunc(func(context.Context, *healthpb.HealthCheckRequest) (*healthpb.HealthCheckResponse, error) {
			return &healthpb.HealthCheckResponse{Status: 42}, nil
		}).register)},
		{name: "grpc: no health service", check: url, serve: serves(nil, func(*grpc.Server) {})},
		{name: "grpc: an error with a long text", check: url, serve: fails(status.Error(codes.Internal, "database \x1b[31m gone"))},
		{name: "grpc: unavailable", check: url, serve: fails(status.Error(codes.Unavailable, "starting up"))},
		{name: "grpc: never replies", check: url, silent: true, serve: serves(nil, healthFunc(func(ctx context.Context, _ *healthpb.HealthCheckRequest) (*healthpb.HealthCheckResponse, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}).register)},
		{name: "grpc: headers of 30 KB", check: url, serve: serves(nil, healthFunc(func(ctx context.Context, _ *healthpb.HealthCheckRequest) (*healthpb.HealthCheckResponse, error) {
			_ = grpc.SetHeader(ctx, metadata.Pairs("x", fmt.Sprintf("%030000d", 1)))
			return &healthpb.HealthCheckResponse{Status: healthpb.HealthCheckResponse_SERVING}, nil
		}).register)},
		{name: "grpc: HTTP/1.1", check: url, serve: status200},
		{name: "grpc: SSH", check: url, serve: says("SSH-2.0-OpenSSH_9.2p1\r\n")},
		{name: "grpc: talks without end", check: url, serve: endless("", "blah ")},
		{name: "grpc: silence", check: url, serve: silent, silent: true},
		{name: "grpc: closes", check: url, serve: closes},
		{name: "grpc: resets", check: url, serve: resets},
		{name: "grpc: closed port", check: url, serve: unused},
		{name: "grpcs: serving", check: secure, options: []string{ca, "min_days 14"}, serve: serves(&good, standard)},
		{name: "grpcs: service not serving", check: secure + "/sick", options: []string{ca}, serve: serves(&good, standard)},
		{name: "grpcs: server knows no HTTP/2", check: secure, options: []string{ca}, serve: handlesTLS(good, func(http.ResponseWriter, *http.Request) {}, "http/1.1")},
		{name: "grpcs: server has no ALPN", check: secure, options: []string{ca}, serve: shakes(good)},
		{name: "grpcs: HTTP/2, but not gRPC", check: secure, options: []string{ca}, serve: handlesTLS(good, http.NotFound, "h2")},
	}, badCerts(t, "grpcs", secure, a)...)
}

func status200(t *testing.T) string {
	t.Helper()
	return handles(func(http.ResponseWriter, *http.Request) {})(t)
}

func TestTheCallIsWhatTheCorefileSays(t *testing.T) {
	a := newAuthority(t)
	good := a.issue(leaf{})
	var (
		service   string
		authority []string
		secured   bool
	)
	port := serves(&good, healthFunc(func(ctx context.Context, r *healthpb.HealthCheckRequest) (*healthpb.HealthCheckResponse, error) {
		service = r.GetService()
		authority = metadata.ValueFromIncomingContext(ctx, ":authority")
		p, _ := grpcpeer.FromContext(ctx)
		_, secured = p.AuthInfo.(credentials.TLSInfo)
		return &healthpb.HealthCheckResponse{Status: healthpb.HealthCheckResponse_SERVING}, nil
	}).register)(t)
	if err := ask(t, check(t, port, "grpcs://www.example.org:PORT/shop.v1.Cart", "ca "+a.file), enough); err != nil {
		t.Fatal(err)
	}
	if service != "shop.v1.Cart" || len(authority) != 1 || authority[0] != "www.example.org:"+port || !secured {
		t.Errorf("the server received service %q, authority %q, TLS %v", service, authority, secured)
	}
}
