package rrhealth

import (
	"slices"

	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/plugin/pool"
	"github.com/rrhealth/rrhealth/plugin/reply"
)

// apply makes of a set what judge found. In the additional section no order is
// dealt and no list is cut.
func (w *filterWriter) apply(s *section, i int, answering bool) {
	set := &s.sets[i]
	judged := set.filter != nil && !set.overlooked
	switch {
	case set.unwanted && !set.wanted:
		w.leaveOut(set)
		return
	case set.pool != nil && !set.hints():
		w.applyPool(s, i)
		return
	case judged && set.filter.dryRun:
		w.note(set)
		judged = false
	}
	if !judged && set.pool == nil {
		return
	}
	kept := set.at
	if judged && set.outcome == pool.Served {
		kept = set.up
	}
	switch {
	case set.hints():
		w.applyHints(s, i, kept)
		return
	case !answering && len(set.up) == 0:
		w.applyAllDown(s, i)
		return
	case answering && addressType(set.rrtype):
		w.arranged = true
		kept = w.arrange(s, set, kept)
	}
	if len(kept) == len(set.at) {
		w.keep(s, i, kept)
		return
	}
	w.withdraw(s, i, kept)
}

// leaveOut leaves the whole of set out.
func (w *filterWriter) leaveOut(set *rrset) {
	set.changed, set.withdrawn = true, true
	if set.filter != nil {
		set.filter.counts.filtered.add(set.down, 0)
	}
}

// applyAllDown makes of a set in the additional section that is all down what
// the answer to a question for it would be: clients that read only this section
// get what those get who ask. Where that is no address, the set goes.
func (w *filterWriter) applyAllDown(s *section, i int) {
	set := &s.sets[i]
	other := w.beside(set.owner, dns.TypeA+dns.TypeAAAA-set.rrtype)
	switch {
	case other != nil && (other.overlooked || len(other.up) > 0):
	case set.outcome == pool.ServedAllDown:
		w.keep(s, i, set.at)
		return
	case set.outcome == pool.ServedFallback:
		records := set.fallback()
		if records == nil {
			break
		}
		sigs, ok := w.resign(s, i, records)
		if !ok {
			set.filter.counts.signed.add(set.down, 0)
			w.keep(s, i, set.at)
			return
		}
		set.records = append(records, sigs...)
	}
	w.leaveOut(set)
}

// arrange puts places into the order of the policy, unless they are in that of
// another handler, and cuts them to size.
func (w *filterWriter) arrange(s *section, set *rrset, places []int) []int {
	f := set.filter
	if len(places) > 1 && f.Policy != pool.Sequential && !w.watching.ordered.Load() {
		var step uint64
		switch {
		case f.Policy != pool.Rotate:
		case s.stepped && set == &s.sets[0]:
			step = s.step
		default:
			step = turns.next(set.owner, set.rrtype)
		}
		if &places[0] == &set.at[0] { // at tells where the set stands, it must stay
			from := len(s.places)
			s.places = append(s.places, places...)
			places = s.places[from:len(s.places):len(s.places)]
		}
		f.Arrange(places, step)
	}
	if f.MaxAnswers > 0 && f.MaxAnswers < len(places) {
		places = places[:f.MaxAnswers]
	}
	return places
}

// keep makes set the same records in the order of places, with its TTL.
func (w *filterWriter) keep(s *section, i int, places []int) {
	set := &s.sets[i]
	same := slices.Equal(places, set.at)
	for _, place := range set.at {
		same = same && s.rrs[place].Header().Ttl == set.ttl
	}
	if same {
		return
	}
	set.changed, set.kept = true, places
	if set.signed() {
		for sig := range s.signatures(i) {
			set.records = append(set.records, reply.Copy(sig, sig.Hdr.Name, min(set.ttl, sig.Hdr.Ttl)))
		}
	}
}

// resign returns signatures of records, which are to leave instead of the ith set
// of s: none where the set has none, or the client does not check them. It
// returns false where they would be by another key than that of the set, since
// clients that check would take the records for bogus.
func (w *filterWriter) resign(s *section, i int, records []dns.RR) (sigs []dns.RR, ok bool) {
	if !w.dnssec || !s.sets[i].signed() {
		return nil, true
	}
	sigs = w.handler.signer.set(records, serverOf(w.ctx))
	return sigs, s.signedBy(i, sigs)
}

// withdraw makes set the records at places only. A set that somebody else has
// signed is left whole for clients that check: those that are up come first in it.
func (w *filterWriter) withdraw(s *section, i int, places []int) {
	set := &s.sets[i]
	if set.signed() && w.dnssec {
		sigs, ok := w.resign(s, i, reply.AppendWithTTL(nil, s.rrs, places, set.ttl))
		if !ok {
			w.countSigned(set)
			w.keep(s, i, upFirst(s, set, places))
			return
		}
		set.records = sigs
	}
	set.changed, set.withdrawn, set.kept = true, true, places
	set.thinned = targetType(set.rrtype)
	if set.outcome == pool.Served { // else those that are down stay, as far as max_answers lets them
		set.filter.counts.filtered.add(set.leftOut())
	}
}

// upFirst returns all places of set: those given, then the others that are up,
// then the rest.
func upFirst(s *section, set *rrset, places []int) []int {
	all := make([]int, 0, len(set.at))
	taken := make([]bool, len(s.rrs))
	for _, lot := range [...][]int{places, set.up, set.at} {
		for _, place := range lot {
			if !taken[place] {
				taken[place] = true
				all = append(all, place)
			}
		}
	}
	return all
}

// leftOut returns how many addresses of a set, and records with a target, are
// left out where what is down in it is.
func (set *rrset) leftOut() (addresses, targets uint64) {
	if set.outcome == pool.Served {
		return set.down, set.downTargets
	}
	return set.down, 0 // hints of records that stay
}

// countSigned counts what stays of a set because another key has signed it.
func (w *filterWriter) countSigned(set *rrset) {
	if set.filter != nil && !set.filter.dryRun {
		set.filter.counts.signed.add(set.leftOut())
	}
	if set.pool != nil {
		set.pool.signed.Add(set.strange)
	}
}

// note counts what would be taken out of set, were it not for dry_run.
func (w *filterWriter) note(set *rrset) {
	switch set.outcome {
	case pool.ServedMinUp, pool.ServedAllDown:
		return
	}
	set.filter.counts.dryRun.add(set.down, set.downTargets)
}
