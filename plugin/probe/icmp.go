package probe

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"syscall"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// parseICMP reads icmp, which has no options. It returns an error if the process
// may not send echo requests: otherwise every probe would be a local error.
func parseICMP(s Spec) (Check, error) {
	if s.Args[0] != "icmp" || len(s.Args) > 1 {
		return Check{}, fmt.Errorf("check %q: unexpected words; write check icmp", shown(s.Args[0]))
	}
	if err := s.each(func(Option) (bool, error) { return false, nil }); err != nil {
		return Check{}, err
	}
	if err := mayEcho(); err != nil {
		return Check{}, fmt.Errorf("check \"icmp\": this process may not send echo requests (%v); give it the capability CAP_NET_RAW, or add its group to the sysctl net.ipv4.ping_group_range", err)
	}
	return Check{Label: "icmp", ID: id("icmp"), Probe: echo}, nil
}

// mayEcho returns nil if the process may open an echo socket for IPv4 or IPv6,
// and the error otherwise. Errors that may be over at the first probe, such as a
// lack of descriptors, do not count.
func mayEcho() error {
	var denied error
	for _, family := range []netip.Addr{netip.IPv4Unspecified(), netip.IPv6Unspecified()} {
		s, err := openEcho(family)
		if err == nil {
			_ = s.conn.Close()
			return nil
		}
		if errors.Is(err, os.ErrPermission) {
			denied = err
		}
	}
	if errno, ok := errors.AsType[syscall.Errno](denied); ok {
		return errno
	}
	return denied
}

// An echoSocket sends to one address. It may receive replies to other processes.
type echoSocket struct {
	conn net.PacketConn
	send func([]byte) (int, error)
}

// openEcho opens an unprivileged echo socket, which receives the replies to its
// own requests only. If the process may not, it opens a raw socket. That is
// connected: an unconnected one would receive a copy of every echo reply that
// reaches this machine.
func openEcho(addr netip.Addr) (echoSocket, error) {
	network, here, raw := "udp4", "0.0.0.0", "ip4:icmp"
	if addr.Is6() {
		network, here, raw = "udp6", "::", "ip6:ipv6-icmp"
	}
	if conn, err := icmp.ListenPacket(network, here); err == nil {
		to := &net.UDPAddr{IP: addr.AsSlice(), Zone: addr.Zone()}
		return echoSocket{conn, func(b []byte) (int, error) { return conn.WriteTo(b, to) }}, nil
	}
	conn, err := net.DialIP(raw, nil, &net.IPAddr{IP: addr.AsSlice(), Zone: addr.Zone()})
	if err != nil {
		return echoSocket{}, err
	}
	return echoSocket{conn, conn.Write}, nil
}

// echo passes if addr returns the data that it was sent.
func echo(ctx context.Context, addr netip.Addr) error {
	s, err := openEcho(addr)
	if err != nil {
		return broken("icmp", addr, "opening a socket", err)
	}
	defer s.conn.Close()
	defer follow(ctx, s.conn)()

	request, wanted, data := echoRequest(addr)
	if _, err := s.send(request); err != nil {
		return broken("icmp", addr, "sending the echo request", err)
	}
	buf := make([]byte, 1500)
	for {
		n, _, err := s.conn.ReadFrom(buf)
		if err != nil {
			return broken("icmp", addr, "waiting for the echo reply", err)
		}
		m, err := icmp.ParseMessage(wanted.Protocol(), buf[:n])
		if err != nil || m.Type != wanted {
			continue // for another process
		}
		if reply, ok := m.Body.(*icmp.Echo); ok && bytes.Equal(reply.Data, data) {
			return nil
		}
	}
}

// echoRequest returns a request, the type of its reply, and its data. The data
// identify the reply, since the kernel may replace the identifier, and other
// processes may use the same.
func echoRequest(addr netip.Addr) (request []byte, reply icmp.Type, data []byte) {
	data = fmt.Appendf(nil, "rrhealth %016x", rand.Uint64()) // #nosec G404 -- it tells replies apart, it guards nothing
	m := icmp.Message{Type: ipv4.ICMPTypeEcho, Body: &icmp.Echo{ID: rand.N(1 << 16), Seq: 1, Data: data}}
	reply = ipv4.ICMPTypeEchoReply
	if addr.Is6() {
		m.Type, reply = ipv6.ICMPTypeEchoRequest, ipv6.ICMPTypeEchoReply
	}
	request, _ = m.Marshal(nil) // fails only for types without a wire format
	return request, reply, data
}
