package live

import (
	"iter"
	"net/netip"
	"slices"
	"time"

	"github.com/rrhealth/rrhealth/plugin/pool"
)

// What is here is for operators who wait until no client is sent to a backend any
// more. A cache that obeys TTLs has an address for the TTL of the last answer with it.
// So a stanza notes, when it replaces a snapshot, until when caches have answers from
// it, and for each backend that leaves the answers, until when they have that one.

// forgotten returns when caches forget an answer of now with that TTL. Resolvers count
// in whole seconds, some a second longer.
func forgotten(ttl uint32) time.Time {
	return time.Now().Add(time.Duration(ttl+1) * time.Second)
}

// later returns the later of two times.
func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// replaced notes for how long caches have answers from before, a snapshot of one of
// the pools of s that after has just replaced. It runs on the monitor's loop.
func (s *Stanza) replaced(before, after *pool.Snapshot) {
	s.cached = later(s.cached, forgotten(before.TTL))
	stay := make([]bool, len(s.members))
	mark(stay, after)
	for f := range before.Choices {
		for _, m := range before.Choices[f].Members {
			if m.Index >= 0 && !stay[m.Index] {
				s.members[m.Index].pastOf().left = s.cached
			}
		}
	}
}

// mark sets the elements of answered whose backends snapshot answers.
func mark(answered []bool, snapshot *pool.Snapshot) {
	for f := range snapshot.Choices {
		for _, m := range snapshot.Choices[f].Members {
			if m.Index >= 0 {
				answered[m.Index] = true
			}
		}
	}
}

// answered returns, for each member of s, whether one of its pools answers it, and the
// longest TTL of these pools.
func (s *Stanza) answered() (all []bool, ttl uint32) {
	all = make([]bool, len(s.members))
	for _, p := range s.Pools {
		snapshot := p.Snapshot()
		ttl = max(ttl, snapshot.TTL)
		mark(all, snapshot)
		if !s.patient() {
			break // they share it
		}
	}
	return all, ttl
}

// A cached is until when caches have the backends of a stanza, as of one moment.
type cached struct {
	stanza   *Stanza
	answered []bool
	fresh    time.Time // when they forget those that are answered now
}

// cachedNow returns until when caches have the backends of s.
func (s *Stanza) cachedNow() cached {
	answered, ttl := s.answered()
	return cached{s, answered, later(s.cached, forgotten(ttl))}
}

// until returns when the last cache forgets the ith backend if it is not answered from
// now on; the zero time if it never was.
func (c cached) until(i int) time.Time {
	switch past := c.stanza.members[i].past; {
	case c.answered[i]:
		return c.fresh
	case past != nil:
		return past.left
	}
	return time.Time{}
}

// replaces notes that e is a stanza that s replaces in a reload: each NAME of s may
// come from another. The names of one stanza come one after the other.
func (s *Stanza) replaces(e *Stanza) {
	if n := len(s.elders); n == 0 || s.elders[n-1] != e {
		s.elders = append(s.elders, e)
	}
}

// succeed makes s the heir of the stanzas that it replaces in a reload. They go on
// answering until they leave. It runs on the monitor's loop.
func (s *Stanza) succeed() {
	for _, e := range s.elders {
		if e.joined {
			e.takeOver(s)
		}
		e.heirs = append(e.heirs, s)
		s.takeOver(e)
	}
}

// takeOver notes for how long caches have answers of e. What s answers itself is
// cached until s.cached at least. A backend that e does not have counts as one that was
// never answered.
func (s *Stanza) takeOver(e *Stanza) {
	of := e.cachedNow()
	s.cached = later(s.cached, of.fresh)
	answered, _ := s.answered()
	for i, at := range s.places(e) {
		if at < 0 {
			continue
		}
		m := &s.members[i]
		if past := e.members[at].past; past != nil && m.past == nil {
			copied := *past // both run for a while
			m.past = &copied
		}
		if t := of.until(at); !t.IsZero() && !answered[i] {
			m.pastOf().left = later(m.pastOf().left, t)
		}
	}
}

// places yields the index that each backend of s has in e, -1 for none.
func (s *Stanza) places(e *Stanza) iter.Seq2[int, int] {
	var index map[netip.Addr]int // nil if they have the same backends, as in most reloads
	if !slices.EqualFunc(s.config.Backends, e.config.Backends, sameAddr) {
		index = make(map[netip.Addr]int)
		for i, b := range e.config.Backends {
			index[b.Addr] = i
		}
	}
	return func(yield func(int, int) bool) {
		for i, b := range s.config.Backends {
			at, ok := index[b.Addr]
			switch {
			case index == nil:
				at = i
			case !ok:
				at = -1
			}
			if !yield(i, at) {
				return
			}
		}
	}
}

// bequeath ends the succession of s, which leaves: its heirs take over what it has
// answered until now. In a failed reload it is the elders that go on, also from what s
// may have answered. It runs on the monitor's loop.
func (s *Stanza) bequeath() {
	for _, h := range s.heirs {
		if h.joined {
			h.takeOver(s)
		}
		h.elders = slices.DeleteFunc(h.elders, func(o *Stanza) bool { return o == s })
	}
	for _, e := range s.elders {
		if e.joined {
			e.takeOver(s)
		}
		e.heirs = slices.DeleteFunc(e.heirs, func(o *Stanza) bool { return o == s })
	}
	s.heirs, s.elders = nil, nil
}
