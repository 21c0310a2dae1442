//go:build linux

package main

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"
)

// startBackend starts the process that is every server of 127.0.0.0/8.
func startBackend(ctx context.Context) (*peer, error) {
	p, err := startSelf(ctx, "backend")
	if err != nil {
		return nil, err
	}
	if p.ports = p.ask("ports"); p.ports == "" {
		return nil, fmt.Errorf("the backend did not start")
	}
	return p, nil
}

// backend listens on one port for tcp and one for http. On request it prints
// the number of connections that each has had.
func backend(ctx context.Context) error {
	var tcp, http atomic.Int64
	tcpPort, err := serve(ctx, &tcp, func(c net.Conn) { _ = c.Close() })
	if err != nil {
		return err
	}
	httpPort, err := serve(ctx, &http, func(c net.Conn) { go reply(c) })
	if err != nil {
		return err
	}
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		switch in.Text() {
		case "ports":
			fmt.Println(tcpPort, httpPort)
		case "tcp":
			fmt.Println(tcp.Load())
		case "http":
			fmt.Println(http.Load())
		}
	}
	return nil
}

// serve accepts connections to any address, on the loopback interface only.
func serve(ctx context.Context, count *atomic.Int64, handle func(net.Conn)) (int, error) {
	var bound error
	config := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		if err := c.Control(func(fd uintptr) { bound = syscall.BindToDevice(int(fd), "lo") }); err != nil {
			return err
		}
		return bound
	}}
	l, err := config.Listen(ctx, "tcp4", "0.0.0.0:0") // #nosec G102 -- bound to lo
	if err != nil {
		return 0, err
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				continue // reset before it was accepted: not counted
			}
			count.Add(1)
			handle(c)
		}
	}()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// reply answers one request, which fits into a packet. It waits until the
// prober closes the connection, and resets it otherwise: 100,000 sockets in
// TIME_WAIT, and in the tables of connection tracking, would slow down the
// whole machine.
func reply(c net.Conn) {
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	request := make([]byte, 1024)
	if n, _ := c.Read(request); n > 0 {
		_, _ = c.Write([]byte("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n"))
		_, _ = c.Read(request)
	}
	_ = c.(*net.TCPConn).SetLinger(0)
}
