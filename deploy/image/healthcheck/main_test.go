package main

import (
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/internal/lease"
)

func TestTheQueryIsOneThatCoreDNSRefusesItself(t *testing.T) {
	m := new(dns.Msg)
	if err := m.Unpack(query); err != nil {
		t.Fatal(err)
	}
	want := dns.Question{Name: "version.server.", Qtype: dns.TypeTXT, Qclass: dns.ClassCHAOS}
	if len(m.Question) != 1 || m.Question[0] != want || m.Response || m.Opcode != dns.OpcodeQuery {
		t.Errorf("the query is %v, want one for %v", m, want)
	}
}

func TestAServerThatRepliesIsUp(t *testing.T) {
	for _, rcode := range []int{dns.RcodeRefused, dns.RcodeServerFailure, dns.RcodeSuccess} {
		addr := serve(t, func(w dns.ResponseWriter, r *dns.Msg) {
			_, _ = w.Write([]byte("stray"))
			_ = w.WriteMsg(new(dns.Msg).SetRcode(r, rcode))
		})
		if err := ask(addr, 10*time.Second); err != nil {
			t.Errorf("a server that replies %s: got %v, want no error", dns.RcodeToString[rcode], err)
		}
	}
}

func TestALostQueryIsAskedAgain(t *testing.T) {
	var n atomic.Int64
	addr := serve(t, func(w dns.ResponseWriter, r *dns.Msg) {
		if n.Add(1) > 1 {
			_ = w.WriteMsg(new(dns.Msg).SetReply(r))
		}
	})
	if err := ask(addr, 2*time.Second); err != nil {
		t.Error(err)
	}
}

func TestAServerWithoutRepliesIsDown(t *testing.T) {
	l, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := ask(l.LocalAddr().String(), 20*time.Millisecond); err == nil || !strings.Contains(err.Error(), "no reply") {
		t.Errorf("a silent server: got %v, want no reply", err)
	}
	if err := ask(lease.Net(t)+"1:1", time.Minute); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("a closed port: got %v, want refused", err)
	}
}

func serve(t *testing.T, h dns.HandlerFunc) string {
	t.Helper()
	l, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	started := make(chan struct{})
	s := &dns.Server{PacketConn: l, Handler: h, NotifyStartedFunc: func() { close(started) }}
	go func() { _ = s.ActivateAndServe() }()
	<-started
	t.Cleanup(func() { _ = s.Shutdown() })
	return l.LocalAddr().String()
}
