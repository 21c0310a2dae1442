// Command healthcheck checks that a DNS server replies, for the HEALTHCHECK of
// an image without a shell.
//
//	healthcheck [HOST:PORT]
//
// It queries a name of class CHAOS. CoreDNS refuses such a query itself, before
// any plugin sees it: so the check needs nothing in the Corefile, costs no
// upstream query and appears in no statistics of a zone. With any reply the
// server is up; without one the exit code is 1.
package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"time"
)

// local is the default address of CoreDNS.
const local = "127.0.0.1:53"

func main() {
	addr := local
	if len(os.Args) > 1 {
		addr = os.Args[1]
	}
	if err := ask(addr, 2*time.Second); err != nil {
		fmt.Fprintf(os.Stderr, "healthcheck: %s: %v\n", addr, err)
		os.Exit(1)
	}
}

// query is the query version.server. TXT CH, written as bytes because a DNS
// library would be most of this program.
var query = []byte("\x72\x68\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00" + // ID, flags, one question
	"\x07version\x06server\x00" + "\x00\x10" + "\x00\x03")

// ask sends the query over UDP, again if the first is lost, and waits for a
// reply.
func ask(addr string, timeout time.Duration) error {
	conn, err := net.Dial("udp", addr) // #nosec G704 -- the user's own choice
	if err != nil {
		return err
	}
	defer conn.Close()
	for range 2 {
		if err = once(conn, timeout/2); err == nil {
			return nil
		}
		var timedOut net.Error
		if !errors.As(err, &timedOut) || !timedOut.Timeout() {
			return err
		}
	}
	return fmt.Errorf("no reply within %v", timeout)
}

func once(conn net.Conn, timeout time.Duration) error {
	if err := conn.SetDeadline(time.Now().Add(timeout)); err != nil {
		return err
	}
	if _, err := conn.Write(query); err != nil {
		return err
	}
	for {
		var reply [512]byte
		n, err := conn.Read(reply[:])
		if err != nil {
			return err
		}
		// The ID, and the bit for a response. The socket is connected, so that
		// packets of other servers do not arrive here.
		if n >= 12 && reply[0] == query[0] && reply[1] == query[1] && reply[2]&0x80 != 0 {
			return nil
		}
	}
}
