package rrhealth

import (
	"fmt"
	"slices"
	"testing"
	"unsafe"

	"github.com/coredns/caddy"
	"github.com/coredns/coredns/core/dnsserver"
	_ "github.com/coredns/coredns/plugin/shed"
	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/internal/harness"
)

// A stack that grows is another one, and what lies on it has moved.
func TestAReservedStackDoesNotMove(t *testing.T) {
	if !moves(func() {}) {
		t.Skip("the runtime gives goroutines so much room that there is nothing to reserve")
	}
	if moves(func() { reserve(0) }) {
		t.Error("the stack of a goroutine grew that had reserved room")
	}
}

// moves reports whether the stack of a new goroutine moves while a query's
// worth is put on it after before was called.
func moves(before func()) bool {
	moved := make(chan bool)
	go func() {
		before()
		var here byte
		at := uintptr(unsafe.Pointer(&here)) // #nosec G103 -- compared only
		deep(40)
		moved <- uintptr(unsafe.Pointer(&here)) != at // #nosec G103 -- compared only
	}()
	return <-moved
}

//go:noinline
func deep(n int) byte {
	var frame [64]byte
	if frame[n] = byte(n); n > 0 {
		frame[0] = deep(n - 1)
	}
	return frame[n]
}

func TestTheStackIsReservedAndTheWriterLeftAlone(t *testing.T) {
	c := caddy.NewTestController("dns", "rrhealth www.example.org {\nbackend 192.0.2.1\n}")
	c.ServerBlockKeys = []string{"example.org"}
	if err := setup(c); err != nil {
		t.Fatal(err)
	}
	at := decoratorOf(dnsserver.GetConfig(c))
	if at == nil {
		t.Skip("this CoreDNS calls nothing for each packet")
	}
	if *at == nil {
		t.Fatal("nothing is called for each packet")
	}
	var w dns.Writer = &packer{}
	if got := (*at)(nil)(w); got != w {
		t.Errorf("the writer became %v", got)
	}
}

// A listener has one decorator. That of shed does something.
func TestShedIsLeftItsListener(t *testing.T) {
	if !slices.Contains(dnsserver.Directives, "shed") {
		t.Skip("this CoreDNS has no shed")
	}
	const ours = "rrhealth www.example.org {\nbackend 192.0.2.1\n}"
	for _, tc := range []struct {
		what, here, before, behind string
		decorated                  bool
	}{
		{"alone", ours, "whoami", "whoami", false},
		{"shed with us", ours + "\nshed", "whoami", "whoami", true},
		{"shed before us", ours, "shed\nwhoami", "whoami", true},
		{"shed behind us", ours, "whoami", "shed\nwhoami", true},
		{"we before us", ours, "rrhealth www.example.net {\nbackend 192.0.2.1\n}", "whoami", false},
	} {
		t.Run(tc.what, func(t *testing.T) {
			s := harness.Start(t, fmt.Sprintf("example.net:0 {\nbind 127.0.0.1\n%s\n}\nexample.org:0 {\nbind 127.0.0.1\n%s\n}\nexample.com:0 {\nbind 127.0.0.1\n%s\n}\n", tc.before, tc.here, tc.behind))
			before := fastAnswers(t)
			if got := harness.Addrs(s.Ask("www.example.org.", dns.TypeA)); len(got) != 1 {
				t.Fatalf("answer %v, want one address", got)
			}
			// What is decorated gets the message.
			if short := fastAnswers(t) > before; short == tc.decorated {
				t.Errorf("answered as bytes: %t, so decorated: %t, want %t", short, !short, tc.decorated)
			}
		})
	}
}
