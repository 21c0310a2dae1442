// Command healthcheck asks a DNS server whether it is there, for the HEALTHCHECK
// of an image that has no shell.
//
//	healthcheck [HOST:PORT]
//
// It asks for a name of class CHAOS. CoreDNS refuses such a query itself, before
// any plugin sees it: so the check needs nothing in the Corefile, costs no
// upstream query and appears in no statistics of a zone. Whatever the reply
// says, a server that replies is up; without one the exit code is 1.
package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"time"
)

// local is where CoreDNS listens unless its Corefile says otherwise.
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

// query asks for version.server. TXT CH. It is written out, because a DNS
// library would be most of this program.
var query = []byte("\x72\x68\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00" + // ID, flags, one question
	"\x07version\x06server\x00" + "\x00\x10" + "\x00\x03")

// ask sends the query over UDP, twice in case that one is lost, and waits for
// a reply to it.
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
		// The ID and the bit that says "response". The socket is connected:
		// nobody else's packets arrive here.
		if n >= 12 && reply[0] == query[0] && reply[1] == query[1] && reply[2]&0x80 != 0 {
			return nil
		}
	}
}
