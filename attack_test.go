package rrhealth

import (
	"fmt"
	"net"
	"slices"
	"testing"

	"github.com/coredns/coredns/request"
	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/internal/harness"
)

// The server goes by the query it has received. A plugin that hands us another,
// without a writer of its own, may have changed the size that the client gave.
func TestAnotherQueryThanTheServersTakesTheSlowPath(t *testing.T) {
	type ways struct{ same, other bool }
	found := make(chan ways, 1)
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &dns.Server{PacketConn: conn, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, r *dns.Msg) {
		scrubs := request.NewScrubWriter(r, w)
		found <- ways{takesBytes(scrubs, r), takesBytes(scrubs, r.Copy())}
		_ = w.WriteMsg(new(dns.Msg).SetReply(r))
	})}
	go func() { _ = server.ActivateAndServe() }()
	sent(t, conn.LocalAddr().String(), request1("www.example.org.", dns.TypeA, 1232, 0, ""))
	if err := server.Shutdown(); err != nil {
		t.Error(err)
	}
	if got := <-found; got != (ways{same: true}) {
		t.Errorf("fast paths: %+v, want that of the server's own query alone", got)
	}
}

// A keeper keeps the message that it is given.
type keeper struct {
	nullWriter
	msg *dns.Msg
}

func (k *keeper) WriteMsg(m *dns.Msg) error {
	k.msg = m
	return nil
}

// Plugins above us may write to an answer, down to the bytes of its addresses.
func TestAnAnswerIsNobodyElses(t *testing.T) {
	h := handler(t, "rrhealth www.example.org {\nbackend 192.0.2.1 192.0.2.2 2001:db8::1\npolicy sequential\n}")
	for qtype, want := range map[uint16][]string{dns.TypeA: {"192.0.2.1", "192.0.2.2"}, dns.TypeAAAA: {"2001:db8::1"}} {
		for range 2 {
			m := query("www.example.org.")
			m.Question[0].Qtype = qtype
			k := new(keeper)
			if _, err := h.ServeDNS(t.Context(), k, m); err != nil {
				t.Fatal(err)
			}
			if got := harness.Addrs(k.msg); !slices.Equal(got, want) {
				t.Errorf("got %v, want %v", got, want)
			}
			for _, rr := range k.msg.Answer {
				switch rr := rr.(type) {
				case *dns.A:
					clear(rr.A)
				case *dns.AAAA:
					clear(rr.AAAA)
				}
				rr.Header().Ttl++
			}
		}
	}
}

// Pools that share a target leave it together, and others that use it stay.
func TestPoolsThatShareATargetLeaveItTogether(t *testing.T) {
	block := func(port, names string) string {
		return "example.org:" + port + " {\nbind 127.0.0.1\n" + names + "\n}\n"
	}
	const pools = "rrhealth %s {\nbackend 127.0.0.1 127.0.0.2\ncheck tcp://:1\ncheck tcp://:2\n}\n"
	stays, go1, go2 := fmt.Sprintf(pools, "stays.example.org"), fmt.Sprintf(pools, "a.example.org b.example.org c.example.org"), fmt.Sprintf(pools, "d.example.org")
	s := harness.Start(t, block("0", stays+go1+go2))
	if err := s.Reload(block("0", stays)); err != nil {
		t.Fatal(err)
	}
	if n := targets(); n != 4 {
		t.Errorf("%d targets, want 4", n)
	}
	if err := s.Reload(block("0", go1)); err != nil {
		t.Fatal(err)
	}
	s.Stop()
	if n := targets(); n != 0 {
		t.Errorf("%d targets are left, want none", n)
	}
}
