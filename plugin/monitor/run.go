package monitor

import (
	"context"
	"fmt"
	"time"
)

// A result is a probe's run, as its goroutine saw it.
type result struct {
	target   *Target
	due      time.Duration
	released time.Duration // when the loop let it start
	began    time.Duration
	ended    time.Duration
	err      error
}

// start has e's target probed in a goroutine of its own.
func (m *Monitor) start(e entry, now time.Duration) {
	t := e.target
	t.index, t.held = inFlight, false
	m.inFlight++
	t.group.inFlight++
	m.probes.Add(1)
	go m.run(result{target: t, due: e.due, released: now}, t.group.probe)
}

func (m *Monitor) run(r result, probe Probe) {
	defer m.probes.Done()
	r.began = m.now()
	ctx, cancel := context.WithTimeout(m.ctx, r.target.group.Timeout)
	defer cancel()
	r.err = ask(ctx, r.target, probe)
	r.ended = m.now()
	select {
	case m.results <- r:
	case <-m.ctx.Done():
	}
}

// ask runs the probe. A panic in it is its failure, not the server's: nothing
// else would stand between it and the end of the process. Its value may hold
// text from the network, or a secret of the check, so only its type is named:
// the checks of package probe word their panics themselves.
func ask(ctx context.Context, t *Target, probe Probe) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the probe of %s panicked with a value of type %T", t.Addr, p)
		}
	}()
	return probe(ctx, t.Addr)
}
