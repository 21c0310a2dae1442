package rrhealth

import (
	"context"
	"errors"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/coredns/coredns/plugin"
	"github.com/coredns/coredns/plugin/cache"
	"github.com/coredns/coredns/request"
	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/internal/harness"
	"github.com/rrhealth/rrhealth/plugin/verdict"
)

// BenchmarkLargeAnswers compares the whole cost of an answer that a filter
// judges, from ServeDNS to the bytes that the server sends, with that of the
// same answer in a server without the filter, in turns: "%slower" is what the
// filter adds, of the best rounds of both. A hundredth of the addresses, at
// least one, is down. An operation is one answer of each kind.
//
// Below are nothing but a plugin that writes the same message again and again,
// so that all else is the server's packing, or the cache, from which strangers
// can have such answers sent.
func BenchmarkLargeAnswers(b *testing.B) {
	for _, below := range []string{"cache", "nothing"} {
		for _, network := range []string{"udp", "tcp"} {
			for _, records := range []int{10, 100, 1000, 4000, 10_000} {
				for _, owners := range []string{"one", "each"} {
					b.Run(fmt.Sprintf("below=%s/net=%s/records=%d/owners=%s", below, network, records, owners), func(b *testing.B) {
						n := 1
						if owners == "each" {
							n = records
						}
						h, r := largeAnswer(b, records, n)
						if below == "cache" {
							c := cache.New()
							c.Next, h.Next = h.Next, c
						}
						compareAnswers(b, h, h.Next, serverWriter(b, network), r)
					})
				}
			}
		}
	}
}

// compareAnswers measures with and without in turns.
func compareAnswers(b *testing.B, with, without plugin.Handler, w dns.ResponseWriter, r *dns.Msg) {
	b.Helper()
	ctx := context.Background()
	round := func(h plugin.Handler) time.Duration {
		start := time.Now()
		for range 10 {
			_, _ = h.ServeDNS(ctx, request.NewScrubWriter(r, w), r)
		}
		return time.Since(start)
	}
	best, than := round(with), round(without)
	for i := 0; b.Loop(); i++ {
		if i%10 == 0 {
			best, than = min(best, round(with)), min(than, round(without))
		}
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(best.Nanoseconds())/10, "with-ns")
	b.ReportMetric(float64(than.Nanoseconds())/10, "without-ns")
	b.ReportMetric(100*(best.Seconds()/than.Seconds()-1), "%slower")
}

// largeAnswer returns a filter above a plugin that answers r with so many
// addresses of so many owners.
func largeAnswer(tb testing.TB, records, owners int) (h *RRHealth, r *dns.Msg) {
	tb.Helper()
	r = harness.Query("h0.example.org.", dns.TypeA, false)
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
	w, _ := serverSink(tb, network)
	return w
}

// serverSink returns such a writer, and where the latest message is seen. It is
// good until the next.
func serverSink(tb testing.TB, network string) (dns.ResponseWriter, *sink) {
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
	return w, conn
}

// A sink is a connection on which one query comes in, and to which may be
// written.
type sink struct {
	net.Conn
	network string
	sent    []byte // the latest message
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

func (c *sink) ReadFrom([]byte) (int, net.Addr, error) { return 0, nil, errSink }

// Write takes a message, with its length before it.
func (c *sink) Write(b []byte) (int, error) {
	c.sent = b[2:]
	return len(b), nil
}

func (c *sink) WriteTo(b []byte, _ net.Addr) (int, error) {
	c.sent = b
	return len(b), nil
}

func (c *sink) Close() error                     { return nil }
func (c *sink) SetDeadline(time.Time) error      { return nil }
func (c *sink) SetReadDeadline(time.Time) error  { return nil }
func (c *sink) SetWriteDeadline(time.Time) error { return nil }
func (c *sink) LocalAddr() net.Addr              { return c.RemoteAddr() }
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
