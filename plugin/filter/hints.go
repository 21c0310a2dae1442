package filter

import (
	"net"
	"net/netip"
	"slices"

	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/plugin/live"
	"github.com/rrhealth/rrhealth/plugin/pool"
	"github.com/rrhealth/rrhealth/plugin/reply"
)

// judgeHints finds out which hints in a set of HTTPS or SVCB records are down.
func (j *Judge) judgeHints(s *section, i int, f *finding) {
	for _, place := range s.At(i) {
		rr := s.RRs[place]
		p := j.poolOf(targetOf(rr))
		for addr := range reply.Hints(rr) {
			switch {
			case p != nil:
				f.notePoolHint(p, addr)
			case f.by != nil:
				if f.note(f.by.condition(addr)) {
					f.down++
				}
			case j.Own != nil && j.Own.Snapshot().Down(j.Own.Config, addr):
				f.pool = j.Own
				f.wrongHints++
			}
		}
	}
}

// notePoolHint notes whether p answers addr, a hint of its name.
func (f *finding) notePoolHint(p *live.Pool, addr netip.Addr) {
	s := p.Snapshot()
	f.pool = p
	f.ttl = min(f.ttl, s.TTL)
	if !s.Chosen(pool.FamilyOf(addr), addr) || s.Down(p.Config, addr) {
		f.wrongHints++
	}
}

// poolHints returns a copy of rr, whose target is p's name, with the addresses
// that p answers as hints, or nil if it has those. Addresses that p answers
// although they are down are no hints.
func (j *Judge) poolHints(rr dns.RR, p *live.Pool, step uint64, signed bool) dns.RR {
	s := p.Snapshot()
	same := true
	corrected := reply.EditHints(rr, func(f pool.Family, ips []net.IP) []net.IP {
		order := p.Aside(nil, s, f, j.bystander(p), step)
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
	return corrected
}

// applyHints reduces an SVCB or HTTPS set to the records kept, without hints
// that are down, and with a pool's addresses as the hints of its name.
func (j *Judge) applyHints(s *section, i int, kept reply.List) {
	set, f := &s.Sets[i], &s.findings[i]
	same := kept.Len() == set.At.Len()
	if f.down == 0 && f.wrongHints == 0 && f.pool == nil && same {
		j.keep(s, i, set.At, f.ttl)
		return
	}
	records := make([]dns.RR, 0, kept.Len()+1)
	hinted := j.hinter(s, i)
	for _, place := range s.Places(kept) {
		rr := s.RRs[place]
		if record := hinted(rr); record != nil {
			rr, same = record, false
		}
		records = append(records, reply.Copy(rr, rr.Header().Name, f.ttl))
	}
	if same {
		j.keep(s, i, set.At, f.ttl)
		return
	}
	sigs, ok := j.resign(&s.Section, i, records)
	if !ok {
		j.countSigned(f)
		j.keep(s, i, set.At, f.ttl)
		return
	}
	s.Replace(i, reply.Edit{Then: s.Hold(append(records, sigs...)), Withdrawn: true})
	if f.by != nil && !f.by.DryRun {
		f.by.Counts.Filtered.Add(f.leftOut())
	}
}

// hinter returns a function that returns a copy of a record of a set with the
// hints that it is to have, or nil if it has those.
func (j *Judge) hinter(s *section, i int) func(dns.RR) dns.RR {
	set, f := &s.Sets[i], &s.findings[i]
	down := func(addr netip.Addr) bool {
		switch {
		case f.by != nil:
			return !f.by.DryRun && f.by.condition(addr).down
		case j.Own != nil:
			return j.Own.Snapshot().Down(j.Own.Config, addr)
		}
		return false
	}
	var step uint64
	if f.pool != nil {
		step = j.turn(s.Owner(i), set.Type)
	}
	return func(rr dns.RR) dns.RR {
		if p := j.poolOf(targetOf(rr)); p != nil {
			return j.poolHints(rr, p, step, set.Signed() && j.DNSSEC)
		}
		return reply.DropHints(rr, down)
	}
}
