package live

import (
	"net/netip"
	"time"

	"github.com/rrhealth/rrhealth/plugin/history"
	"github.com/rrhealth/rrhealth/plugin/override"
	"github.com/rrhealth/rrhealth/plugin/pool"
	"github.com/rrhealth/rrhealth/plugin/verdict"
)

// Saved is what of a Registry is kept across restarts.
type Saved struct {
	Backends []SavedBackend `json:"backends"`
	Pools    []SavedPool    `json:"pools"`
}

// A SavedBackend is the state and the history of a backend of a stanza.
type SavedBackend struct {
	Block   string       `json:"block"` // Block.Identity
	View    string       `json:"view"`
	Pool    string       `json:"pool"` // the first NAME
	Addr    netip.Addr   `json:"address"`
	Down    bool         `json:"down"`
	History *history.Log `json:"history"`
}

// A SavedPool is what a pool counts on with.
type SavedPool struct {
	Block   string        `json:"block"`
	View    string        `json:"view"`
	Name    string        `json:"name"`
	Turns   [2]uint64     `json:"turns"`   // of the rotation, IPv4 first
	History *pool.History `json:"history"` // null without slow_start, hold_down and failback
}

// A savedKey finds what was saved: in its server block, or, with the empty string as
// block, in any with that view. So a server block may get another address or port
// between.
type savedKey struct {
	block, view, name string
	addr              netip.Addr // invalid for a pool
}

// found returns what all has for key, in its block or in any.
func found[T any](all map[savedKey]T, key savedKey) (saved T, ok bool) {
	if saved, ok = all[key]; !ok {
		key.block = ""
		saved, ok = all[key]
	}
	return saved, ok
}

// restored is what Restore has been given and no stanza has taken yet.
type restored struct {
	backends map[savedKey]SavedBackend
	pools    map[savedKey]SavedPool
	verdicts bool // states are recent enough to count
}

// Save returns what is to be kept of the blocks that are started. It waits for the
// monitor's loop, in turns.
func (r *Registry) Save() Saved {
	stanzas, _ := r.ledger.current()
	s := Saved{Backends: []SavedBackend{}, Pools: []SavedPool{}}
	r.inTurns(stanzas, func(one shownStanza) {
		b, first := one.block, one.stanza.Pools[0].Name
		for i := range one.stanza.members {
			m := &one.stanza.members[i]
			if down := m.state == verdict.Down; down || m.past != nil && m.past.log != nil {
				saved := SavedBackend{Block: b.Identity, View: b.View, Pool: first, Addr: one.stanza.config.Backends[i].Addr, Down: down}
				if m.past != nil {
					saved.History = m.past.log
				}
				s.Backends = append(s.Backends, saved)
			}
		}
		for _, p := range one.stanza.Pools {
			saved := SavedPool{Block: b.Identity, View: b.View, Name: p.Name, Turns: p.counters.cursors.Turns()}
			if p.counters.history != nil {
				saved.History = p.counters.history.Clone()
			}
			s.Pools = append(s.Pools, saved)
		}
	})
	return s
}

// Restore has the blocks that start from now on, until ForgetSaved, take over what
// was saved at a time before a restart. From then on the states of backends count as
// unknown in their histories: no probe has looked. A backend that was down stays out
// of the answers until its first probe, if verdicts is true. If blocks are started
// already it does nothing: these have been probing since, and know better.
func (r *Registry) Restore(s Saved, at time.Time, verdicts bool) {
	if len(r.ledger.started()) > 0 {
		return
	}
	in := &restored{backends: make(map[savedKey]SavedBackend), pools: make(map[savedKey]SavedPool), verdicts: verdicts}
	for _, b := range s.Backends {
		b.History = unseenSince(b.History, at)
		in.backends[savedKey{b.Block, b.View, b.Pool, b.Addr}] = b
		in.backends[savedKey{"", b.View, b.Pool, b.Addr}] = b
	}
	for _, p := range s.Pools {
		in.pools[savedKey{p.Block, p.View, p.Name, netip.Addr{}}] = p
		in.pools[savedKey{"", p.View, p.Name, netip.Addr{}}] = p
	}
	r.restored.Store(in)
}

// unseenSince returns l with the state unknown from that time on.
func unseenSince(l *history.Log, at time.Time) *history.Log {
	events := l.Events()
	if len(events) == 0 || events[len(events)-1].State == verdict.Unknown {
		return l
	}
	return l.Add(history.Event{At: at, Kind: history.StateChanged, State: verdict.Unknown, Reason: "no server was running"})
}

// ForgetSaved ends what Restore began: stanzas that start later begin anew.
func (r *Registry) ForgetSaved() { r.restored.Store(nil) }

// restore takes over what in has of s, of the block b, before s joins; set is in
// force. It runs on the monitor's loop.
func (s *Stanza) restore(b *Block, in *restored, set *override.Set) {
	if in == nil {
		return
	}
	for i := range s.members {
		m := &s.members[i]
		saved, ok := found(in.backends, savedKey{b.Identity, b.View, s.Pools[0].Name, s.config.Backends[i].Addr})
		if !ok {
			continue
		}
		if saved.History != nil {
			m.pastOf().log = saved.History
			m.past.resume(set.Of(saved.Addr, s.named))
		}
		m.wasDown = saved.Down && in.verdicts
	}
	for _, p := range s.Pools {
		saved, ok := found(in.pools, savedKey{b.Identity, b.View, p.Name, netip.Addr{}})
		if !ok {
			continue
		}
		p.counters.cursors.Continue(saved.Turns)
		if p.counters.history != nil && saved.History != nil {
			p.counters.history.Restore(saved.History)
			p.counters.history.Adopt(&s.config) // which may be another since
		}
	}
}
