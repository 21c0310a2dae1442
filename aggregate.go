package rrhealth

import (
	"maps"
	"net/netip"
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rrhealth/rrhealth/plugin/pool"
)

// counts is what is counted about a pool besides its backends, or about a filter:
// its answers by outcome, and what follows.
type counts [pool.OutcomeCount + 7]uint64

const (
	unlocatedCount = pool.OutcomeCount + iota
	dryRunAddressCount
	dryRunTargetCount
	signedAddressCount
	signedTargetCount
	filteredAddressCount
	filteredTargetCount
)

func (c *counts) add(o *counts) {
	for i := range c {
		c[i] += o[i]
	}
}

// series is how many series c is: what is zero is left out.
func (c *counts) series() (n int) {
	for _, v := range c {
		if v > 0 {
			n++
		}
	}
	return n
}

// metrics returns c as the metrics of key.
func (c *counts) metrics(key seriesKey) (all []prometheus.Metric) {
	for i, n := range c {
		if n == 0 {
			continue
		}
		switch i {
		case unlocatedCount:
			all = append(all, key.counter(nearestUnlocated, n))
		case dryRunAddressCount:
			all = append(all, counter(dryRunAddresses, n, key.server, key.pool, key.filter, key.view))
		case dryRunTargetCount:
			all = append(all, counter(dryRunTargets, n, key.server, key.pool, key.filter, key.view))
		case signedAddressCount:
			all = append(all, counter(signedAddresses, n, key.server, key.pool, key.filter, key.view))
		case signedTargetCount:
			all = append(all, counter(signedTargets, n, key.server, key.pool, key.filter, key.view))
		case filteredAddressCount:
			all = append(all, counter(filteredAddresses, n, key.server, key.filter, key.view))
		case filteredTargetCount:
			all = append(all, counter(filteredTargets, n, key.server, key.filter, key.view))
		default:
			all = append(all, key.counter(answersTotal, n, pool.Outcome(i).String()))
		}
	}
	return all
}

// counts returns what p has counted.
func (p *served) counts() (c counts) {
	for o := range p.record.answers {
		c[o] = p.record.answers[o].Load()
	}
	c[unlocatedCount] = p.record.unlocated.Load()
	if c[signedAddressCount] = p.signed.Load(); p.dryRun {
		c[dryRunAddressCount] = p.record.dryRun.Load()
	}
	return c
}

// toOthers is the key of pools that are counted under others.
var toOthers = seriesKey{pool: others}

// An aggregate is a stanza whose pools are counted together, under to: its own
// first NAME or others. Once it is one it stays so as long as the stanza is
// there, reloads included: what is counted must not seem to go back, or to
// leap. So what the pools have shown before, under names of their own, is taken
// off.
type aggregate struct {
	to     seriesKey
	before counts
	shown  counts
}

// last is what the pools of a stanza have shown at the last scrape: all of them,
// and the first.
type last struct{ all, first counts }

// leavings is what pools have counted that have left their stanza in a reload.
type leavings struct {
	counts
	firsts map[netip.Addr]uint64
}

// keepCounts adds what p has counted, of which nothing is left, to what is shown
// of its stanza. r.mu is held.
func (r *registry) keepCounts(h *RRHealth, p *served) {
	first := h.key(p.bundle.pools[0].Name)
	if first.pool == p.Name {
		return // they go by its name
	}
	left := r.left[first]
	if left == nil {
		left = &leavings{firsts: make(map[netip.Addr]uint64)}
		r.left[first] = left
	}
	c := p.counts()
	left.add(&c)
	for i, b := range p.Backends {
		if n := p.tally(i).first.Load(); n > 0 {
			left.firsts[b.Addr] += n
		}
	}
}

// counted returns the counters of pools and filters, in no more series than
// there is room for: where there are more, the pools of a stanza are counted
// together, of those stanzas first that save the most, and if that does not do,
// many stanzas are. It also returns how many pools are counted with others.
func (r *registry) counted(exhibits []*exhibit, room int) (all []prometheus.Metric, aggregated int) {
	byKey := make(map[seriesKey]*counts)
	r.countFilters(byKey)
	need := len(counts{}) // those of others
	for _, c := range byKey {
		need += c.series()
	}
	sums := make(map[*exhibit]*sum, len(exhibits))
	for _, e := range exhibits {
		sums[e] = r.sum(e)
		need += sums[e].series
	}
	if need > room {
		r.aggregate(exhibits, sums, need-room+room/10) // not a few at each scrape
	}
	for _, e := range exhibits {
		r.remember(e, sums[e])
		if a := r.aggregates[e.key]; a != nil {
			aggregated += len(e.pools)
			a.count(sums[e], countsOf(byKey, a.to))
			continue
		}
		for _, p := range e.pools {
			if c := p.counts(); c != (counts{}) {
				key := e.key
				key.pool = p.Name
				countsOf(byKey, key).add(&c)
			}
		}
	}
	if r.othersGone != (counts{}) {
		countsOf(byKey, toOthers).add(&r.othersGone)
	}
	for key, c := range byKey {
		all = append(all, c.metrics(key)...)
	}
	return all, aggregated
}

// remember keeps what e shows for the next scrape.
func (r *registry) remember(e *exhibit, s *sum) {
	if a := r.aggregates[e.key]; a != nil && a.to == toOthers || s.all == (counts{}) {
		delete(r.last, e.key)
		return
	}
	r.last[e.key] = last{s.all, s.first}
}

func countsOf(byKey map[seriesKey]*counts, key seriesKey) *counts {
	if byKey[key] == nil {
		byKey[key] = new(counts)
	}
	return byKey[key]
}

// A sum is what the pools of an exhibit have counted.
type sum struct {
	all, first counts // first is that of the first NAME
	together   int    // series, if they are counted together
	series     int    // that they are
}

func (r *registry) sum(e *exhibit) *sum {
	s := new(sum)
	for _, p := range e.pools {
		c := p.counts()
		s.all.add(&c)
		if p.Name == e.key.pool {
			s.first.add(&c)
		}
		s.series += c.series()
	}
	if left := r.left[e.key]; left != nil {
		s.all.add(&left.counts)
	}
	s.together = s.all.series()
	switch a := r.aggregates[e.key]; {
	case a == nil:
	case a.to == toOthers:
		s.series = 0
	default:
		s.series = s.together
	}
	return s
}

// aggregate makes aggregates of stanzas until there are excess series less.
func (r *registry) aggregate(exhibits []*exhibit, sums map[*exhibit]*sum, excess int) {
	bySaving := slices.SortedFunc(slices.Values(exhibits), func(a, b *exhibit) int {
		return (sums[b].series - sums[b].together) - (sums[a].series - sums[a].together)
	})
	for _, e := range bySaving {
		s := sums[e]
		if saved := s.series - s.together; excess > 0 && saved > 0 {
			excess -= saved
			before := r.last[e.key]
			r.aggregates[e.key] = &aggregate{to: e.key, before: less(&before.all, &before.first)}
			s.series = s.together
		}
	}
	for _, e := range slices.Backward(exhibits) {
		if a := r.aggregates[e.key]; excess > 0 && (a == nil || a.to != toOthers) {
			excess -= sums[e].series
			r.aggregates[e.key] = &aggregate{to: toOthers, before: r.last[e.key].all}
		}
	}
	if !r.aggregated {
		r.aggregated = true
		log.Warningf("more than %d series of metrics: pools are counted by stanza, under its first NAME, or under %q (metric aggregated_pools)", r.maxSeries, others)
	}
}

// count adds what a shows to c.
func (a *aggregate) count(s *sum, c *counts) {
	now := less(&s.all, &a.before)
	for i := range a.shown {
		a.shown[i] = max(a.shown[i], now[i])
	}
	c.add(&a.shown)
}

// less returns a without b, and 0 where b is more.
func less(a, b *counts) (c counts) {
	for i := range c {
		c[i] = a[i] - min(a[i], b[i])
	}
	return c
}

// forgetAggregates forgets stanzas that are gone. r.mu is held.
func (r *registry) forgetAggregates() {
	if len(r.aggregates)+len(r.last)+len(r.left) == 0 {
		return
	}
	there := make(map[seriesKey]bool)
	for h := range r.handlers {
		for _, b := range h.bundles {
			there[h.key(b.pools[0].Name)] = true
		}
	}
	gone := func(key seriesKey) bool { return !there[key] }
	maps.DeleteFunc(r.aggregates, func(key seriesKey, a *aggregate) bool {
		if gone(key) && a.to == toOthers {
			r.othersGone.add(&a.shown)
		}
		return gone(key)
	})
	maps.DeleteFunc(r.last, func(key seriesKey, _ last) bool { return gone(key) })
	maps.DeleteFunc(r.left, func(key seriesKey, _ *leavings) bool { return gone(key) })
}
