package probe

import (
	"context"
	"crypto/tls"
	"net"
	"net/netip"
	"time"
)

// dial opens a TCP connection to target that follows ctx. The caller closes it
// with the function returned.
func dial(ctx context.Context, kind string, target netip.AddrPort) (*net.TCPConn, func(), error) {
	// No keep-alives: a probe is too short to need them, and setting them
	// costs three system calls a connection.
	d := net.Dialer{KeepAlive: -1}
	conn, err := d.DialTCP(ctx, "tcp", netip.AddrPort{}, target)
	if err != nil {
		return nil, nil, broken(kind, target, "connecting", err)
	}
	stop := follow(ctx, conn)
	return conn, func() { stop(); _ = conn.Close() }, nil
}

// follow gives conn the deadline of ctx. When ctx is canceled (shutdown), every
// read and write of conn returns at once.
func follow(ctx context.Context, conn interface{ SetDeadline(time.Time) error }) (stop func() bool) {
	if deadline, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(deadline) // fails only on a closed connection
	}
	return context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
}

// handshake does the TLS handshake on conn and verifies the certificate as config
// says. It notes when the certificate expires in the Observation of ctx.
func handshake(ctx context.Context, kind string, target netip.AddrPort, conn net.Conn, config *tls.Config) (*tls.Conn, error) {
	secure := tls.Client(conn, config)
	err := secure.HandshakeContext(ctx)
	observeCertificate(ctx, secure.ConnectionState(), err)
	if err != nil {
		return nil, broken(kind, target, "negotiating TLS", err)
	}
	return secure, nil
}
