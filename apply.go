package rrhealth

import (
	"slices"

	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/plugin/pool"
	"github.com/rrhealth/rrhealth/plugin/reply"
)

// apply makes of a set what was found. In the additional section no order is
// dealt and no list is cut.
func (w *filterWriter) apply(s *part, i int, answering bool) {
	set, f := &s.sets[i], &s.findings[i]
	if !answering && w.unwanted(i) {
		w.leaveOut(s, i)
		return
	}
	if f.pool != nil && !set.hints() {
		w.applyPool(s, i)
		return
	}
	if f.by != nil && !f.overlooked && f.by.dryRun {
		f.noteDryRun()
	}
	if !f.judged() && f.pool == nil {
		return
	}
	kept := f.kept(set)
	switch {
	case set.hints():
		w.applyHints(s, i, kept)
		return
	case !answering && f.up.n == 0:
		w.applyAllDown(s, i)
		return
	case answering && addressType(set.rrtype):
		w.arranged = true
		kept = w.arrange(s, i, kept)
	}
	if kept.n == set.at.n {
		w.keep(s, i, kept, f.ttl)
		return
	}
	w.withdraw(s, i, kept)
}

// leaveOut leaves a whole set out.
func (w *filterWriter) leaveOut(s *part, i int) {
	s.replace(i, edit{withdrawn: true})
	if f := &s.findings[i]; f.by != nil {
		f.by.counts.filtered.add(uint64(f.down), 0)
	}
}

// applyAllDown makes of a set in the additional section that is all down what
// the answer to a question for it would be: clients that read only this section
// get what those get who ask. Where that is no address, the set goes.
func (w *filterWriter) applyAllDown(s *part, i int) {
	set, f := &s.sets[i], &s.findings[i]
	other := w.beside(s.owner(i), dns.TypeA+dns.TypeAAAA-set.rrtype)
	switch {
	case other != nil && (other.overlooked || other.up.n > 0):
	case f.outcome == pool.ServedAllDown:
		w.keep(s, i, set.at, f.ttl)
		return
	case f.outcome == pool.ServedFallback:
		records := fallbackRecords(f.by, s.owner(i), set.rrtype, f.ttl)
		if records == nil {
			break
		}
		sigs, ok := w.resign(&s.section, i, records)
		if !ok {
			f.by.counts.signed.add(uint64(f.down), 0)
			w.keep(s, i, set.at, f.ttl)
			return
		}
		s.replace(i, edit{then: s.hold(append(records, sigs...)), withdrawn: true})
		f.by.counts.filtered.add(uint64(f.down), 0)
		return
	}
	w.leaveOut(s, i)
}

// arrange returns records of a set in the order of the policy, unless they are in
// that of another handler, and no more than max_answers of them.
func (w *filterWriter) arrange(s *part, i int, kept list) list {
	f := s.findings[i].by
	if kept.n > 1 && f.Policy != pool.Sequential && !w.watching.ordered.Load() {
		var step uint64
		switch {
		case f.Policy != pool.Rotate:
		case w.first.known && i == 0:
			step = w.first.step
		default:
			step = turns.next(s.owner(i), s.sets[i].rrtype)
		}
		kept = s.store(s.list(kept)...)
		arrange(s.list(kept), f.Policy, step)
	}
	if f.MaxAnswers > 0 && f.MaxAnswers < int(kept.n) {
		kept.n = int32(f.MaxAnswers) // #nosec G115 -- less than records
	}
	return kept
}

// keep makes a set the same records in the order of places, with a TTL that is not
// above theirs.
func (w *filterWriter) keep(s *part, i int, places list, ttl uint32) {
	set := &s.sets[i]
	if ttl == set.high && (places == set.at || slices.Equal(s.list(places), s.at(i))) {
		return
	}
	var sigs []dns.RR
	if set.signed() {
		for sig := range s.signatures(i) {
			sigs = append(sigs, reply.Copy(sig, sig.Hdr.Name, min(ttl, sig.Hdr.Ttl)))
		}
	}
	s.replace(i, edit{keep: places, ttl: ttl, then: s.hold(sigs)})
}

// resign returns signatures of records, which are to leave instead of a set: none
// where the set has none, or the client does not check them. It returns false
// where they would be by another key than that of the set, since clients that
// check would take the records for bogus.
func (w *filterWriter) resign(s *section, i int, records []dns.RR) (sigs []dns.RR, ok bool) {
	if !w.dnssec || !s.sets[i].signed() {
		return nil, true
	}
	sigs = w.handler.signer.set(records, serverOf(w.ctx))
	return sigs, s.signedBy(i, sigs)
}

// withdraw makes a set the records kept only. A set that another key has signed
// is left whole for clients that check: those that are up come first in it.
func (w *filterWriter) withdraw(s *part, i int, kept list) {
	f := &s.findings[i]
	var sigs []dns.RR
	if s.sets[i].signed() && w.dnssec {
		var ok bool
		if sigs, ok = w.resign(&s.section, i, s.appendLowered(nil, kept, f.ttl)); !ok {
			f.countSigned()
			w.keep(s, i, s.upFirst(i, kept), f.ttl)
			return
		}
	}
	s.replace(i, edit{keep: kept, ttl: f.ttl, then: s.hold(sigs), withdrawn: true})
	if f.outcome == pool.Served { // else those that are down stay, as far as max_answers lets them
		f.by.counts.filtered.add(f.leftOut())
	}
}

// upFirst returns all records of a set: those given, then the others that are up,
// then the rest.
func (s *part) upFirst(i int, first list) list {
	all := make([]int32, 0, s.sets[i].at.n)
	taken := make([]bool, len(s.rrs))
	for _, lot := range [...]list{first, s.findings[i].up, s.sets[i].at} {
		for _, place := range s.list(lot) {
			if !taken[place] {
				taken[place] = true
				all = append(all, place)
			}
		}
	}
	return s.store(all...)
}

// countSigned counts what stays of a set because another key has signed it.
func (f *finding) countSigned() {
	if f.by != nil && !f.by.dryRun {
		f.by.counts.signed.add(f.leftOut())
	}
	if f.pool != nil {
		f.pool.CountSigned(int(f.strange))
	}
}

// noteDryRun counts what would be left out of a set, were it not for dry_run.
func (f *finding) noteDryRun() {
	switch f.outcome {
	case pool.ServedMinUp, pool.ServedAllDown:
		return
	}
	f.by.counts.dryRun.add(uint64(f.down), uint64(f.downTargets))
}
