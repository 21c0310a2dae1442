package main

import (
	"context"
	"errors"
	"syscall"
	"time"
)

// connect opens rate connections a second to the backends and resets each at
// once, until ctx ends. A probe storm is compared with it: another process that
// makes the same number of connections.
func connect(ctx context.Context, port, rate int) error {
	to := &syscall.SockaddrInet4{Port: port, Addr: [4]byte{127, 1, 0, 1}}
	start := time.Now()
	for i := 0; ctx.Err() == nil; i++ {
		due := start.Add(time.Duration(i) * time.Second / time.Duration(rate))
		wait := time.Until(due)
		if wait < -time.Second {
			start, i = time.Now(), 0 // was frozen, or cannot keep up: skip what was missed
		}
		time.Sleep(wait)
		if err := openAndReset(to); err != nil {
			return err
		}
	}
	return nil
}

func openAndReset(to *syscall.SockaddrInet4) error {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	return errors.Join(
		syscall.SetsockoptLinger(fd, syscall.SOL_SOCKET, syscall.SO_LINGER, &syscall.Linger{Onoff: 1}),
		syscall.Connect(fd, to),
		syscall.Close(fd))
}
