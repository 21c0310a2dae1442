package rrhealth

import (
	"context"
	"errors"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/coredns/coredns/plugin"
	"github.com/coredns/coredns/request"
	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/plugin/verdict"
)

// BenchmarkLargeAnswers compares the whole cost of an answer that a filter
// judges, from ServeDNS to the bytes that the server sends, with that of the
// same answer in a server without the filter. A hundredth of the addresses, at
// least one, is down.
func BenchmarkLargeAnswers(b *testing.B) {
	for _, bc := range []struct {
		records int
		network string
	}{{10, "udp"}, {100, "udp"}, {1000, "udp"}, {4000, "udp"}, {10_000, "udp"}, {10, "tcp"}, {100, "tcp"}, {1000, "tcp"}, {4000, "tcp"}} {
		for owners, n := range map[string]int{"one": 1, "each": bc.records} {
			for _, with := range []bool{false, true} {
				b.Run(fmt.Sprintf("net=%s/records=%d/owners=%s/filter=%t", bc.network, bc.records, owners, with), func(b *testing.B) {
					h, r := largeAnswer(b, bc.records, n)
					next := plugin.Handler(h)
					if !with {
						next = h.Next
					}
					w, ctx := serverWriter(b, bc.network), context.Background()
					b.ReportAllocs()
					for b.Loop() {
						_, _ = next.ServeDNS(ctx, request.NewScrubWriter(r, w), r)
					}
				})
			}
		}
	}
}

// largeAnswer returns a filter above a plugin that answers r with so many
// addresses of so many owners.
func largeAnswer(tb testing.TB, records, owners int) (h *RRHealth, r *dns.Msg) {
	tb.Helper()
	r = question("h0.example.org.", dns.TypeA, false)
	r.SetEdns0(1232, false)
	m := answerTo(r)
	states := make(map[string]verdict.State)
	for i := range records {
		header := dns.RR_Header{Name: fmt.Sprintf("h%d.example.org.", i%owners), Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 300}
		ip := net.IPv4(10, byte(i>>16), byte(i>>8), byte(i)).To4()
		m.Answer = append(m.Answer, &dns.A{Hdr: header, A: ip})
		if states[ip.String()] = verdict.Up; i%100 == 3 {
			states[ip.String()] = verdict.Down
		}
	}
	h = filtering(plainConfig, m, states)
	h.Next = plugin.HandlerFunc(func(_ context.Context, w dns.ResponseWriter, _ *dns.Msg) (int, error) {
		fresh := *m // the server truncates what it is given
		return dns.RcodeSuccess, w.WriteMsg(&fresh)
	})
	return h, r
}

// serverWriter returns a writer as the server's handlers get it, which packs
// and then drops what is sent.
func serverWriter(tb testing.TB, network string) dns.ResponseWriter {
	tb.Helper()
	conn := &sink{network: network, closed: make(chan struct{})}
	writers, done := make(chan dns.ResponseWriter), make(chan struct{})
	s := &dns.Server{Handler: dns.HandlerFunc(func(w dns.ResponseWriter, _ *dns.Msg) {
		writers <- w
		<-conn.closed
	})}
	if network == "udp" {
		s.PacketConn, s.DecorateReader = conn, func(r dns.Reader) dns.Reader { return sinkReader{r, conn} }
	} else {
		s.Listener = &sinkListener{sink: conn}
	}
	go func() {
		defer close(done)
		_ = s.ActivateAndServe()
	}()
	w := <-writers
	tb.Cleanup(func() {
		close(conn.closed)
		_ = s.Shutdown()
		<-done
	})
	return w
}

// A sink is a connection on which one query comes in, and to which may be
// written.
type sink struct {
	net.Conn
	network string
	read    []byte
	asked   bool
	closed  chan struct{}
}

var errSink = errors.New("no more queries")

// query returns the packed query, once.
func (c *sink) query() []byte {
	if c.asked {
		<-c.closed
		return nil
	}
	c.asked = true
	packed, err := query("www.example.org.").Pack()
	if err != nil {
		panic(err)
	}
	return packed
}

func (c *sink) Read(b []byte) (int, error) {
	if c.read == nil {
		q := c.query()
		c.read = append([]byte{0, byte(len(q))}, q...)
	}
	n := copy(b, c.read)
	if c.read = c.read[n:]; n == 0 {
		<-c.closed
		return 0, errSink
	}
	return n, nil
}

func (c *sink) ReadFrom([]byte) (int, net.Addr, error)    { return 0, nil, errSink }
func (c *sink) Write(b []byte) (int, error)               { return len(b), nil }
func (c *sink) WriteTo(b []byte, _ net.Addr) (int, error) { return len(b), nil }
func (c *sink) Close() error                              { return nil }
func (c *sink) SetDeadline(time.Time) error               { return nil }
func (c *sink) SetReadDeadline(time.Time) error           { return nil }
func (c *sink) SetWriteDeadline(time.Time) error          { return nil }
func (c *sink) LocalAddr() net.Addr                       { return c.RemoteAddr() }
func (c *sink) RemoteAddr() net.Addr {
	if c.network == "udp" {
		return &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 53000}
	}
	return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 53000}
}

// A sinkReader reads from a sink as from a datagram socket.
type sinkReader struct {
	dns.Reader
	*sink
}

func (r sinkReader) ReadPacketConn(net.PacketConn, time.Duration) ([]byte, net.Addr, error) {
	if q := r.query(); q != nil {
		return q, r.RemoteAddr(), nil
	}
	return nil, nil, errSink
}

// A sinkListener accepts one sink.
type sinkListener struct {
	*sink
	accepted bool
}

func (l *sinkListener) Accept() (net.Conn, error) {
	if l.accepted {
		<-l.closed
		return nil, errSink
	}
	l.accepted = true
	return l.sink, nil
}

func (l *sinkListener) Addr() net.Addr { return l.RemoteAddr() }
