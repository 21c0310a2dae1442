package live

import (
	"maps"
	"net/netip"
	"slices"
)

// toOthers are the labels of pools that are counted under others.
var toOthers = Labels{Pool: others}

// An aggregate is a stanza whose pools are counted together, under its first NAME
// or others. It stays one as long as the stanza is there, reloads included:
// otherwise counters would go back, or leap. For the same reason the totals that
// the pools have shown before, under their own names, are subtracted.
type aggregate struct {
	to     Labels
	before totals
	shown  totals
}

// last are the totals that a stanza has shown at the last scrape: those of all of
// its pools, and of the first.
type last struct{ all, first totals }

// leavings are the totals of pools that have left their stanza in a reload, and
// the first answers of their backends.
type leavings struct {
	totals
	firsts map[netip.Addr]uint64
}

// keep adds the totals of p, whose counters are forgotten, to those of its stanza.
// l.mu is held.
func (l *ledger) keep(b *Block, p *Pool) {
	labels := b.labels(p.stanza.Pools[0].Name)
	if labels.Pool == p.Name {
		return // the stanza is known by its name
	}
	left := l.left[labels]
	if left == nil {
		left = &leavings{firsts: make(map[netip.Addr]uint64)}
		l.left[labels] = left
	}
	c := p.totals()
	left.add(&c)
	for i, b := range p.Backends {
		if n := p.tally(i).first.Load(); n > 0 {
			left.firsts[b.Addr] += n
		}
	}
}

// counted returns the series of all totals, at most as many as there is room for.
// If there are more, the pools of a stanza are counted together, first of those
// stanzas that save the most; if that is not enough, stanzas are, too. It also
// returns how many pools are counted together with others. l.mu is held.
func (l *ledger) counted(stanzas []*stanzaStatus, room int) (all []Series, aggregated int) {
	byLabels := make(map[Labels]*totals)
	l.countFilters(byLabels)
	need := len(totals{}) // those of others
	for _, c := range byLabels {
		need += c.size()
	}
	sums := make(map[*stanzaStatus]*sum, len(stanzas))
	for _, s := range stanzas {
		sums[s] = l.sum(s)
		need += sums[s].series
	}
	if need > room {
		l.aggregate(stanzas, sums, need-room+room/10) // not a few at each scrape
	}
	for _, s := range stanzas {
		l.remember(s, sums[s])
		if a := l.aggregates[s.labels]; a != nil {
			aggregated += len(s.pools)
			a.count(sums[s], totalsOf(byLabels, a.to))
			continue
		}
		s.count(byLabels)
	}
	if l.othersGone != (totals{}) {
		totalsOf(byLabels, toOthers).add(&l.othersGone)
	}
	for labels, c := range byLabels {
		all = append(all, c.series(labels)...)
	}
	return all, aggregated
}

// count adds the totals of each pool of s to byLabels.
func (s *stanzaStatus) count(byLabels map[Labels]*totals) {
	for _, p := range s.pools {
		if c := p.totals(); c != (totals{}) {
			labels := s.labels
			labels.Pool = p.Name
			totalsOf(byLabels, labels).add(&c)
		}
	}
}

// countFilters adds the totals of all filters to byLabels. l.mu is held.
func (l *ledger) countFilters(byLabels map[Labels]*totals) {
	for _, of := range l.watchCounts {
		if of.latest == nil {
			continue // its block is starting
		}
		labels := of.labels
		if len(l.watchCounts) > maxOfStanzas {
			labels = Labels{Filter: others}
		}
		if c := of.totals(); c != (totals{}) {
			totalsOf(byLabels, labels).add(&c)
		}
	}
}

// remember keeps what s shows for the next scrape.
func (l *ledger) remember(s *stanzaStatus, n *sum) {
	if a := l.aggregates[s.labels]; a != nil && a.to == toOthers || n.all == (totals{}) {
		delete(l.last, s.labels)
		return
	}
	l.last[s.labels] = last{n.all, n.first}
}

func totalsOf(byLabels map[Labels]*totals, l Labels) *totals {
	if byLabels[l] == nil {
		byLabels[l] = new(totals)
	}
	return byLabels[l]
}

// A sum is the totals of a stanza's pools.
type sum struct {
	all, first totals // first is that of the first NAME
	together   int    // series, if they are counted together
	series     int    // series, as they are counted now
}

func (l *ledger) sum(s *stanzaStatus) *sum {
	n := new(sum)
	for _, p := range s.pools {
		c := p.totals()
		n.all.add(&c)
		if p.Name == s.labels.Pool {
			n.first.add(&c)
		}
		n.series += c.size()
	}
	if left := l.left[s.labels]; left != nil {
		n.all.add(&left.totals)
	}
	n.together = n.all.size()
	switch a := l.aggregates[s.labels]; {
	case a == nil:
	case a.to == toOthers:
		n.series = 0
	default:
		n.series = n.together
	}
	return n
}

// aggregate makes aggregates of stanzas, until there are fewer series by excess.
func (l *ledger) aggregate(stanzas []*stanzaStatus, sums map[*stanzaStatus]*sum, excess int) {
	bySaving := slices.SortedFunc(slices.Values(stanzas), func(a, b *stanzaStatus) int {
		return (sums[b].series - sums[b].together) - (sums[a].series - sums[a].together)
	})
	for _, s := range bySaving {
		n := sums[s]
		if saved := n.series - n.together; excess > 0 && saved > 0 {
			excess -= saved
			before := l.last[s.labels]
			l.aggregates[s.labels] = &aggregate{to: s.labels, before: less(&before.all, &before.first)}
			n.series = n.together
		}
	}
	for _, s := range slices.Backward(stanzas) {
		if a := l.aggregates[s.labels]; excess > 0 && (a == nil || a.to != toOthers) {
			excess -= sums[s].series
			l.aggregates[s.labels] = &aggregate{to: toOthers, before: l.last[s.labels].all}
		}
	}
}

// count adds what a shows to c.
func (a *aggregate) count(n *sum, c *totals) {
	now := less(&n.all, &a.before)
	for i := range a.shown {
		a.shown[i] = max(a.shown[i], now[i])
	}
	c.add(&a.shown)
}

// less returns a minus b, and 0 where b is more.
func less(a, b *totals) (c totals) {
	for i := range c {
		c[i] = a[i] - min(a[i], b[i])
	}
	return c
}

// forgetAggregates forgets stanzas that are gone. l.mu is held.
func (l *ledger) forgetAggregates() {
	if len(l.aggregates)+len(l.last)+len(l.left) == 0 {
		return
	}
	there := make(map[Labels]bool)
	for _, b := range l.blocks {
		for _, s := range b.Stanzas {
			there[b.labels(s.Pools[0].Name)] = true
		}
	}
	gone := func(labels Labels) bool { return !there[labels] }
	maps.DeleteFunc(l.aggregates, func(labels Labels, a *aggregate) bool {
		if gone(labels) && a.to == toOthers {
			l.othersGone.add(&a.shown)
		}
		return gone(labels)
	})
	maps.DeleteFunc(l.last, func(labels Labels, _ last) bool { return gone(labels) })
	maps.DeleteFunc(l.left, func(labels Labels, _ *leavings) bool { return gone(labels) })
}
