package rrhealth

import (
	"fmt"
	"time"

	"github.com/rrhealth/rrhealth/plugin/pool"
)

// remember makes the past of r that of a pool that c describes. One that was
// never patient has none.
func (r *record) remember(c *pool.Config) {
	if r.past == nil && c.Recovery != (pool.Recovery{}) {
		r.past = pool.NewHistory()
	}
	if r.past != nil {
		r.past.Adopt(c)
	}
}

// settle rebuilds the snapshot of p, which is patient: it lets slow_start, hold_down
// and failback have their say in health, which is what is known of p's
// backends, and has p rebuilt when time alone will change that. It runs on the
// monitor's loop, and so does the rebuilding: the timer only asks for it.
func (r *registry) settle(p *served, health []pool.Health) {
	now := time.Now()
	next := p.record.past.Settle(p.Config, health, now)
	r.wakeAt(p, next, now)
	p.logHeldDown(p.state().Health, health)
	p.Store(p.build(health))
}

// wakeAt has p settled again at next, or not until something changes if that is
// the zero time.
func (r *registry) wakeAt(p *served, next, now time.Time) {
	if p.wake != nil {
		p.wake.Stop()
		p.wake = nil
	}
	m := r.running.Load()
	if next.IsZero() || m == nil {
		return
	}
	p.wake = time.AfterFunc(next.Sub(now), func() {
		m.Do(func() {
			if p.joined {
				r.settle(p, p.health(nil))
			}
		})
	})
}

// logHeldDown logs for which of the backends of p that are up again their recovery
// is held down, and whose no longer is.
func (p *served) logHeldDown(before, after []pool.Health) {
	now := time.Now()
	for i := range after {
		addr := p.Backends[i].Addr
		switch was, is := before[i].HeldDown, after[i].HeldDown; {
		case !was && is:
			why := "until its tier takes over again"
			if holdDown, falls := p.record.past.HeldDown(addr, now); holdDown > 0 {
				why = fmt.Sprintf("for %v: it failed %d times within %v", holdDown, falls, pool.FlapWindow)
			}
			log.Infof("backend %s of %s is held down %s", addr, p.Name, why)
		case was && !is && after[i].State == before[i].State:
			log.Infof("backend %s of %s is no longer held down", addr, p.Name)
		}
	}
}
