package operations

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/plugin/api"
	"github.com/rrhealth/rrhealth/plugin/config"
	"github.com/rrhealth/rrhealth/plugin/live"
	"github.com/rrhealth/rrhealth/plugin/monitor"
)

// A logger keeps what is logged.
type logger struct {
	mu    sync.Mutex
	lines []string
}

func (l *logger) Infof(format string, args ...any)    { l.add("info: "+format, args) }
func (l *logger) Warningf(format string, args ...any) { l.add("warning: "+format, args) }

func (l *logger) add(format string, args []any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, fmt.Sprintf(format, args...))
}

// take returns the lines since the last call.
func (l *logger) take() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	lines := l.lines
	l.lines = nil
	return lines
}

// want compares the lines since the last call with lines.
func (l *logger) want(t *testing.T, lines ...string) {
	t.Helper()
	if got := l.take(); !slices.Equal(got, lines) {
		t.Errorf("logged\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(lines, "\n"))
	}
}

// A deaf observer takes no notice.
type deaf struct{}

func (deaf) Changed([]live.Transition)     {}
func (deaf) Probed(string, monitor.Result) {}

// A desk is an Operations with a Registry whose backends are up, unless they are in
// down.
type desk struct {
	*Operations
	t        testing.TB
	registry *live.Registry
	log      *logger
	block    *live.Block

	slow time.Duration // what a probe takes; fixed before the block starts

	mu   sync.Mutex
	down map[string]bool
}

// newDesk returns a desk for the stanzas in text, below example.org; none for the
// empty string.
func newDesk(t testing.TB, text string) *desk {
	t.Helper()
	d := &desk{t: t, registry: live.New(deaf{}), log: new(logger), down: make(map[string]bool)}
	d.Operations = New(d.registry, d.log, func() (string, string) { return "1", "2" }, func(*dns.Msg, netip.Addr) (Answer, error) {
		return Answer{}, errors.New("no server")
	})
	if text != "" {
		d.load(text)
	}
	return d
}

// load starts the block with the stanzas in text, and then stops the one before it.
func (d *desk) load(text string) {
	d.t.Helper()
	before := d.block
	d.block = d.start(text)
	if before != nil {
		d.registry.Stop(before)
	}
}

// start starts a block with the stanzas in text.
func (d *desk) start(text string) *live.Block {
	d.t.Helper()
	rest := strings.Split(text, "\n")
	stanzas, _, err := config.Parse(readLines(&rest), config.Block{Zones: []string{"example.org."}})
	if err != nil {
		d.t.Fatal(err)
	}
	for i := range stanzas {
		for j := range stanzas[i].Checks {
			stanzas[i].Checks[j].Probe.Probe = d.probe
		}
	}
	b := live.NewBlock(stanzas)
	b.Identity, b.Server = "block", "dns://:53"
	d.registry.Start(b)
	return b
}

// end stops the block.
func (d *desk) end() {
	if d.block != nil {
		d.registry.Stop(d.block)
		d.block = nil
	}
	d.changing.Lock()
	defer d.changing.Unlock()
	if d.timer != nil {
		d.timer.Stop()
	}
}

func (d *desk) probe(ctx context.Context, addr netip.Addr) error {
	if d.slow > 0 {
		select {
		case <-time.After(d.slow):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.down[addr.String()] {
		return errors.New("refused")
	}
	return nil
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

// must is Change for one that is not refused.
func (d *desk) must(c api.Change) api.Changed {
	d.t.Helper()
	done, err := d.Change(c, "root")
	if err != nil {
		d.t.Fatalf("%+v: %v", c, err)
	}
	return done
}

// set returns a change that lasts until it is removed.
func set(what string, selectors ...string) api.Change {
	return api.Change{Set: what, Selectors: selectors, Forever: what != auto}
}

// in returns c for a pool alone.
func in(pool string, c api.Change) api.Change {
	c.Pool = pool
	return c
}

// shown returns the overrides in force, each as "POOL ADDRESS WHAT".
func (d *desk) shown() []string {
	all := []string{}
	for _, one := range d.overrides().All() {
		all = append(all, strings.Join(strings.Fields(one.Pool+" "+one.Addr.String()+" "+one.What()), " "))
	}
	return all
}

// answered returns the addresses that the pool name answers.
func (d *desk) answered(name string) (all []string) {
	for _, v := range d.registry.View() {
		if v.Named(name) {
			for i := range v.Backends {
				if b := &v.Backends[i]; b.Answered {
					all = append(all, b.Addr.String())
				}
			}
		}
	}
	return all
}

// process returns a process stanza with the control socket and the state in dir.
func process(dir string) *config.Process {
	return &config.Process{Control: filepath.Join(dir, "s"), Mode: 0o600, State: dir}
}

// twoPools are a pool of two names and one of one, which share a backend.
const twoPools = `rrhealth www.example.org web.example.org {
	backend 192.0.2.1 192.0.2.2
	backend 192.0.2.3 tier 2
	check tcp://:80
}
rrhealth api.example.org {
	backend 192.0.2.1 192.0.2.4 2001:db8::1
	check tcp://:81
}`
