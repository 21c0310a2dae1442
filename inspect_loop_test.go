package rrhealth

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coredns/coredns/plugin/test"
	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/internal/harness"
	"github.com/rrhealth/rrhealth/internal/lease"
)

// A server whose forwarder leads back to it must not fall over at start: as long
// as clients ask for the addresses of pools only, nothing goes round.
func TestInspectionsDoNotGoRound(t *testing.T) {
	addr := lease.Net(t) + "1"
	out := harness.CaptureLog(t)
	s := harness.Start(t, fmt.Sprintf(".:5300 {\nbind %s\nlog\nrrhealth www.example.org mail.example.org {\nbackend 192.0.2.1\n}\nforward . %s:5300\n}\n", addr, addr))
	inspected(t)
	came := func() int { return strings.Count(out(), "SOA IN ") }
	// The plugin log writes its line after the reply.
	harness.Eventually(t, "two queries for the zone of the pools have come back", func() bool { return came() >= 2 })
	s.Stop()
	if n := came(); n != 2 {
		t.Errorf("%d queries for the zone of the pools, want the two that came back", n)
	}
}

// Upstreams that are silent keep the server from stopping for a few seconds, not
// for a second each server block.
func TestInspectionsEndTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const answerWithin = 5 * time.Second // of discover
		r, i := newLifecycle(), new(instance)
		silent := test.HandlerFunc(func(context.Context, dns.ResponseWriter, *dns.Msg) (int, error) {
			time.Sleep(answerWithin) // it does not look at the context, as forward does not
			return dns.RcodeServerFailure, nil
		})
		var handlers []*RRHealth
		for range 50 {
			h := handler(t, "rrhealth www.a.example.org www.b.example.org www.c.example.org {\nbackend 192.0.2.1\n}")
			h.instance, h.Next = i, silent
			r.start(h)
			handlers = append(handlers, h)
		}
		r.inspect()
		synctest.Wait()
		begun := time.Now()
		for _, h := range handlers {
			r.stop(h)
		}
		if took := time.Since(begun); took > answerWithin+time.Second {
			t.Errorf("stopped after %v", took)
		}
		time.Sleep(time.Minute)
	})
}
