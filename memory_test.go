package rrhealth

import (
	"context"
	"fmt"
	"net/netip"
	"runtime"
	"strings"
	"testing"

	"github.com/coredns/caddy"
)

// What a pool costs is pinned, in bytes and, since that is what the garbage
// collector's work is counted in, in objects: with a hundred thousand names it
// is most of the server's memory.
func TestAPoolIsSmall(t *testing.T) {
	const (
		stanzas, names = 100, 100
		pools          = stanzas * names
		maxBytes       = 550 // beside its name
		maxObjects     = 0.5
	)
	var b strings.Builder
	for i := range stanzas {
		b.WriteString("rrhealth")
		for j := range names {
			fmt.Fprintf(&b, " n%d.example.org", i*names+j)
		}
		b.WriteString(" {\nbackend 192.0.2.1 192.0.2.2 192.0.2.3\ncheck tcp://:1\n}\n")
	}
	c := caddy.NewTestController("dns", b.String())
	c.ServerBlockKeys = []string{"example.org."}
	parsed, err := parse(c, "")
	if err != nil {
		t.Fatal(err)
	}
	r := newLifecycle()
	for i := range parsed {
		parsed[i].Checks[0].Probe.Probe = passes
	}
	before := heap()
	h := newHandler(c.ServerBlockKeys, parsed)
	h.instance = new(instance)
	r.start(h)
	after := heap()
	bytes := float64(int64(after.HeapAlloc)-int64(before.HeapAlloc)) / pools
	objects := float64(int64(after.HeapObjects)-int64(before.HeapObjects)) / pools
	t.Logf("%.0f bytes and %.2f objects a pool", bytes, objects)
	if bytes > maxBytes || objects > maxObjects {
		t.Errorf("a pool takes %.0f bytes and %.2f objects, want at most %d and %v", bytes, objects, maxBytes, maxObjects)
	}
	r.stop(h)
	runtime.KeepAlive(c) // what was there before is to be there after
	runtime.KeepAlive(parsed)
}

// heap returns what the heap holds when all garbage is gone.
func heap() runtime.MemStats {
	for range 3 { // what finalizers and pools let go of takes more than one
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m
}

// passes is a probe that always passes.
func passes(context.Context, netip.Addr) error { return nil }
