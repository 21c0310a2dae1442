package rrhealth

import (
	"net"
	"net/netip"
	"slices"

	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/plugin/pool"
	"github.com/rrhealth/rrhealth/plugin/reply"
)

// judgeHints does it for a set of HTTPS or SVCB records.
func (w *filterWriter) judgeHints(s *section, set *rrset) {
	for _, place := range set.at {
		rr := s.rrs[place]
		p := w.poolOf(targetOf(rr))
		for addr := range reply.Hints(rr) {
			switch {
			case p != nil:
				w.judgePoolHint(set, p, addr)
			case set.filter != nil:
				set.take(w.handler.health(set.filter, addr))
			case w.own != nil && w.own.Snapshot().Down(w.own.Config, addr):
				set.pool = w.own
				set.strange++
			}
		}
	}
}

// judgePoolHint notes whether p answers addr, a hint of its name.
func (w *filterWriter) judgePoolHint(set *rrset, p *served, addr netip.Addr) {
	s := p.Snapshot()
	set.pool = p
	set.ttl = min(set.ttl, s.TTL)
	if !s.Chosen(pool.FamilyOf(addr), addr) || s.Down(p.Config, addr) {
		set.strange++
	}
}

// poolHints returns a copy of rr, a record with hints, of which the target is p's,
// with the addresses that p answers in their place, or nil where it has those.
// Those that p answers though they are down are no hints.
func (w *filterWriter) poolHints(rr dns.RR, p *served, step uint64, signed bool) dns.RR {
	s := p.Snapshot()
	same := true
	mended := reply.EditHints(rr, func(f pool.Family, ips []net.IP) []net.IP {
		order := p.Aside(nil, s, f, w.bystander(p), step)
		if signed {
			slices.Sort(order) // one signature for all orders
		}
		chosen := make([]net.IP, 0, len(order))
		for _, i := range order {
			if addr := s.Choices[f].Members[i].Addr; !s.Down(p.Config, addr) {
				chosen = append(chosen, addr.AsSlice())
			}
		}
		same = same && slices.EqualFunc(chosen, ips, net.IP.Equal)
		return chosen
	})
	if same {
		return nil
	}
	return mended
}

// applyHints makes of an SVCB or HTTPS set the records at places, without hints
// that are down, and with those of pools' names that the pools answer.
func (w *filterWriter) applyHints(s *section, i int, places []int) {
	set := &s.sets[i]
	if set.down == 0 && set.strange == 0 && set.pool == nil && len(places) == len(set.at) {
		w.keep(s, i, set.at)
		return
	}
	same, records := len(places) == len(set.at), make([]dns.RR, 0, len(places)+1)
	hinted := w.hinter(set)
	for _, place := range places {
		rr := s.rrs[place]
		if record := hinted(rr); record != nil {
			rr, same = record, false
		}
		records = append(records, reply.Copy(rr, rr.Header().Name, set.ttl))
	}
	if same {
		w.keep(s, i, set.at)
		return
	}
	sigs, ok := w.resign(s, i, records)
	if !ok {
		w.countSigned(set)
		w.keep(s, i, set.at)
		return
	}
	set.changed, set.withdrawn, set.records = true, true, append(records, sigs...)
	set.thinned = len(places) < len(set.at)
	if set.filter != nil && !set.filter.dryRun {
		set.filter.counts.filtered.add(set.leftOut())
	}
}

// hinter returns what makes a copy of a record of set with the hints that it is
// to have, or nil where it has those.
func (w *filterWriter) hinter(set *rrset) func(dns.RR) dns.RR {
	down := func(addr netip.Addr) bool {
		switch {
		case set.filter != nil:
			return !set.filter.dryRun && w.handler.health(set.filter, addr).down
		case w.own != nil:
			return w.own.Snapshot().Down(w.own.Config, addr)
		}
		return false
	}
	var step uint64
	if set.pool != nil {
		step = w.turn(set.owner, set.rrtype)
	}
	return func(rr dns.RR) dns.RR {
		if p := w.poolOf(targetOf(rr)); p != nil {
			return w.poolHints(rr, p, step, set.signed() && w.dnssec)
		}
		return reply.DropHints(rr, down)
	}
}
