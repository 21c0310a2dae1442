package main

import (
	"errors"
	"fmt"
	"net"
)

// ports returns ports that are free for UDP and TCP, each once: if two servers
// had one port, CoreDNS would share it without an error. The ports are below
// the range that the kernel gives to clients: otherwise a probe or dnsperf
// could take the port of a server that is still reading its Corefile.
type ports struct{ next int }

// The range of ports.
const firstPort, lastPort = 20_000, 32_000

func (p *ports) take() (int, error) {
	for p.next = max(p.next, firstPort); p.next < lastPort; p.next++ {
		if free(p.next) {
			p.next++
			return p.next - 1, nil
		}
	}
	return 0, errors.New("no port is free for both UDP and TCP")
}

func free(port int) bool {
	addr := fmt.Sprintf("127.0.0.1:%d", port)
	tcp, err := net.Listen("tcp4", addr)
	if err != nil {
		return false
	}
	defer tcp.Close()
	udp, err := net.ListenPacket("udp4", addr)
	if err != nil {
		return false
	}
	return udp.Close() == nil
}
