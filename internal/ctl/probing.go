package ctl

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"github.com/rrhealth/rrhealth/plugin/config"
	"github.com/rrhealth/rrhealth/plugin/monitor"
	"github.com/rrhealth/rrhealth/plugin/pool"
	"github.com/rrhealth/rrhealth/plugin/verdict"
)

// mostProbes is how many probes run at once: a probe may need a descriptor, of
// which a process of a user has 1024 in many systems.
const mostProbes = 200

// A target is an address and a check, as the monitor has it: however many pools
// share it, it is probed once.
type target struct {
	addr netip.Addr
	id   string // of the check
}

// A probed is the result of a probe.
type probed struct {
	err   error
	took  time.Duration
	state verdict.State
}

// probeAll probes each target of the pools of c once. It returns early, with what
// it has, if ctx is done; shown is called with each result.
func probeAll(ctx context.Context, c *corefile, shown func(done, total int)) map[target]probed {
	checks := make(map[target]config.Check)
	for _, s := range c.stanzas {
		for _, check := range s.Checks {
			for _, b := range s.Pool.Backends {
				checks[target{b.CheckAddr, check.Probe.ID}] = check
			}
		}
	}
	results := make(map[target]probed, len(checks))
	var mu sync.Mutex
	var running sync.WaitGroup
	places := make(chan struct{}, mostProbes)
	for t, check := range checks {
		select {
		case places <- struct{}{}:
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			break
		}
		running.Go(func() {
			defer func() { <-places }()
			result, ok := probeOnce(ctx, t.addr, check)
			mu.Lock()
			defer mu.Unlock()
			if ok {
				results[t] = result
				shown(len(results), len(checks))
			}
		})
	}
	running.Wait()
	return results
}

// probeOnce runs one probe. ok is false if it was interrupted.
//
// One result decides here, also a timeout, which the server would repeat. A local
// error leaves the state unknown, as it does there.
func probeOnce(ctx context.Context, addr netip.Addr, check config.Check) (result probed, ok bool) {
	limited, cancel := context.WithTimeout(ctx, check.Pace.Timeout)
	defer cancel()
	started := time.Now()
	err := check.Probe.Probe(limited, addr)
	result = probed{err: err, took: time.Since(started), state: verdict.Down}
	switch {
	case err == nil:
		result.state = verdict.Up
	case ctx.Err() != nil:
		return result, false
	case monitor.LocalErrorOf(err) != "":
		result.state = verdict.Unknown
	}
	return result, true
}

// healthOf returns the health of the backends of s that follows from results. A
// backend is as its worst check; without a check it is up.
func healthOf(s *tried, results map[target]probed) []pool.Health {
	all := make([]pool.Health, len(s.Pool.Backends))
	for i, b := range s.Pool.Backends {
		state := verdict.Up
		for _, check := range s.Checks {
			state = verdict.All(state, results[target{b.CheckAddr, check.Probe.ID}].state)
		}
		all[i].State = state
	}
	return all
}
