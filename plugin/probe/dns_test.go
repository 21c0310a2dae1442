package probe

import (
	"net"
	"testing"

	"github.com/miekg/dns"
)

// answersDNS starts a DNS server on UDP and TCP.
func answersDNS(handle dns.HandlerFunc) func(*testing.T) string {
	return func(t *testing.T) string {
		t.Helper()
		for range 20 {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			pc, err := net.ListenPacket("udp", l.Addr().String())
			if err != nil {
				_ = l.Close() // another process has the port for UDP
				continue
			}
			for _, s := range []*dns.Server{{Listener: l, Handler: handle}, {PacketConn: pc, Handler: handle}} {
				started := make(chan struct{})
				s.NotifyStartedFunc = func() { close(started) }
				done := make(chan struct{})
				go func() { defer close(done); _ = s.ActivateAndServe() }()
				<-started
				t.Cleanup(func() { _ = s.Shutdown(); <-done })
			}
			_, port, _ := net.SplitHostPort(l.Addr().String())
			return port
		}
		t.Fatal("no port for both UDP and TCP")
		return ""
	}
}

// zone answers with the records, or with an rcode when there are none.
func zone(rcode int, records ...string) dns.HandlerFunc {
	return func(w dns.ResponseWriter, q *dns.Msg) {
		_ = w.WriteMsg(answer(q, rcode, records...))
	}
}

func answer(q *dns.Msg, rcode int, records ...string) *dns.Msg {
	m := new(dns.Msg).SetRcode(q, rcode)
	for _, r := range records {
		rr, err := dns.NewRR(r)
		if err != nil {
			panic(err)
		}
		m.Answer = append(m.Answer, rr)
	}
	return m
}

func dnsRows(*testing.T) []row {
	const url = "dns://:PORT/www.example.org"
	a := []string{"www.example.org. 300 IN CNAME web.example.org.", "web.example.org. 300 IN A 192.0.2.1"}
	return []row{
		{name: "dns: NOERROR", check: url, serve: answersDNS(zone(0, a...))},
		{name: "dns: NOERROR without a record", check: url, serve: answersDNS(zone(0))},
		{name: "dns: NXDOMAIN", check: url, serve: answersDNS(zone(dns.RcodeNameError))},
		{name: "dns: SERVFAIL", check: url, serve: answersDNS(zone(dns.RcodeServerFailure))},
		{name: "dns: a code that has no name", check: url, serve: answersDNS(zone(13))},
		{name: "dns rcode: NXDOMAIN where that passes", check: url, options: []string{"rcode noerror NXDOMAIN"}, serve: answersDNS(zone(dns.RcodeNameError))},
		{name: "dns rcode: REFUSED where another is wanted", check: url, options: []string{"rcode NOERROR NXDOMAIN"}, serve: answersDNS(zone(dns.RcodeRefused))},
		{name: "dns answer: as expected", check: url, options: []string{`answer ^192\.0\.2\.1$`}, serve: answersDNS(zone(0, a...))},
		{name: "dns answer: another", check: url, options: []string{`answer ^192\.0\.2\.2$`}, serve: answersDNS(zone(0, a...))},
		{name: "dns answer: none", check: url, options: []string{`answer .`}, serve: answersDNS(zone(0))},
		{name: "dns answer: a text", check: url, options: []string{"type txt", `answer "v=spf1`}, serve: answersDNS(zone(0, `www.example.org. 300 IN TXT "v=spf1 -all"`))},
		{name: "dns: truncated, asked again over TCP", check: url, options: []string{`answer ^192\.0\.2\.1$`}, serve: answersDNS(func(w dns.ResponseWriter, q *dns.Msg) {
			if w.LocalAddr().Network() == "udp" {
				m := answer(q, 0)
				m.Truncated = true
				_ = w.WriteMsg(m)
				return
			}
			_ = w.WriteMsg(answer(q, 0, a...))
		})},
		{name: "dns: truncated, and no TCP", check: url, serve: answersUDP(func(b []byte) []byte {
			q := new(dns.Msg)
			_ = q.Unpack(b)
			m := answer(q, 0)
			m.Truncated = true
			out, _ := m.Pack()
			return out
		})},
		{name: "dns: answers another question", check: url, serve: answersDNS(func(w dns.ResponseWriter, q *dns.Msg) {
			q.Question[0].Name = "other.example.org."
			_ = w.WriteMsg(answer(q, 0))
		})},
		{name: "dns: answers another query", check: url, silent: true, serve: answersDNS(func(w dns.ResponseWriter, q *dns.Msg) {
			q.Id++
			_ = w.WriteMsg(answer(q, 0))
		})},
		{name: "dns: repeats the query", check: url, serve: answersUDP(func(b []byte) []byte { return b })},
		{name: "dns: answers another query, then ours", check: url, serve: answersDNS(func(w dns.ResponseWriter, q *dns.Msg) {
			late := answer(q, dns.RcodeServerFailure)
			late.Id++
			_ = w.WriteMsg(late)
			_ = w.WriteMsg(answer(q, 0, a...))
		})},
		{name: "dns: rubbish that has our number", check: url, serve: answersUDP(func(b []byte) []byte { return append(b[:2:2], "\x80\x00rubbish, rubbish"...) })},
		{name: "dns: rubbish", check: url, silent: true, serve: answersUDP(always("\x00\x01\xff\xfe"))},
		{name: "dns: more rubbish", check: url, silent: true, serve: answersUDP(always("HTTP/1.1 400 Bad Request\r\n\r\n"))},
		{name: "dns: silence", check: url, serve: answersUDP(func([]byte) []byte { return nil }), silent: true},
		{name: "dns: closed port", check: url, serve: unused},
	}
}

func TestTheQueryIsWhatTheCorefileSays(t *testing.T) {
	got := make(chan *dns.Msg, 1)
	port := answersDNS(func(w dns.ResponseWriter, q *dns.Msg) { got <- q; zone(0)(w, q) })(t)
	if err := ask(t, check(t, port, "dns://:PORT/Example.ORG", "type soa"), enough); err != nil {
		t.Fatal(err)
	}
	q := <-got
	if q.Question[0] != (dns.Question{Name: "Example.ORG.", Qtype: dns.TypeSOA, Qclass: dns.ClassINET}) || !q.RecursionDesired || len(q.Extra) > 0 {
		t.Errorf("the server received\n%v", q)
	}
}
