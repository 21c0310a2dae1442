package state_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/rrhealth/rrhealth/plugin/state"
)

// The types of a state as large servers have it.
type (
	document10k struct {
		Backends map[string]backend `json:"backends"`
	}
	backend struct {
		Pool         string    `json:"pool"`
		State        string    `json:"state"`
		Streak       int       `json:"streak"`
		Since        time.Time `json:"since"`
		Availability []byte    `json:"availability"` // two bits a minute
		Events       []event   `json:"events"`
	}
	event struct {
		At     time.Time `json:"at"`
		From   string    `json:"from"`
		To     string    `json:"to"`
		Reason string    `json:"reason"`
	}
)

// backends returns the state of n backends with 50 events each.
func backends(n int) document10k {
	d := document10k{make(map[string]backend, n)}
	addr := netip.MustParseAddr("10.0.0.0")
	for i := range n {
		addr = addr.Next()
		b := backend{Pool: fmt.Sprintf("pool%d.example.org.", i%100), State: "up", Since: noon, Availability: make([]byte, 24*60/4)}
		for j := range 50 {
			b.Events = append(b.Events, event{noon.Add(time.Duration(j) * time.Minute), "up", "down", fmt.Sprintf("tcp %v:443: connection refused (3 failures in a row)", addr)})
		}
		d.Backends[addr.String()] = b
	}
	return d
}

// BenchmarkSave saves the state of 10,000 backends to the disk of TMPDIR.
func BenchmarkSave(b *testing.B) {
	v := backends(10_000)
	d := benchmarked(b)
	b.ReportAllocs()
	for b.Loop() {
		if err := d.Save(v); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkChanged is what a transition costs the monitor's loop.
func BenchmarkChanged(b *testing.B) {
	d := benchmarked(b)
	d.Start(func() any { return nil })
	b.ReportAllocs()
	for b.Loop() {
		d.Changed()
	}
}

// benchmarked returns a Dir for the benchmark.
func benchmarked(b *testing.B) *state.Dir {
	b.Helper()
	d, err := state.Open(b.TempDir(), state.Options{Version: 1})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = d.Close() })
	return d
}
