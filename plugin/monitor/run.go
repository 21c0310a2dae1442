package monitor

import (
	"context"
	"fmt"
	"time"
)

// A flight is one run of a probe, as its goroutine measured it.
type flight struct {
	target   *Target
	due      time.Duration
	released time.Duration // when the loop started the goroutine
	began    time.Duration // when the goroutine called the probe
	ended    time.Duration
	err      error
}

// start probes e's target in a goroutine of its own.
func (m *Monitor) start(e entry, now time.Duration) {
	t := e.target
	t.index, t.delayed = inFlight, false
	m.inFlight++
	t.group.inFlight++
	m.probes.Add(1)
	go m.run(flight{target: t, due: e.due, released: now}, t.group.probe)
}

func (m *Monitor) run(f flight, probe Probe) {
	defer m.probes.Done()
	f.began = m.now()
	ctx, cancel := context.WithTimeout(m.ctx, f.target.group.Timeout)
	defer cancel()
	f.err = ask(ctx, f.target, probe)
	f.ended = m.now()
	select {
	case m.results <- f:
	case <-m.ctx.Done():
	}
}

// ask calls the probe. A panic in it fails the probe instead of ending the
// process, queries included. The error has only the type of the panic's value:
// the value may contain text from the network, or a secret of the check. The
// probes of package probe recover their own panics.
func ask(ctx context.Context, t *Target, probe Probe) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the probe of %s panicked with a value of type %T", t.Addr, p)
		}
	}()
	return probe(ctx, t.Addr)
}
