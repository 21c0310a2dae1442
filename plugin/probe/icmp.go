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

// parseICMP reads icmp. It has no options, and is refused where the process
// may not send echo requests: every backend would look down.
func parseICMP(s Spec) (Check, error) {
	if s.Args[0] != "icmp" || len(s.Args) > 1 {
		return Check{}, fmt.Errorf("check %q: unexpected words, want check icmp", shown(s.Args[0]))
	}
	if err := s.each(func(Option) (bool, error) { return false, nil }); err != nil {
		return Check{}, err
	}
	if err := mayEcho(); err != nil {
		return Check{}, fmt.Errorf("check \"icmp\": this process may not send echo requests (%v), want the capability CAP_NET_RAW, or its group in the sysctl net.ipv4.ping_group_range", err)
	}
	return Check{Label: "icmp", ID: id("icmp"), Probe: echo}, nil
}

// mayEcho returns nil when an echo socket can be had for IPv4 or IPv6, and why
// not otherwise. What will have passed by the time of the first probe, such as
// a lack of descriptors, is no reason.
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

// An echoSocket sends to one address. What it receives may be meant for others.
type echoSocket struct {
	conn net.PacketConn
	send func([]byte) (int, error)
}

// openEcho opens an unprivileged echo socket, to which the kernel gives just
// the replies to its own requests, or, where those are not allowed, a raw one.
// The raw one is connected: an unconnected one would receive a copy of every
// echo reply that reaches this machine.
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

// echo passes when addr sends back what it was sent.
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
			continue // not for us
		}
		if reply, ok := m.Body.(*icmp.Echo); ok && bytes.Equal(reply.Data, data) {
			return nil
		}
	}
}

// echoRequest returns a request, the type of its reply, and the data by which
// its reply is known: identifiers are the kernel's, or shared with others.
func echoRequest(addr netip.Addr) (request []byte, reply icmp.Type, data []byte) {
	data = fmt.Appendf(nil, "rrhealth %016x", rand.Uint64()) // #nosec G404 -- it tells replies apart, it guards nothing
	m := icmp.Message{Type: ipv4.ICMPTypeEcho, Body: &icmp.Echo{ID: rand.N(1 << 16), Seq: 1, Data: data}}
	reply = ipv4.ICMPTypeEchoReply
	if addr.Is6() {
		m.Type, reply = ipv6.ICMPTypeEchoRequest, ipv6.ICMPTypeEchoReply
	}
	request, _ = m.Marshal(nil) // fails for types without a wire form only
	return request, reply, data
}
