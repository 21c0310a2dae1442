package live

import (
	"time"

	"github.com/rrhealth/rrhealth/plugin/history"
	"github.com/rrhealth/rrhealth/plugin/pool"
)

// settle rebuilds the snapshot of a patient pool. It applies slow_start,
// hold_down and failback to health, the health of p's backends, and has p settled
// again when time alone will change the outcome. It runs on the monitor's loop.
func (r *Registry) settle(p *Pool, health []pool.Health) {
	now := time.Now()
	next := p.counters.history.Settle(p.Config, health, now)
	r.wakeAt(p, next, now)
	if held := p.held(p.state().Health, health); len(held) > 0 {
		r.observer.Changed(held)
	}
	before := p.Snapshot()
	p.Store(p.stanza.Build(health))
	if p.stanza.joined {
		p.stanza.replaced(before, p.Snapshot())
	}
}

// wakeAt has p settled at next, or, if that is the zero time, not before
// something changes. The timer only asks the monitor's loop to settle p.
func (r *Registry) wakeAt(p *Pool, next, now time.Time) {
	if p.wake != nil {
		p.wake.Stop()
		p.wake = nil
	}
	m := r.monitor.Load()
	if next.IsZero() || m == nil {
		return
	}
	p.wake = time.AfterFunc(next.Sub(now), func() {
		m.Do(func() {
			if p.stanza.joined {
				r.settle(p, p.stanza.health(nil))
			}
		})
	})
}

// noteHold notes in the history of the ith backend that it is held down or no
// longer.
func (p *Pool) noteHold(i int, t *Transition) {
	e := history.Event{Kind: history.Released, State: t.To}
	if t.Hold == HeldDown {
		e.Kind = history.HeldDown
	}
	p.stanza.members[i].pastOf().note(e)
}

// held returns a transition for each backend of p whose recovery is held down
// from now on, or no longer.
func (p *Pool) held(before, after []pool.Health) (all []Transition) {
	now := time.Now()
	for i := range after {
		t := Transition{Name: p.Name, Addr: p.Backends[i].Addr, To: after[i].State}
		switch was, is := before[i].HeldDown, after[i].HeldDown; {
		case !was && is:
			t.Hold = HeldDown
			t.For, t.Falls = p.counters.history.HeldDown(t.Addr, now)
		case was && !is && after[i].State == before[i].State && !after[i].Admin.Drained:
			t.Hold = Released
		default:
			continue
		}
		all = append(all, t)
		p.noteHold(i, &t)
	}
	return all
}
