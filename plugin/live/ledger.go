package live

import (
	"slices"
	"sync"
)

// A ledger has the blocks that are started and what is counted for them across
// reloads. Start, Stop and Status lock it; the monitor's loop and queries do not.
type ledger struct {
	mu sync.Mutex // guards what follows

	blocks      []*Block // in the order in which they started
	counters    map[countersKey]*counters
	watchCounts map[countersKey]*Counts

	// By the labels of a stanza, which are those of its first NAME.
	aggregates map[Labels]*aggregate
	last       map[Labels]last
	left       map[Labels]*leavings
	othersGone totals // of stanzas that were counted under others and have left
}

// A countersKey identifies counters: the Identity of a block and the name of a pool
// or filter in it.
type countersKey struct{ block, name string }

func newLedger() ledger {
	return ledger{
		counters: make(map[countersKey]*counters), watchCounts: make(map[countersKey]*Counts),
		aggregates: make(map[Labels]*aggregate), last: make(map[Labels]last), left: make(map[Labels]*leavings),
	}
}

// adopt gives the pools and watchlists of b the counters of their names. For each
// watchlist it returns the one that it replaces, or nil.
func (l *ledger) adopt(b *Block) (replaced []*Watchlist) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range b.Pools {
		p := &b.Pools[i]
		key := countersKey{b.Identity, p.Name}
		c := l.counters[key]
		if c == nil {
			l.counters[key] = p.counters
			continue
		}
		p.adopt(c)
		if c.latest != nil {
			p.signed.Store(c.latest.signed.Load())
			p.stanza.replaces(c.latest.stanza)
		}
	}
	for _, w := range b.Watchlists {
		key := countersKey{b.Identity, w.Name}
		if c := l.watchCounts[key]; c != nil {
			w.Counts = c
		} else {
			l.watchCounts[key] = w.Counts
		}
		replaced = append(replaced, w.Counts.latest)
	}
	return replaced
}

// add adds b, which has adopted its counters and is now the latest to use them.
func (l *ledger) add(b *Block) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.blocks = append(l.blocks, b)
	b.takeOver()
}

// takeOver makes the pools and watchlists of b those that metrics show.
func (b *Block) takeOver() {
	for i := range b.Pools {
		p := &b.Pools[i]
		p.counters.latest = p
	}
	for _, w := range b.Watchlists {
		w.Counts.labels = Labels{Server: b.Server, View: b.View, Filter: w.Name}
		w.Counts.latest = w
	}
}

func (l *ledger) has(b *Block) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Contains(l.blocks, b)
}

// remove undoes add and adopt, and reports whether b was the last block. It
// forgets the counters that no pool uses any more, and so the counts of backends
// that no pool has.
func (l *ledger) remove(b *Block) (empty bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.blocks = slices.DeleteFunc(l.blocks, func(o *Block) bool { return o == b })
	for i := range b.Pools {
		p := &b.Pools[i]
		p.counters.latest = nil
	}
	for _, w := range b.Watchlists {
		w.Counts.latest = nil
	}
	for _, o := range l.blocks {
		if o.Identity == b.Identity { // in a failed reload it is the older one that stays
			o.takeOver()
		}
	}
	for i := range b.Pools {
		p := &b.Pools[i]
		if p.counters.latest == nil {
			l.keep(b, p)
			delete(l.counters, countersKey{b.Identity, p.Name})
		}
	}
	for _, w := range b.Watchlists {
		if w.Counts.latest == nil {
			delete(l.watchCounts, countersKey{b.Identity, w.Name})
		}
	}
	l.forgetAggregates()
	return len(l.blocks) == 0
}

// labels returns the labels of the pool of b with the given name.
func (b *Block) labels(name string) Labels {
	return Labels{Server: b.Server, View: b.View, Pool: name}
}
