package main

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// backends accepts TCP connections at one port of every address of 127.0.0.0/8
// and closes them in batches. It shares a core with the client: CPU time that
// it takes would show as latency of the server.
type backends struct {
	socket   *os.File
	port     int
	closing  atomic.Bool
	accepted atomic.Int64
	done     sync.WaitGroup
}

// listen starts the backends. One socket serves all addresses; it is bound to
// the loopback device, so that it is not reachable from outside.
func listen() (*backends, error) {
	config := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var failed error
		err := c.Control(func(fd uintptr) {
			failed = syscall.SetsockoptString(int(fd), syscall.SOL_SOCKET, syscall.SO_BINDTODEVICE, "lo") // #nosec G115 -- a descriptor
		})
		return errors.Join(err, failed)
	}}
	l, err := config.Listen(context.Background(), "tcp4", "0.0.0.0:0")
	if err != nil {
		return nil, err
	}
	defer l.Close() // the copy goes on listening
	socket, err := l.(*net.TCPListener).File()
	if err != nil {
		return nil, err
	}
	b := &backends{socket: socket, port: l.Addr().(*net.TCPAddr).Port}
	fd := int(socket.Fd()) // #nosec G115 -- a descriptor
	if err := syscall.SetNonblock(fd, true); err != nil {
		return nil, errors.Join(err, socket.Close())
	}
	b.done.Go(func() { b.accept(fd) })
	return b, nil
}

// accept accepts, once every millisecond, all connections that are waiting.
func (b *backends) accept(fd int) {
	for !b.closing.Load() {
		c, _, err := syscall.Accept4(fd, syscall.SOCK_CLOEXEC)
		if err != nil {
			time.Sleep(time.Millisecond)
			continue
		}
		b.accepted.Add(1)
		_ = syscall.Close(c)
	}
}

func (b *backends) close() {
	b.closing.Store(true)
	b.done.Wait()
	_ = b.socket.Close()
}
