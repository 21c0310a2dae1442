package rrhealth

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/plugin"
	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/plugin/live"
	"github.com/rrhealth/rrhealth/plugin/reply"
)

const (
	// walkEvery is how often the zones below are walked.
	walkEvery = 30 * time.Second
	// walkSoon is the wait after a walk that found no zone: plugins that
	// fetch their zones may not have them yet. It doubles up to walkEvery.
	walkSoon = time.Second
	// gatherFor is how long addresses from answers are gathered before they
	// are watched: each batch interrupts the monitor's loop.
	gatherFor = 100 * time.Millisecond
	// batch is how many addresses are handed to the monitor at once, so that
	// a large zone does not keep it from its schedule.
	batch = 500
	// sightingsAtOnce is how many addresses from answers may wait to be
	// taken in. Those that find no room are seen again in a later answer.
	sightingsAtOnce = 1024
)

// transfers is what a plugin can do whose zones can be walked: the Transferer
// of the transfer plugin. The channel is closed at the end of the zone.
type transfers interface {
	Transfer(zone string, serial uint32) (<-chan []dns.RR, error)
}

// findTransfers returns the plugins of a server block whose zones can be
// walked.
func findTransfers(config *dnsserver.Config) []transfers {
	var all []transfers
	for _, handler := range config.Handlers() {
		if t, ok := handler.(transfers); ok {
			all = append(all, t)
		}
	}
	return all
}

// A discovery finds the addresses that the filters of one handler are to
// watch: it walks the zones below, and learns from answers. One goroutine does
// both; queries only drop what they see into a channel.
type discovery struct {
	handler   *RRHealth
	lifecycle *lifecycle
	zones     []string // to try
	learned   chan sighting
	cancel    context.CancelFunc
	done      chan struct{}
}

// A sighting is an address that a filter is to watch.
type sighting struct {
	list *live.Watchlist
	addr netip.Addr
}

// learn returns a function that has the discovery of h watch an address for w,
// soon. If more addresses come than can be taken in, it drops some: they are
// learned from a later answer.
func (h *RRHealth) learn(w *live.Watchlist) func(netip.Addr) {
	return func(addr netip.Addr) {
		select {
		case h.learned <- sighting{w, addr}:
		default:
		}
	}
}

// startDiscovery starts the goroutine that stop ends.
func startDiscovery(h *RRHealth, l *lifecycle) *discovery {
	ctx, cancel := context.WithCancel(context.Background())
	d := &discovery{
		handler: h, lifecycle: l, zones: h.walkable(),
		learned: h.learned, cancel: cancel, done: make(chan struct{}),
	}
	l.walking.Add(1)
	go d.run(ctx)
	return d
}

// stop ends the discovery and waits for it, a few seconds at the most: a plugin
// that never finishes its zone cannot keep the server from stopping.
func (d *discovery) stop() {
	d.cancel()
	select {
	case <-d.done:
	case <-time.After(stopWithin):
		log.Warningf("a zone below %s is still being walked, left behind", strings.Join(d.handler.zones, " "))
	}
}

// stopWithin bounds how long a discovery is waited for.
const stopWithin = 5 * time.Second

// walkable returns the names of zones in which addresses for h's filters may
// stand: the server block's, the filters' own, and those in between.
func (h *RRHealth) walkable() []string {
	zones := append([]string(nil), h.zones...)
	seen := make(map[string]bool)
	for _, z := range zones {
		seen[z] = true
	}
	for _, f := range h.filters {
		name := strings.TrimPrefix(f.Name, "*.")
		for off, end := 0, false; !end; off, end = dns.NextLabel(name, off) {
			zone := name[off:]
			if zone != "" && !seen[zone] && plugin.Zones(h.zones).Matches(zone) != "" {
				seen[zone] = true
				zones = append(zones, zone)
			}
		}
	}
	return zones
}

func (d *discovery) run(ctx context.Context) {
	defer close(d.done)
	wait := walkSoon
	found := d.walk(ctx)
	d.lifecycle.walking.Add(-1)
	walks := time.NewTimer(0)
	defer walks.Stop()
	for {
		if wait = min(2*wait, walkEvery); found {
			wait = walkEvery
		}
		walks.Reset(wait)
		for waiting := true; waiting; {
			select {
			case <-ctx.Done():
				return
			case s := <-d.learned:
				d.gather(ctx, s)
			case <-walks.C:
				waiting = false
			}
		}
		found = d.walk(ctx)
		d.sweep(ctx)
		d.handler.listWatched()
	}
}

// gather waits for more sightings after the first, and has all of them watched.
func (d *discovery) gather(ctx context.Context, first sighting) {
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

// walk has the addresses in the zones below watched, and reports whether there
// was a zone.
func (d *discovery) walk(ctx context.Context) bool {
	found := false
	seen := make(sightings)
	for _, zone := range d.zones {
		for _, source := range d.handler.sources {
			if ctx.Err() != nil {
				return found
			}
			ok, err := d.walkZone(ctx, source, zone, seen)
			if err != nil {
				log.Warningf("walking %s for addresses to watch: %v", zone, err)
			}
			found = found || ok
		}
	}
	d.watch(ctx, seen)
	return found
}

// panicText is what the panic of a plugin says, for one line of the log: it may
// hold text from the network.
func panicText(p any) string {
	const most = 200
	return fmt.Sprintf("%.*q", most, fmt.Sprint(p))
}

// walkZone adds the addresses of zone to seen, and reports whether source has
// the zone. It reads the zone to its end in any case: whoever writes into the
// channel waits for that. A panic of a plugin's would end the server, as
// nothing else stands around this goroutine.
func (d *discovery) walkZone(ctx context.Context, source transfers, zone string, seen sightings) (ok bool, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the plugin below panicked: %s", panicText(p))
		}
	}()
	records, err := source.Transfer(zone, 0)
	if err != nil || records == nil {
		return false, nil // not its zone, or not there yet
	}
	for rrs := range records {
		if ctx.Err() != nil {
			continue
		}
		for _, rr := range rrs {
			d.sight(rr, seen)
		}
	}
	return true, nil
}

// sight adds the addresses in rr that a filter should watch to seen.
func (d *discovery) sight(rr dns.RR, seen sightings) {
	if rr == nil {
		return
	}
	f := d.handler.filterOf(rr.Header().Name)
	if f == nil {
		return
	}
	if addr := reply.Addr(rr); f.Wants(addr) {
		seen.add(f.Watchlist, addr)
	}
	for addr := range reply.Hints(rr) {
		if f.Wants(addr) {
			seen.add(f.Watchlist, addr)
		}
	}
}

// watch has what was seen watched.
func (d *discovery) watch(ctx context.Context, seen sightings) {
	room := true
	for list, addrs := range seen {
		part := make([]netip.Addr, 0, batch)
		flush := func() {
			if ctx.Err() == nil {
				room = d.lifecycle.live.Watch(list, part) && room
			}
			part = part[:0]
		}
		for addr := range addrs {
			if part = append(part, addr); len(part) == batch {
				flush()
			}
		}
		flush()
	}
	if !room {
		log.Warningf("more than %d addresses to watch: the others are answered unprobed", d.lifecycle.live.WatchLimit)
	}
}

// sweep forgets addresses that were not seen for long.
func (d *discovery) sweep(ctx context.Context) {
	for _, f := range d.handler.filters {
		if ctx.Err() == nil {
			d.lifecycle.live.Sweep(f.Watchlist)
		}
	}
}

// sightings are addresses by the list that is to watch them.
type sightings map[*live.Watchlist]map[netip.Addr]bool

func (s sightings) add(w *live.Watchlist, addr netip.Addr) {
	if s[w] == nil {
		s[w] = make(map[netip.Addr]bool)
	}
	s[w][addr] = true
}
