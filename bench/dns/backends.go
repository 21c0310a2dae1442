package main

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
)

// backends is every host of 127.0.0.0/8 at one port: they accept connections
// and close them.
type backends struct {
	listener net.Listener
	port     int
	accepted atomic.Int64
	done     sync.WaitGroup
}

// accepters is how many goroutines accept.
const accepters = 4

// listen starts the backends. One socket serves all addresses; it is bound to
// the loopback device, so that nobody outside reaches it.
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
	b := &backends{listener: l, port: l.Addr().(*net.TCPAddr).Port}
	for range accepters {
		b.done.Go(b.accept)
	}
	return b, nil
}

func (b *backends) accept() {
	for {
		c, err := b.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil {
			b.accepted.Add(1)
			c.Close()
		}
	}
}

func (b *backends) close() {
	b.listener.Close()
	b.done.Wait()
}
