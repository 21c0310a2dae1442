package main

import (
	"context"
	"errors"
	"syscall"
	"time"
)

// connect opens rate connections a second to the backends and resets each at
// once, until ctx ends. As a process of its own it is what a probe storm is
// compared with: somebody else who makes the machine do as much.
func connect(ctx context.Context, port, rate int) error {
	to := &syscall.SockaddrInet4{Port: port, Addr: [4]byte{127, 1, 0, 1}}
	start := time.Now()
	for i := 0; ctx.Err() == nil; i++ {
		due := start.Add(time.Duration(i) * time.Second / time.Duration(rate))
		wait := time.Until(due)
		if wait < -time.Second {
			start, i = time.Now(), 0 // was frozen, or cannot keep up: nothing is made up for
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
