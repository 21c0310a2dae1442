// Package discover finds out what the plugins below hold: the addresses that
// filters watch, and whether the zones of pools are signed.
//
// A Discovery walks the zones of the plugins that can transfer them, at the start
// and every 30 seconds, and takes in addresses that queries have seen in answers.
// One goroutine does both, and passes batches to a Watcher, which is the only one
// to wait for the monitor's loop. Queries call Learn, which never blocks: if more
// addresses come than the Discovery takes in, it drops some, and a later answer
// has them again.
//
// An Inspection asks the plugins below, once the server has started, for the SOA
// of the zones that pools are in. In a signed zone the addresses of pools need
// signatures too. An Inspection bounds how much and how long it asks, and marks
// its questions, so that one that comes back does not go round.
package discover

import (
	"context"
	"net/netip"
	"strings"
	"time"

	"github.com/miekg/dns"
)

const (
	// walkEvery is how often the zones are walked.
	walkEvery = 30 * time.Second
	// walkSoon is the wait after a first walk that found no zone: a plugin that
	// fetches its zones may not have them yet. The wait doubles up to walkEvery.
	walkSoon = 2 * time.Second
	// gatherFor is how long addresses from answers are gathered before they are
	// watched: each batch interrupts the monitor's loop.
	gatherFor = 100 * time.Millisecond
	// mostLearned is how many addresses from answers may wait.
	mostLearned = 1024
	// stopWithin bounds how long Stop waits.
	stopWithin = 5 * time.Second
)

// A Source is a plugin whose zones can be walked, such as the Transferer of
// CoreDNS's transfer plugin.
type Source interface {
	// Transfer returns the records of zone, in parts, and closes the channel at
	// its end. It returns an error if it does not have the zone.
	Transfer(zone string, serial uint32) (<-chan []dns.RR, error)
}

// A Watcher has watchlists, which it knows by index.
type Watcher interface {
	// Wanted returns the list that watches the addresses of owner, if addr is one
	// that it wants.
	Wanted(owner string, addr netip.Addr) (list int32, ok bool)
	// Watch adds addrs to list. It may block, and returns an error if there is
	// no room for all of them. It must not keep addrs.
	Watch(list int32, addrs []netip.Addr) error
}

// Config is what a Discovery needs.
type Config struct {
	Zones   []string // that may hold addresses, see Zones
	Sources []Source
	Watcher Watcher
	Walked  func(first bool)                 // called after each walk, also the first, by the Discovery's goroutine
	Warn    func(format string, args ...any) // logs a warning
}

// A Discovery finds addresses from Start to Stop.
type Discovery struct {
	Config
	learned chan sighting
	cancel  context.CancelFunc
	done    chan struct{}
}

// A sighting is an address in an answer.
type sighting struct {
	list int32
	addr netip.Addr
}

// Start starts a Discovery.
func Start(c Config) *Discovery {
	ctx, cancel := context.WithCancel(context.Background())
	d := &Discovery{Config: c, learned: make(chan sighting, mostLearned), cancel: cancel, done: make(chan struct{})}
	go d.run(ctx)
	return d
}

// Learn has addr, which an answer has, watched by list soon. It never blocks, and
// may drop addr. After Stop it does nothing.
func (d *Discovery) Learn(list int32, addr netip.Addr) {
	select {
	case d.learned <- sighting{list, addr}:
	default:
	}
}

// Stop ends the Discovery and waits for it, five seconds at most: a plugin that
// never finishes its zone must not keep the server from stopping.
func (d *Discovery) Stop() {
	d.cancel()
	select {
	case <-d.done:
	case <-time.After(stopWithin):
		d.Warn("a zone below %s is still being walked, left behind", strings.Join(d.Zones, " "))
	}
}

func (d *Discovery) run(ctx context.Context) {
	defer close(d.done)
	found := d.walk(ctx)
	d.Walked(true)
	wait := time.Duration(0)
	for {
		wait = nextWalk(wait, found)
		if !d.learnFor(ctx, wait) {
			return
		}
		if found = d.walk(ctx); ctx.Err() == nil {
			d.Walked(false)
		}
	}
}

// nextWalk returns how long to wait for the next walk, after a walk that came
// last after the previous one and has found a zone or not.
func nextWalk(last time.Duration, found bool) time.Duration {
	if found {
		return walkEvery
	}
	return min(max(2*last, walkSoon), walkEvery)
}

// learnFor takes in addresses from answers for that long. It returns false if the
// Discovery is stopped before.
func (d *Discovery) learnFor(ctx context.Context, wait time.Duration) bool {
	over := time.NewTimer(wait)
	defer over.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case s := <-d.learned:
			d.gather(ctx, s)
		case <-over.C:
			return true
		}
	}
}

// gather waits for more addresses after the first, and has all of them watched.
func (d *Discovery) gather(ctx context.Context, first sighting) {
	seen := sightings{first.list: {first.addr: true}}
	enough := time.NewTimer(gatherFor)
	defer enough.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case s := <-d.learned:
			seen.add(s.list, s.addr)
		case <-enough.C:
			d.watch(ctx, seen)
			return
		}
	}
}
