package discover

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/plugin/reply"
)

// batch is how many addresses Watch gets at once, so that a large zone does not
// keep the monitor from its schedule.
const batch = 500

// Zones returns the names of the zones that may hold addresses for filters: those
// of the server block, and those from the filters' names up to them. A name may
// start with "*.".
func Zones(block, filters []string) []string {
	zones := slices.Clone(block)
	seen := make(map[string]bool)
	for _, z := range zones {
		seen[z] = true
	}
	inBlock := func(zone string) bool {
		return slices.ContainsFunc(block, func(z string) bool { return dns.IsSubDomain(z, zone) })
	}
	for _, name := range filters {
		name = strings.TrimPrefix(name, "*.")
		for off, end := 0, false; !end; off, end = dns.NextLabel(name, off) {
			if zone := name[off:]; zone != "" && !seen[zone] && inBlock(zone) {
				seen[zone] = true
				zones = append(zones, zone)
			}
		}
	}
	return zones
}

// sightings are the addresses that were found, by the list that wants them.
type sightings map[int32]map[netip.Addr]bool

func (s sightings) add(list int32, addr netip.Addr) {
	if s[list] == nil {
		s[list] = make(map[netip.Addr]bool)
	}
	s[list][addr] = true
}

// walk has the addresses in all zones watched, and reports whether there was a
// zone.
func (d *Discovery) walk(ctx context.Context) (found bool) {
	seen := make(sightings)
	for _, zone := range d.Zones {
		for _, source := range d.Sources {
			if ctx.Err() != nil {
				return found
			}
			ok, err := d.walkZone(ctx, source, zone, seen)
			if err != nil {
				d.Warn("walking %s for addresses to watch: %v", zone, err)
			}
			found = found || ok
		}
	}
	d.watch(ctx, seen)
	return found
}

// walkZone adds the addresses of zone to seen, and reports whether source has the
// zone. It always reads the zone to its end: the plugin that sends it waits for
// that. It turns a panic of the plugin, which would end the server, into an error.
func (d *Discovery) walkZone(ctx context.Context, source Source, zone string, seen sightings) (ok bool, err error) {
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
			if rr != nil {
				d.sight(rr, seen)
			}
		}
	}
	return true, nil
}

// sight adds the addresses in rr, hints included, that a list wants to seen.
func (d *Discovery) sight(rr dns.RR, seen sightings) {
	owner := rr.Header().Name
	add := func(addr netip.Addr) {
		if list, ok := d.Watcher.Wanted(owner, addr); ok {
			seen.add(list, addr)
		}
	}
	if addr := reply.Addr(rr); addr.IsValid() {
		add(addr)
	}
	for addr := range reply.Hints(rr) {
		add(addr)
	}
}

// watch has seen watched, in batches.
func (d *Discovery) watch(ctx context.Context, seen sightings) {
	var full error
	for list, addrs := range seen {
		part := make([]netip.Addr, 0, min(len(addrs), batch))
		flush := func() {
			if ctx.Err() == nil && len(part) > 0 {
				if err := d.Watcher.Watch(list, part); err != nil {
					full = err
				}
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
	if full != nil {
		d.Warn("%v", full)
	}
}

// panicText quotes what a plugin panicked with, for one line of the log: it may
// contain text from the network.
func panicText(p any) string {
	const most = 200
	return fmt.Sprintf("%.*q", most, fmt.Sprint(p))
}
