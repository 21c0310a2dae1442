package filter

import (
	"slices"

	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/plugin/live"
	"github.com/rrhealth/rrhealth/plugin/pool"
	"github.com/rrhealth/rrhealth/plugin/reply"
)

// apply edits a set by its finding. In the additional section the order stays,
// and max_answers does not count.
func (j *Judge) apply(s *section, i int, answering bool) {
	set, f := &s.Sets[i], &s.findings[i]
	if !answering && j.unwanted(i) {
		j.leaveOut(s, i)
		return
	}
	if f.pool != nil && !hintType(set.Type) {
		j.applyPool(s, i)
		return
	}
	if f.by != nil && !f.ignored && f.by.DryRun {
		f.noteDryRun()
	}
	if !f.judged() && f.pool == nil {
		return
	}
	kept := f.kept(set)
	switch {
	case hintType(set.Type):
		j.applyHints(s, i, kept)
		return
	case !answering && f.up.Len() == 0:
		j.applyAllDown(s, i)
		return
	case answering && addressType(set.Type):
		j.arranged = true
		kept = j.orderAndCut(s, i, kept)
	}
	if kept.Len() == set.At.Len() {
		j.keep(s, i, kept, f.ttl)
		return
	}
	j.withdraw(s, i, kept)
}

// leaveOut leaves a whole set out.
func (j *Judge) leaveOut(s *section, i int) {
	s.Replace(i, reply.Edit{Withdrawn: true})
	if f := &s.findings[i]; f.by != nil {
		f.by.Counts.Filtered.Add(uint64(f.down), 0)
	}
}

// applyAllDown replaces a set in the additional section that is all down with
// the answer to a question for it: some clients read only this section. If the
// answer has no address, the set is left out.
func (j *Judge) applyAllDown(s *section, i int) {
	set, f := &s.Sets[i], &s.findings[i]
	other := j.beside(s.Owner(i), dns.TypeA+dns.TypeAAAA-set.Type)
	switch {
	case other != nil && (other.ignored || other.up.Len() > 0):
		j.leaveOut(s, i) // so that clients use the other family
	case f.outcome == pool.ServedAllDown:
		j.keep(s, i, set.At, f.ttl)
	case f.outcome == pool.ServedFallback:
		j.applyFallback(s, i)
	default:
		j.leaveOut(s, i)
	}
}

// applyFallback replaces a set in the additional section that is all down with
// the filter's fallback addresses. It leaves the set out if none is of the family.
func (j *Judge) applyFallback(s *section, i int) {
	set, f := &s.Sets[i], &s.findings[i]
	records := fallbackRecords(f.by, s.Owner(i), set.Type, f.ttl)
	if records == nil {
		j.leaveOut(s, i)
		return
	}
	sigs, ok := j.resign(&s.Section, i, records)
	if !ok {
		f.by.Counts.Signed.Add(uint64(f.down), 0)
		j.keep(s, i, set.At, f.ttl)
		return
	}
	s.Replace(i, reply.Edit{Then: s.Hold(append(records, sigs...)), Withdrawn: true})
	f.by.Counts.Filtered.Add(uint64(f.down), 0)
}

// orderAndCut returns records of a set in the order of the policy, unless another
// server block has put them in order, and no more than max_answers of them.
func (j *Judge) orderAndCut(s *section, i int, kept reply.List) reply.List {
	f := s.findings[i].by
	if kept.Len() > 1 && f.Policy != pool.Sequential && !j.Server.Ordered() {
		var step uint64
		switch {
		case f.Policy != pool.Rotate:
		case j.first.known && i == 0:
			step = j.first.step
		default:
			step = j.step(s.Owner(i), s.Sets[i].Type)
		}
		kept = s.Store(s.Places(kept)...)
		arrange(s.Places(kept), f.Policy, step)
	}
	if f.MaxAnswers > 0 {
		kept = kept.First(f.MaxAnswers)
	}
	return kept
}

// keep makes a set the same records in the order of places, with a TTL that is not
// above theirs.
func (j *Judge) keep(s *section, i int, places reply.List, ttl uint32) {
	set := &s.Sets[i]
	if ttl == set.High && (places == set.At || slices.Equal(s.Places(places), s.At(i))) {
		return
	}
	var sigs []dns.RR
	if set.Signed() {
		for sig := range s.Signatures(i) {
			sigs = append(sigs, reply.Copy(sig, sig.Hdr.Name, min(ttl, sig.Hdr.Ttl)))
		}
	}
	s.Replace(i, reply.Edit{Keep: places, TTL: ttl, Then: s.Hold(sigs)})
}

// resign returns signatures of records that are to leave instead of a set: none
// if the set has none, or if the client does not ask for them. It reports false
// if another key has signed the set: clients that check signatures would take
// the records for bogus.
func (j *Judge) resign(s *reply.Section, i int, records []dns.RR) (sigs []dns.RR, ok bool) {
	if !j.DNSSEC || !s.Sets[i].Signed() {
		return nil, true
	}
	sigs = j.Server.Sign(records)
	return sigs, s.SignedBy(i, sigs)
}

// withdraw reduces a set to the records kept. If another key has signed it, it
// stays whole for clients that check signatures, with the records that are up
// in front.
func (j *Judge) withdraw(s *section, i int, kept reply.List) {
	f := &s.findings[i]
	var sigs []dns.RR
	if s.Sets[i].Signed() && j.DNSSEC {
		var ok bool
		if sigs, ok = j.resign(&s.Section, i, s.AppendWithTTL(nil, kept, f.ttl)); !ok {
			j.countSigned(f)
			j.keep(s, i, s.upFirst(i, kept), f.ttl)
			return
		}
	}
	s.Replace(i, reply.Edit{Keep: kept, TTL: f.ttl, Then: s.Hold(sigs), Withdrawn: true})
	if f.outcome == pool.Served { // else those that are down stay, as far as max_answers lets them
		f.by.Counts.Filtered.Add(f.leftOut())
	}
}

// upFirst returns all records of a set: those given, then the others that are up,
// then the rest.
func (s *section) upFirst(i int, first reply.List) reply.List {
	all := make([]int32, 0, s.Sets[i].At.Len())
	taken := make([]bool, len(s.RRs))
	for _, lot := range [...]reply.List{first, s.findings[i].up, s.Sets[i].At} {
		for _, place := range s.Places(lot) {
			if !taken[place] {
				taken[place] = true
				all = append(all, place)
			}
		}
	}
	return s.Store(all...)
}

// countSigned counts the addresses of a set that stay because another key has
// signed it.
func (j *Judge) countSigned(f *finding) {
	if f.by != nil && !f.by.DryRun {
		f.by.Counts.Signed.Add(f.leftOut())
	}
	if f.pool != nil {
		j.countPoolSigned(f.pool, int(f.wrongHints))
	}
}

// countPoolSigned counts n addresses that p does not answer, and that stay because
// another key has signed them. In a nested answer they do not count: the answer
// around it has them, too.
func (j *Judge) countPoolSigned(p *live.Pool, n int) {
	if !j.Nested {
		p.CountSigned(n)
	}
}

// noteDryRun counts what would be left out of a set, were it not for dry_run.
func (f *finding) noteDryRun() {
	switch f.outcome {
	case pool.ServedMinUp, pool.ServedAllDown:
		return
	}
	f.by.Counts.DryRun.Add(uint64(f.down), uint64(f.downTargets))
}
