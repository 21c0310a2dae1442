package rrhealth

import (
	"context"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/coredns/coredns/plugin"
	"github.com/coredns/coredns/plugin/cache"
	"github.com/coredns/coredns/request"
	"github.com/miekg/dns"
)

// BenchmarkLargeAnswersFromAServer is BenchmarkLargeAnswers as a client sees it:
// two servers on loopback sockets, one with the filter above the cache and one
// without, are asked in turns. "%slower" is what the filter adds to the time
// from query to answer, of the best rounds of both.
func BenchmarkLargeAnswersFromAServer(b *testing.B) {
	for _, network := range []string{"udp", "tcp"} {
		for _, records := range []int{10, 100, 1000, 4000, 10_000} {
			for _, owners := range []string{"one", "each"} {
				b.Run(fmt.Sprintf("net=%s/records=%d/owners=%s", network, records, owners), func(b *testing.B) {
					n := 1
					if owners == "each" {
						n = records
					}
					h, r := largeAnswer(b, records, n)
					c := cache.New()
					c.Next, h.Next = h.Next, c
					with, without := newBenchClient(b, h, network, r), newBenchClient(b, h.Next, network, r)
					best, than := with.round(), without.round()
					for i := 0; b.Loop(); i++ {
						if i%10 == 0 {
							best, than = min(best, with.round()), min(than, without.round())
						}
					}
					b.ReportMetric(0, "ns/op")
					b.ReportMetric(float64(best.Nanoseconds())/askedARound, "with-ns")
					b.ReportMetric(float64(than.Nanoseconds())/askedARound, "without-ns")
					b.ReportMetric(100*(best.Seconds()/than.Seconds()-1), "%slower")
				})
			}
		}
	}
}

// askedARound is how many queries a benchClient times at once.
const askedARound = 10

// A benchClient asks a server of its own the same question again and again.
type benchClient struct {
	tb    testing.TB
	conn  net.Conn
	query []byte // with its length before it, over TCP
	reply []byte
}

// newBenchClient starts a server that answers with h, and returns its client.
func newBenchClient(tb testing.TB, h plugin.Handler, network string, r *dns.Msg) *benchClient {
	tb.Helper()
	up := make(chan struct{})
	s := &dns.Server{
		Addr: "127.0.0.1:0", Net: network, NotifyStartedFunc: func() { close(up) }, MaxTCPQueries: -1,
		Handler: dns.HandlerFunc(func(w dns.ResponseWriter, r *dns.Msg) {
			_, _ = h.ServeDNS(context.Background(), request.NewScrubWriter(r, w), r)
		}),
	}
	go func() { _ = s.ListenAndServe() }()
	<-up
	var addr net.Addr
	if network == "udp" {
		addr = s.PacketConn.LocalAddr()
	} else {
		addr = s.Listener.Addr()
	}
	conn, err := net.Dial(network, addr.String())
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		_ = conn.Close()
		_ = s.Shutdown()
	})
	packed, err := r.Pack()
	if err != nil {
		tb.Fatal(err)
	}
	if network == "tcp" {
		packed = append([]byte{byte(len(packed) >> 8), byte(len(packed))}, packed...)
	}
	return &benchClient{tb: tb, conn: conn, query: packed, reply: make([]byte, dns.MaxMsgSize+2)}
}

// round asks, and returns how long all answers took.
func (a *benchClient) round() time.Duration {
	start := time.Now()
	for range askedARound {
		if _, err := a.conn.Write(a.query); err != nil {
			a.tb.Fatal(err)
		}
		a.receive()
	}
	return time.Since(start)
}

// receive reads one answer whole.
func (a *benchClient) receive() {
	_ = a.conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	n := 0
	for {
		got, err := a.conn.Read(a.reply[n:])
		if err != nil {
			a.tb.Fatal(err)
		}
		if _, datagram := a.conn.(*net.UDPConn); datagram {
			return
		}
		if n += got; n >= 2 && n >= 2+int(a.reply[0])<<8+int(a.reply[1]) {
			return
		}
	}
}
