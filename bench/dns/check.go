package main

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"time"

	"github.com/miekg/dns"
)

// An answer is the expected reply to a query for addresses.
type answer struct {
	addresses int      // how many, all different
	from      []string // of these
}

// check returns an error if m is not the expected reply.
func (a answer) check(m *dns.Msg) error {
	if m.Rcode != dns.RcodeSuccess {
		return fmt.Errorf("got rcode %s, want NOERROR", dns.RcodeToString[m.Rcode])
	}
	var got []string
	for _, rr := range m.Answer {
		if rr, ok := rr.(*dns.A); ok {
			got = append(got, rr.A.String())
		}
	}
	if len(got) != a.addresses {
		return fmt.Errorf("got %d addresses, want %d", len(got), a.addresses)
	}
	slices.Sort(got)
	if len(slices.Compact(slices.Clone(got))) != len(got) {
		return fmt.Errorf("got an address twice in %v", got)
	}
	for _, ip := range got {
		if !slices.Contains(a.from, ip) {
			return fmt.Errorf("got address %s, want one of %v", ip, a.from)
		}
	}
	return nil
}

// asks is the number of queries that check sends to a server.
const asks = 10

// startsWithin is how long after its start a server may give wrong answers or
// none: some load 100,000 names, some have to probe first.
const startsWithin = 20 * time.Second

// awaitCorrect waits until s answers all its names as expected. The time counts
// from the start of s: to wait for many servers, one after the other, takes as
// long as the slowest.
func (s *server) awaitCorrect(ctx context.Context) error {
	for {
		err := s.check(ctx)
		if err == nil {
			return nil
		}
		if time.Since(s.started) > startsWithin {
			return err
		}
		select {
		case <-s.exited:
			return fmt.Errorf("does not run: %s", s.lastLine())
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// check sends s the queries that dnsperf will send.
func (s *server) check(ctx context.Context) error {
	c := dns.Client{Timeout: time.Second}
	for i := range asks {
		m := new(dns.Msg)
		m.SetQuestion(s.subject.names.at(i), dns.TypeA)
		m.SetEdns0(4096, false)
		r, _, err := c.ExchangeContext(ctx, m, net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)))
		if err != nil {
			return err
		}
		if err := s.subject.want.check(r); err != nil {
			return fmt.Errorf("%s: %w", m.Question[0].Name, err)
		}
	}
	return nil
}
