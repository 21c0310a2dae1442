//go:build linux

// Package lease gives tests addresses and ports of their own. Any other program
// can take a port that a test has closed, before the test or a server that it
// starts listens there; and a server can get a port on which a test expects no
// listener. This package reserves what it returns until the test ends.
package lease

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"strconv"
	"sync"
	"syscall"
	"testing"
)

// leasePort is the port of the listener that marks a range as taken, at the
// range's last address.
const leasePort = 1717

var (
	mu   sync.Mutex
	next int
)

// Net returns the prefix of a range of loopback addresses, such as 127.64.0.,
// which no other test uses, neither in this process nor in another that calls
// Net. The caller may use all ports of all its addresses but the last two.
func Net(tb testing.TB) string {
	tb.Helper()
	mu.Lock()
	defer mu.Unlock()
	for range 64 * 250 {
		host := fmt.Sprintf("127.%d.%d.", 64+next/250%64, next%250)
		next++
		l, err := net.Listen("tcp", fmt.Sprintf("%s254:%d", host, leasePort))
		switch {
		case err == nil:
			tb.Cleanup(func() { _ = l.Close() })
			return host
		case !errors.Is(err, syscall.EADDRINUSE):
			tb.Fatal(err)
		}
	}
	tb.Fatal("no range of loopback addresses is free")
	return ""
}

// Port chooses ports below the ephemeral range, from which the system also
// gives ports to UDP sockets.
const (
	lowest  = 10000
	highest = 32000
)

// Port returns a port of the address ip on which nothing listens. Servers may
// listen on it by its number, one after the other (they set SO_REUSEADDR, as Go
// does); while none does, TCP connections are refused. No other call of Port
// returns it.
func Port(tb testing.TB, ip string) string {
	tb.Helper()
	for range 1000 {
		port := lowest + rand.N(highest-lowest) // #nosec G404 -- needs no secret
		fd, _, err := bind(netip.MustParseAddr(ip), port)
		if errors.Is(err, syscall.EADDRINUSE) {
			continue
		}
		if err == nil {
			// Only now: bind must fail if another socket has the port.
			err = os.NewSyscallError("setsockopt", syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1))
		}
		if err != nil {
			tb.Fatalf("port %d of %s: %v", port, ip, err)
		}
		tb.Cleanup(func() { _ = syscall.Close(fd) })
		return strconv.Itoa(port)
	}
	tb.Fatalf("no port of %s is free", ip)
	return ""
}

// Closed returns a TCP port on which nothing listens at any address of the
// machine.
func Closed(tb testing.TB) string {
	tb.Helper()
	fd, port, err := bind(netip.IPv6Unspecified(), 0)
	if err != nil { // no IPv6
		fd, port, err = bind(netip.IPv4Unspecified(), 0)
	}
	if err != nil {
		tb.Fatalf("a closed port: %v", err)
	}
	tb.Cleanup(func() { _ = syscall.Close(fd) })
	return strconv.Itoa(port)
}

// bind binds a TCP socket that does not listen.
func bind(ip netip.Addr, port int) (fd, bound int, err error) {
	family := syscall.AF_INET
	var sa syscall.Sockaddr
	if ip.Is4() {
		sa = &syscall.SockaddrInet4{Port: port, Addr: ip.As4()}
	} else {
		family, sa = syscall.AF_INET6, &syscall.SockaddrInet6{Port: port, Addr: ip.As16()}
	}
	if fd, err = syscall.Socket(family, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0); err != nil {
		return 0, 0, os.NewSyscallError("socket", err)
	}
	if family == syscall.AF_INET6 { // IPv4 as well, independent of the system's default
		err = syscall.SetsockoptInt(fd, syscall.IPPROTO_IPV6, syscall.IPV6_V6ONLY, 0)
	}
	if err == nil {
		err = syscall.Bind(fd, sa)
	}
	if err == nil {
		sa, err = syscall.Getsockname(fd)
	}
	if err != nil {
		_ = syscall.Close(fd)
		return 0, 0, os.NewSyscallError("bind", err)
	}
	switch sa := sa.(type) {
	case *syscall.SockaddrInet4:
		bound = sa.Port
	case *syscall.SockaddrInet6:
		bound = sa.Port
	}
	return fd, bound, nil
}
