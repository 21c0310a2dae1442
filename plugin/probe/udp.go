package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
)

// parseUDP reads udp://[HOST]:PORT with the options send and expect. Both are
// required: without a reply, UDP does not show whether a server listens.
func parseUDP(s Spec) (Check, error) {
	l, err := parseURL(s, 0, false)
	l.host = ""
	u := &udp{port: l.port}
	if err = errors.Join(err, s.each(u.dialogue.option)); err != nil {
		return Check{}, err
	}
	if len(u.dialogue.send) == 0 || u.dialogue.expect == nil {
		return Check{}, fmt.Errorf("check %q: send or expect is missing, but only a reply shows that a server listens; give both", l.text)
	}
	return Check{
		Label: l.text,
		ID:    id(l.kind, l.authority(), optionsID(s.Options)),
		Probe: u.probe,
	}, nil
}

// maxDatagram is how many bytes of a datagram are read.
const maxDatagram = 16 << 10

type udp struct {
	port     uint16
	dialogue dialogue
}

// probe passes if the first datagram received matches. The socket is connected:
// it receives from addr only, and ICMP reports a closed port.
func (u *udp) probe(ctx context.Context, addr netip.Addr) error {
	target := netip.AddrPortFrom(addr, u.port)
	conn, done, err := dialUDP(ctx, "udp", target)
	if err != nil {
		return err
	}
	defer done()
	if _, err := conn.Write(u.dialogue.send); err != nil {
		return broken("udp", target, "sending", err)
	}
	buf := make([]byte, maxDatagram)
	n, err := conn.Read(buf)
	switch {
	case err != nil:
		return broken("udp", target, "waiting for the reply", err)
	case u.dialogue.expect.Match(buf[:n]):
		return nil
	case n == 0:
		return failed("udp", target, "empty reply, want a match of %q", u.dialogue.expect)
	}
	return failed("udp", target, "reply %s, want a match of %q", begins(buf[:n]), u.dialogue.expect)
}

// dialUDP is dial for UDP.
func dialUDP(ctx context.Context, kind string, target netip.AddrPort) (*net.UDPConn, func(), error) {
	var d net.Dialer
	conn, err := d.DialUDP(ctx, "udp", netip.AddrPort{}, target)
	if err != nil {
		return nil, nil, broken(kind, target, "opening a socket", err)
	}
	stop := follow(ctx, conn)
	return conn, func() { stop(); _ = conn.Close() }, nil
}
