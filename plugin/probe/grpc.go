package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"syscall"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	health "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
)

// parseGRPC reads grpc://[HOST]:PORT[/SERVICE] and grpcs://..., the latter with
// the TLS options.
func parseGRPC(s Spec) (Check, error) {
	l, err := parseURL(s, 0, true)
	g := &grpcCheck{checkURL: l, secure: s.kind == "grpcs"}
	if err == nil {
		g.service, err = serviceOf(l)
	}
	if g.secure {
		if err == nil {
			err = l.requireHost()
		}
		g.tls = newTLSOptions(l, "h2")
		g.tls.alpnGiven = true // gRPC over TLS requires that ALPN chooses h2
	}
	err = errors.Join(err, s.each(func(o Option) (bool, error) { return g.tls.option(o, s.Root) }))
	if err != nil {
		return Check{}, err
	}
	return Check{
		Label:    l.text,
		ID:       id(l.kind, l.authority(), g.service, g.tls.id(), optionsID(s.Options)),
		TLS:      g.secure,
		Insecure: g.secure && g.tls.config.InsecureSkipVerify,
		Probe:    g.probe,
	}, nil
}

// serviceOf returns the service in the path of l.
func serviceOf(l checkURL) (string, error) {
	service := strings.TrimPrefix(l.url.Path, "/")
	if l.url.RawQuery != "" || !printable(service) {
		return "", fmt.Errorf("check %q: query, or a service with control characters, in the URL; write %s://[HOST]:PORT[/SERVICE]", l.text, l.kind)
	}
	return service, nil
}

// A grpcCheck asks the standard health service about one service, or about the
// server if service is "".
type grpcCheck struct {
	checkURL
	secure  bool
	tls     tlsOptions
	service string
}

// probe passes if grpc.health.v1 returns SERVING. It opens the connection and
// does the TLS handshake itself, so that their failures have the same text and
// the same weight as for other kinds. grpc-go gets the open connection.
func (g *grpcCheck) probe(ctx context.Context, addr netip.Addr) error {
	target := netip.AddrPortFrom(addr, g.port)
	tcp, done, err := dial(ctx, g.kind, target)
	if err != nil {
		return err
	}
	defer done()
	conn, scheme := net.Conn(tcp), insecure.NewCredentials()
	if g.secure {
		secure, err := handshake(ctx, g.kind, target, tcp, g.tls.config)
		if err != nil {
			return err
		}
		if err := g.tls.checkALPN(g.kind, target, secure.ConnectionState()); err != nil {
			return err
		}
		if err := g.tls.checkExpiry(g.kind, target, secure.ConnectionState()); err != nil {
			return err
		}
		conn, scheme = secure, secured{}
	}
	return g.ask(ctx, target, &wire{Conn: conn}, scheme)
}

// ask makes the one call over conn.
func (g *grpcCheck) ask(ctx context.Context, target netip.AddrPort, conn *wire, scheme credentials.TransportCredentials) error {
	authority := target.String()
	if g.host != "" {
		authority = g.authority()
	}
	client, err := grpc.NewClient("passthrough:///"+target.String(),
		grpc.WithContextDialer(conn.once),
		grpc.WithTransportCredentials(scheme),
		grpc.WithAuthority(authority),
		grpc.WithUserAgent(userAgent),
		grpc.WithNoProxy(), grpc.WithDisableServiceConfig(), grpc.WithDisableRetry(), grpc.WithDisableHealthCheck(),
		grpc.WithMaxHeaderListSize(maxHeader), grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxReply)),
		grpc.WithReadBufferSize(4<<10), grpc.WithWriteBufferSize(4<<10),
		grpc.WithStaticStreamWindowSize(maxReply), grpc.WithStaticConnWindowSize(maxReply),
	)
	if err != nil {
		return broken(g.kind, target, "preparing", err)
	}
	defer client.Close()
	reply, err := health.NewHealthClient(client).Check(ctx, &health.HealthCheckRequest{Service: g.service})
	if err != nil {
		return g.refused(target, conn.broken(), err)
	}
	if reply.GetStatus() != health.HealthCheckResponse_SERVING {
		return failed(g.kind, target, "%s is %s, want SERVING", g.subject(), servingName(reply.GetStatus()))
	}
	return nil
}

// refused returns the failure of a call: cause is the error of the connection, if
// any, and err the error of grpc-go.
func (g *grpcCheck) refused(target netip.AddrPort, cause, err error) error {
	s := status.Convert(err)
	switch {
	case s.Code() == codes.DeadlineExceeded, isTimeout(cause):
		return broken(g.kind, target, "waiting for the reply", context.DeadlineExceeded)
	case s.Code() == codes.Canceled:
		return broken(g.kind, target, "waiting for the reply", context.Canceled)
	case s.Code() == codes.Unimplemented:
		return failed(g.kind, target, "the server has no health service (grpc.health.v1)")
	case s.Code() == codes.NotFound:
		return failed(g.kind, target, "the server's health service does not know %s", g.subject())
	case s.Code() == codes.Unavailable && cause != nil:
		return broken(g.kind, target, "waiting for the reply", cause)
	case strings.Contains(s.Message(), "error reading server preface"):
		return failed(g.kind, target, "the reply is not gRPC")
	}
	return failed(g.kind, target, "status %s, want OK: %s", s.Code(), repeated(s.Message(), 200))
}

// subject is the service that is asked about, for failures.
func (g *grpcCheck) subject() string {
	if g.service == "" {
		return "the server"
	}
	return fmt.Sprintf("service %q", g.service)
}

func servingName(s health.HealthCheckResponse_ServingStatus) string {
	if name, ok := health.HealthCheckResponse_ServingStatus_name[int32(s)]; ok {
		return name
	}
	return fmt.Sprintf("in the unknown state %d", s)
}

// A wire is a connection that grpc-go gets once, and that keeps its first error:
// a status has errors as text only.
type wire struct {
	net.Conn
	mu    sync.Mutex
	taken bool
	err   error
}

// once returns the connection the first time, and an error after that: a probe
// does not retry.
func (w *wire) once(context.Context, string) (net.Conn, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.taken {
		return nil, net.ErrClosed
	}
	w.taken = true
	return w, nil
}

func (w *wire) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	w.note(err)
	return n, err
}

func (w *wire) Write(p []byte) (int, error) {
	n, err := w.Conn.Write(p)
	w.note(err)
	return n, err
}

// note keeps the first error of the other side or the network. An error because
// grpc-go closed the connection is not one of these.
func (w *wire) note(err error) {
	if err == nil || errors.Is(err, net.ErrClosed) || errors.Is(err, syscall.EPIPE) {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil {
		w.err = err
	}
}

func (w *wire) broken() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

// secured are the credentials of a connection after its TLS handshake.
type secured struct{}

func (secured) ClientHandshake(_ context.Context, _ string, conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return conn, credentials.TLSInfo{CommonAuthInfo: credentials.CommonAuthInfo{SecurityLevel: credentials.PrivacyAndIntegrity}}, nil
}

func (secured) ServerHandshake(net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return nil, nil, errors.ErrUnsupported
}

// Info implements credentials.TransportCredentials. With "tls", requests have the
// scheme https.
func (secured) Info() credentials.ProtocolInfo {
	return credentials.ProtocolInfo{SecurityProtocol: "tls"}
}

func (s secured) Clone() credentials.TransportCredentials { return s }

func (secured) OverrideServerName(string) error { return nil }
