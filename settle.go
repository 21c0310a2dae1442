package rrhealth

import (
	"fmt"
	"time"

	"github.com/rrhealth/rrhealth/plugin/pool"
)

// settle lets p's patience (slow_start, hold, failback) have its say in what is
// known of its backends, and has the snapshot of p rebuilt when time alone will
// change that. It runs on the monitor's loop, and so does the rebuilding: the
// timer only asks for it.
func (r *registry) settle(p *served, health []pool.Health) {
	now := time.Now()
	past := p.record.past
	next := past.Settle(&p.Config, health, now)
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
			if r.members[p] != nil {
				r.rebuild(p)
			}
		})
	})
}

// tellHeld logs for which of the backends of p that are up again their recovery
// is held back, and whose no longer is.
func (p *served) tellHeld(before, after []pool.Health) {
	now := time.Now()
	for i := range after {
		addr := p.Backends[i].Addr
		switch was, is := before[i].Held, after[i].Held; {
		case !was && is:
			why := "until its tier takes over again"
			if hold, falls := p.record.past.Held(addr, now); hold > 0 {
				why = fmt.Sprintf("for %v: it failed %d times within %v", hold, falls, pool.FlapWindow)
			}
			log.Infof("backend %s of %s is held back %s", addr, p.Name, why)
		case was && !is && after[i].State == before[i].State:
			log.Infof("backend %s of %s is no longer held back", addr, p.Name)
		}
	}
}
