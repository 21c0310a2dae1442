package live

import (
	"context"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rrhealth/rrhealth/plugin/config"
	"github.com/rrhealth/rrhealth/plugin/monitor"
	"github.com/rrhealth/rrhealth/plugin/pool"
	"github.com/rrhealth/rrhealth/plugin/verdict"
)

// newBlock returns the block with the stanzas in text, below example.org, whose
// probes are ask.
func newBlock(tb testing.TB, text string, ask func(context.Context, netip.Addr) error) *Block {
	tb.Helper()
	rest := strings.Split(text, "\n")
	stanzas, _, err := config.Parse(readLines(&rest), config.Block{Zones: []string{"example.org."}})
	if err != nil {
		tb.Fatal(err)
	}
	for i := range stanzas {
		for j := range stanzas[i].Checks {
			stanzas[i].Checks[j].Probe.Probe = ask
		}
	}
	b := NewBlock(stanzas)
	b.Identity = "block"
	return b
}

// readLines reads lines up to the end of a block, and removes them from rest.
func readLines(rest *[]string) (all []config.Line) {
	for len(*rest) > 0 {
		words := strings.Fields((*rest)[0])
		*rest = (*rest)[1:]
		switch n := len(words); {
		case n == 0:
		case words[0] == "}":
			return all
		case words[n-1] == "{":
			all = append(all, config.Line{File: "test", No: 1, Words: words[:n-1], Block: readLines(rest)})
		default:
			all = append(all, config.Line{File: "test", No: 1, Words: words})
		}
	}
	return all
}

// passes is a probe that always passes.
func passes(context.Context, netip.Addr) error { return nil }

// A recorder is an Observer that keeps the transitions that it receives.
type recorder struct {
	mu  sync.Mutex
	all []Transition
}

func (r *recorder) Changed(more []Transition) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, more...)
}

func (r *recorder) Probed(string, monitor.Result) {}

// transitions returns those received so far.
func (r *recorder) transitions() []Transition {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.all
}

// A bubble is a Registry with one block, whose backends are probed as the test
// says, in time that the test lets pass.
type bubble struct {
	t        *testing.T
	observer *recorder
	registry *Registry
	block    *Block
	pool     *Pool // the first of block
	start    time.Time

	mu   sync.Mutex
	errs map[netip.Addr]error
}

// inBubble runs f on the block with the stanzas in text.
func inBubble(t *testing.T, text string, f func(*bubble)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := &bubble{t: t, start: time.Now(), observer: new(recorder), errs: make(map[netip.Addr]error)}
		b.registry = New(b.observer)
		b.load(text)
		defer func() {
			b.registry.Stop(b.block)
			synctest.Wait()
		}()
		f(b)
	})
}

// load starts the block with the stanzas in text, and stops the one before it, in
// this order, as a reload does.
func (b *bubble) load(text string) {
	before := b.block
	b.block = newBlock(b.t, text, b.probe)
	if len(b.block.Pools) > 0 {
		b.pool = &b.block.Pools[0]
	}
	b.registry.Start(b.block)
	if before != nil {
		b.registry.Stop(before)
	}
}

func (b *bubble) probe(_ context.Context, addr netip.Addr) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.errs[addr]
}

// fails makes the probes of 192.0.2.N return err from now on.
func (b *bubble) fails(n int, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.errs[netip.AddrFrom4([4]byte{192, 0, 2, byte(n)})] = err
}

// answered returns the addresses that are answered now, each by its last number.
func (b *bubble) answered() string {
	synctest.Wait()
	if b.pool == nil {
		return "by no pool"
	}
	var all []string
	for _, m := range b.pool.Snapshot().Choices[pool.V4].Members {
		all = append(all, strings.TrimPrefix(m.Addr.String(), "192.0.2."))
	}
	return strings.Join(all, " ")
}

// state returns the state of the Nth backend.
func (b *bubble) state(n int) verdict.State {
	synctest.Wait()
	return b.pool.Snapshot().Health[n-1].State
}

// until lets time pass until ok returns true. It returns the time since the start,
// to a hundredth of a second.
func (b *bubble) until(what string, ok func() bool) time.Duration {
	b.t.Helper()
	for begin := time.Now(); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Since(begin) > time.Hour {
			b.t.Fatalf("still not so after an hour: %s; answered %s", what, b.answered())
		}
	}
	return time.Since(b.start)
}

// untilAnswered lets time pass until want is answered.
func (b *bubble) untilAnswered(want string) time.Duration {
	b.t.Helper()
	return b.until("answered "+want, func() bool { return b.answered() == want })
}

// flap takes the Nth backend down and up again. It returns when it was up.
func (b *bubble) flap(n int) time.Duration {
	b.t.Helper()
	b.fails(n, syscall.ECONNREFUSED)
	b.until("down", func() bool { return b.state(n) == verdict.Down })
	b.fails(n, nil)
	return b.until("up", func() bool { return b.state(n) == verdict.Up })
}

// took compares a duration that was measured in steps of a hundredth of a second.
func (b *bubble) took(what string, got, want time.Duration) {
	b.t.Helper()
	if got < want-20*time.Millisecond || got > want+20*time.Millisecond {
		b.t.Errorf("%s took %v, want %v", what, got, want)
	}
}
