// Package override has what operators set for backends at run time: not to
// answer an address, to take it for up or down, or to give it another weight.
//
// An Override is for one address, in one pool or everywhere, until a time or for
// ever. A Set has, for an address and a pool, at most one of drain, down and up,
// and at most one weight: a later one replaces the earlier. A Set is immutable; the
// functions that change it return another. Admin says what a Set comes to for one
// backend: what is set for its pool counts more than what is set everywhere.
//
// The configuration wins: an Override notes what the Corefile said of its
// backends when it was set. If that has changed, Reconcile drops it: an edit of
// the Corefile always has its effect.
//
// The package has no clock. It is HAProxy's distinction of administrative and
// operational state: verdicts do not change because of an override.
package override

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/rrhealth/rrhealth/plugin/pool"
	"github.com/rrhealth/rrhealth/plugin/verdict"
)

// An Override is what an operator has set for an address.
type Override struct {
	ID     uint64     // the later of two has the larger one
	Pool   string     // a NAME of the pool or filter with the final dot; a Set has it in lower case; "" for everywhere
	Addr   netip.Addr // a Set has IPv4 addresses as such, not in IPv6 form
	Kind   Kind
	Weight int // of Weight: 1 to MaxWeight
	Author string
	Reason string
	Since  time.Time
	Until  time.Time    // the zero time for ever
	Was    []Configured // what the Corefile said of the backends concerned
}

// Configured is what the Corefile says of a backend, as far as it bears on overrides.
type Configured struct {
	Pool   string // identifies its stanza, across reloads
	Drain  bool
	Weight int
}

// What returns what o sets in the words of the command.
func (o *Override) What() string {
	if o.Kind == Weight {
		return fmt.Sprintf("weight %d", o.Weight)
	}
	return o.Kind.String()
}

// Where returns the pool, or "every pool".
func (o *Override) Where() string {
	if o.Pool == "" {
		return "every pool"
	}
	return o.Pool
}

// Ended reports whether o holds no longer at now.
func (o *Override) Ended(now time.Time) bool { return !o.Until.IsZero() && !now.Before(o.Until) }

func compare(a, b Override) int {
	return cmp.Or(strings.Compare(a.Pool, b.Pool), a.Addr.Compare(b.Addr), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.ID, b.ID))
}

// A Set is a number of overrides. It is immutable. The zero value is empty.
type Set struct {
	all    []Override // sorted by pool and address
	byAddr map[netip.Addr][]*Override
}

// NewSet returns the set of all. Of those that replace one another it has the one
// with the largest ID, and of those with the same ID the last.
func NewSet(all []Override) *Set {
	s := &Set{byAddr: make(map[netip.Addr][]*Override)}
	last := make(map[slot]Override, len(all))
	for _, o := range all {
		at := slotOf(&o)
		o.Pool, o.Addr = at.pool, at.addr
		if before, ok := last[at]; !ok || o.ID >= before.ID {
			last[at] = o
		}
	}
	for _, o := range last {
		s.all = append(s.all, o)
	}
	slices.SortFunc(s.all, compare)
	for i := range s.all {
		o := &s.all[i]
		s.byAddr[o.Addr] = append(s.byAddr[o.Addr], o)
	}
	return s
}

// A slot is what one override of a Set takes up.
type slot struct {
	pool   string
	addr   netip.Addr
	weight bool
}

// slotOf returns the slot of o. Pools are found by names in lower case, and backends
// by IPv4 addresses as such: an override that is written otherwise would stay without
// effect.
func slotOf(o *Override) slot {
	return slot{strings.ToLower(o.Pool), o.Addr.Unmap(), o.Kind == Weight}
}

// All returns the overrides, sorted by pool and address. Do not change them.
func (s *Set) All() []Override {
	if s == nil {
		return nil
	}
	return s.all
}

// With returns s and more, and those of s that more replaces.
func (s *Set) With(more ...Override) (next *Set, replaced []Override) {
	added := make(map[slot]bool, len(more))
	for i := range more {
		added[slotOf(&more[i])] = true
	}
	return s.without(more, func(o *Override) bool { return added[slotOf(o)] })
}

// Without returns s less those that drop reports true for, and those.
func (s *Set) Without(drop func(*Override) bool) (next *Set, dropped []Override) {
	return s.without(nil, drop)
}

func (s *Set) without(more []Override, drop func(*Override) bool) (next *Set, dropped []Override) {
	all := slices.Clone(more)
	for _, o := range s.All() {
		if drop(&o) {
			dropped = append(dropped, o)
		} else {
			all = append(all, o)
		}
	}
	return NewSet(all), dropped
}

// Of returns the overrides in force for addr in a pool or filter, by has, which
// reports whether a name is one of its NAMEs: at most one of the state, and one of
// the weight behind it.
func (s *Set) Of(addr netip.Addr, has func(name string) bool) []*Override {
	if s == nil {
		return nil
	}
	found := s.byAddr[addr.Unmap()]
	if len(found) == 0 {
		return nil // as for most backends, a process may have 100,000
	}
	var state, weight *Override
	for _, o := range found {
		if o.Pool != "" && !has(o.Pool) {
			continue
		}
		slot := &state
		if o.Kind == Weight {
			slot = &weight
		}
		if *slot == nil || o.before(*slot) {
			*slot = o
		}
	}
	return slices.DeleteFunc([]*Override{state, weight}, func(o *Override) bool { return o == nil })
}

// before reports whether o counts rather than p: for a pool rather than for
// everywhere, and for the same the later one.
func (o *Override) before(p *Override) bool {
	if (o.Pool == "") != (p.Pool == "") {
		return o.Pool != ""
	}
	return o.ID > p.ID
}

// Admin returns what s comes to for addr in a pool or filter; has is as in Of.
func (s *Set) Admin(addr netip.Addr, has func(name string) bool) (a pool.Admin) {
	for _, o := range s.Of(addr, has) {
		switch o.Kind {
		case Drain:
			a.Drained = true
		case Down:
			a.State = verdict.Down
		case Up:
			a.State = verdict.Up
		case Weight:
			a.Weight = uint16(o.Weight) // #nosec G115 -- at most MaxWeight
		}
	}
	return a
}

// Next returns the earliest Until after now, or the zero time.
func (s *Set) Next(now time.Time) (next time.Time) {
	for _, o := range s.All() {
		if o.Until.After(now) && (next.IsZero() || o.Until.Before(next)) {
			next = o.Until
		}
	}
	return next
}

// Reconcile compares s with what the Corefile says now of the backends with an
// address. It returns s without the overrides to which that is no longer what it
// was, and those. An override whose backend is gone stays: it counts again when
// the backend is back.
func (s *Set) Reconcile(now func(netip.Addr) []Configured) (next *Set, overruled []Override) {
	return s.Without(func(o *Override) bool {
		for _, c := range now(o.Addr) {
			if slices.ContainsFunc(o.Was, func(was Configured) bool { return was.Pool == c.Pool && was != c }) {
				return true
			}
		}
		return false
	})
}
