//go:build linux

package lab

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// Exchange sends one query from the host, over UDP.
func (h *Host) Exchange(m *dns.Msg, server string, timeout time.Duration) (*dns.Msg, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	conn, err := h.Dial(ctx, "udp", net.JoinHostPort(server, "53"))
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	c := dns.Client{Timeout: timeout}
	r, _, err := c.ExchangeWithConn(m, &dns.Conn{Conn: conn, UDPSize: dns.DefaultMsgSize})
	return r, err
}

// Ask queries the server at addr for a name's records, from the host.
func (h *Host) Ask(server, name string, qtype uint16) (*dns.Msg, error) {
	m := new(dns.Msg).SetQuestion(name, qtype)
	if h.Subnet.IsValid() {
		m.SetEdns0(dns.DefaultMsgSize, false)
		m.IsEdns0().Option = append(m.IsEdns0().Option, &dns.EDNS0_SUBNET{
			Code: dns.EDNS0SUBNET, Family: 1, SourceNetmask: uint8(h.Subnet.Bits()), // #nosec G115 -- at most 32
			Address: h.Subnet.Addr().AsSlice(),
		})
	}
	return h.Exchange(m, server, 2*time.Second)
}

// Lookup returns the addresses of a name.
func (h *Host) Lookup(server, name string) ([]string, error) {
	r, err := h.Ask(server, name, dns.TypeA)
	if err != nil {
		return nil, err
	}
	if r.Rcode != dns.RcodeSuccess {
		return nil, fmt.Errorf("%s of %s", dns.RcodeToString[r.Rcode], name)
	}
	return Addrs(r), nil
}

// Addrs returns the IPv4 addresses of the answer section, in their order.
func Addrs(m *dns.Msg) []string {
	var all []string
	for _, rr := range m.Answer {
		if a, ok := rr.(*dns.A); ok {
			all = append(all, a.A.String())
		}
	}
	return all
}

// A Stream simulates clients: lookups, one every 10 ms, and HTTP requests, one
// every 50 ms, each to the addresses of a lookup of its own.
type Stream struct {
	host         *Host
	server, name string
	port         int
	stop         context.CancelFunc
	done         sync.WaitGroup

	mu       sync.Mutex
	answers  []seen
	requests []Request
}

// seen is one answer.
type seen struct {
	at    time.Time
	addrs []string
}

// A Request is one HTTP request.
type Request struct {
	At   time.Time // of its lookup
	From string    // the server that answered
	Took time.Duration
	Err  error
}

// Stream starts lookups of name at the server, and requests to port, until
// Stop.
func (h *Host) Stream(server, name string, port int) *Stream {
	ctx, cancel := context.WithCancel(context.Background())
	s := &Stream{host: h, server: server, name: name, port: port, stop: cancel}
	s.done.Go(func() { every(ctx, 10*time.Millisecond, s.look) })
	s.done.Go(func() { every(ctx, 50*time.Millisecond, func() { s.request() }) })
	h.lab.T.Cleanup(s.Stop)
	return s
}

// Stop ends the stream, and waits for the request in progress.
func (s *Stream) Stop() {
	s.stop()
	s.done.Wait()
}

func every(ctx context.Context, d time.Duration, f func()) {
	tick := time.NewTicker(d)
	defer tick.Stop()
	for ctx.Err() == nil {
		f()
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

func (s *Stream) look() {
	addrs, err := s.host.Lookup(s.server, s.name)
	if err != nil {
		return // the requests count failures
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers = append(s.answers, seen{time.Now(), addrs})
}

// request works as a browser does: a lookup, then one address after the other.
func (s *Stream) request() {
	r := Request{At: time.Now()}
	addrs, err := s.host.Lookup(s.server, s.name)
	r.Err = err
	for _, a := range addrs {
		if r.From, r.Err = s.host.Get(net.JoinHostPort(a, fmt.Sprint(s.port)), s.name); r.Err == nil {
			break
		}
	}
	r.Took = time.Since(r.At)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, r)
}

// Get fetches http://addr/ with a host name, once, within two seconds.
func (h *Host) Get(addr, host string) (string, error) {
	c := http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{DisableKeepAlives: true, DialContext: h.Dial}}
	req, err := http.NewRequest(http.MethodGet, "http://"+addr+"/", nil)
	if err != nil {
		return "", err
	}
	req.Host = host
	resp, err := c.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 100))
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %d of %s", resp.StatusCode, addr)
	}
	return string(body), err
}

// Gone waits until answers no longer have addr, and returns the time from since
// to the last answer with it.
func (s *Stream) Gone(addr string, since time.Time) time.Duration {
	s.host.lab.T.Helper()
	// Ten answers in a row, since answers may hold a part of the pool only.
	s.host.lab.Eventually(addr+" is no longer answered", func() bool { return s.run(addr, since, false) >= 10 })
	s.mu.Lock()
	defer s.mu.Unlock()
	last := since
	for _, a := range s.answers {
		if a.at.After(since) && slices.Contains(a.addrs, addr) {
			last = a.at
		}
	}
	return last.Sub(since)
}

// Back waits until answers have addr again, and returns the time from since to
// the first of them.
func (s *Stream) Back(addr string, since time.Time) time.Duration {
	s.host.lab.T.Helper()
	s.host.lab.Eventually(addr+" is answered again", func() bool { return s.run(addr, since, true) > 0 })
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.answers {
		if a.at.After(since) && slices.Contains(a.addrs, addr) {
			return a.at.Sub(since)
		}
	}
	return 0
}

// run returns how many of the latest answers after since have addr, or do not
// have it.
func (s *Stream) run(addr string, since time.Time, named bool) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, a := range slices.Backward(s.answers) {
		if a.at.Before(since) || slices.Contains(a.addrs, addr) != named {
			break
		}
		n++
	}
	return n
}

// After waits until n more requests were made.
func (s *Stream) After(n int) {
	s.host.lab.T.Helper()
	since := time.Now()
	s.host.lab.Eventually(fmt.Sprintf("%d more requests", n), func() bool {
		all, _ := s.Requests(since, time.Now())
		return len(all) >= n
	})
}

// Slowest returns how long the slowest of requests took.
func Slowest(requests []Request) time.Duration {
	var d time.Duration
	for _, r := range requests {
		d = max(d, r.Took)
	}
	return d.Round(time.Millisecond)
}

// Requests returns the requests whose lookup was made between from and to, and
// those of them that failed.
func (s *Stream) Requests(from, to time.Time) (all, failed []Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.requests {
		if r.At.Before(from) || r.At.After(to) {
			continue
		}
		all = append(all, r)
		if r.Err != nil {
			failed = append(failed, r)
		}
	}
	return all, failed
}
