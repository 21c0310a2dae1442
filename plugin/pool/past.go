package pool

import (
	"net/netip"
	"slices"
	"time"

	"github.com/rrhealth/rrhealth/plugin/verdict"
)

// Patience says what a pool lets time do. The zero value lets it do nothing.
type Patience struct {
	// SlowStart is how long the share of a recovered member grows, under
	// Weighted.
	SlowStart time.Duration
	// HoldDown is how long the recovery of a member is held down that has failed
	// twice within FlapWindow. It doubles with each further failure in that
	// time, up to FlapWindow. Failures are never delayed.
	HoldDown time.Duration
	// Failback is how long a tier must have had enough members up before it
	// takes over again from a tier behind it. 0 is at once, FailbackNever
	// waits until the tier that is answered fails.
	Failback time.Duration
}

// FailbackNever is the Failback of pools that do not go back by themselves.
const FailbackNever time.Duration = -1

// FlapWindow is for how long a failure is remembered.
const FlapWindow = 10 * time.Minute

const (
	// fullGrowth is the Growth of a member that has its whole share.
	fullGrowth = 64
	// maxFalls is how many failures are remembered: more than it takes to
	// double any hold_down up to FlapWindow.
	maxFalls = 32
	// growthStep is the least time between two steps of growth: each makes a
	// new snapshot.
	growthStep = 100 * time.Millisecond
)

// A Past is what a pool must remember to be patient. It has no clock: the time
// is an argument, and Settle says when it wants to be asked again. It outlives
// a pool, like Cursors.
type Past struct {
	backends map[netip.Addr]*memory
	standby  [len(Families)]standby
}

// memory is the past of one backend.
type memory struct {
	state    verdict.State // the last that was not unknown
	falls    []time.Time   // from up to down, within FlapWindow
	holdDown time.Duration // the latest
	until    time.Time     // when it ends
	up       bool          // up, and no longer held down for flapping
	waiting  bool          // up, but its tier has not taken over again
	ready    bool          // neither down nor held down
	grows    time.Time     // when it began to grow
}

// NewPast returns the past of a pool that has none.
func NewPast() *Past { return &Past{backends: make(map[netip.Addr]*memory)} }

// Adopt makes p the past of a pool that c describes, which may differ from the
// one before. A tier that was left for good takes over again: that is how an
// operator says so.
func (p *Past) Adopt(c *Config) {
	for addr := range p.backends {
		if !slices.ContainsFunc(c.Backends, func(b Backend) bool { return b.Addr == addr }) {
			delete(p.backends, addr)
		}
	}
	if c.Patience.Failback <= 0 {
		p.standby = [len(Families)]standby{}
		for _, m := range p.backends {
			m.waiting = false
		}
	}
}

// HeldDown returns for how long the backend with the address addr is held down for
// flapping at now, counted from its recovery, and how many failures made it so.
func (p *Past) HeldDown(addr netip.Addr, now time.Time) (time.Duration, int) {
	m := p.backends[addr]
	if m == nil || !m.until.After(now) {
		return 0, 0
	}
	return m.holdDown, len(m.falls)
}

// Settle fills in HeldDown and Growth of what is known of c's backends at now. It
// returns when it is to be called again even if nothing changes, or the zero
// time. To tell it the same twice changes nothing.
func (p *Past) Settle(c *Config, health []Health, now time.Time) time.Time {
	if c.Patience == (Patience{}) {
		return time.Time{}
	}
	var next alarm
	for i, b := range c.Backends {
		m := p.backends[b.Addr]
		if m == nil {
			m = &memory{up: true, ready: true}
			p.backends[b.Addr] = m
		}
		m.flap(c.Patience.HoldDown, health[i].State, now)
		next.at(m.until, now)
		health[i].HeldDown = m.until.After(now)
	}
	if c.Patience.Failback != 0 {
		for _, f := range Families {
			p.failback(c, f, health, now, &next)
		}
	}
	for i, b := range c.Backends {
		health[i].Growth = p.backends[b.Addr].grow(c.Patience.SlowStart, health[i].ready(), now, &next)
	}
	return next.when
}

// An alarm is the earliest of several times.
type alarm struct{ when time.Time }

// at sets the alarm to t if that is to come, and comes before.
func (a *alarm) at(t, now time.Time) {
	if t.After(now) && (a.when.IsZero() || t.Before(a.when)) {
		a.when = t
	}
}

// flap takes the state in and decides until when the backend is held down.
func (m *memory) flap(holdDown time.Duration, state verdict.State, now time.Time) {
	was := m.state
	if state != verdict.Unknown {
		m.state = state
	}
	switch {
	case was == verdict.Up && state == verdict.Down:
		m.fall(now)
		m.until = time.Time{}
	case was == verdict.Down && state == verdict.Up:
		m.forget(now)
		m.holdDown = holdDownFor(holdDown, len(m.falls))
		m.until = now.Add(m.holdDown)
	case state == verdict.Down:
		m.until = time.Time{}
	}
}

// fall remembers a failure. Of very many it remembers the latest.
func (m *memory) fall(now time.Time) {
	if len(m.falls) == maxFalls {
		m.falls = slices.Delete(m.falls, 0, 1)
	}
	m.falls = append(m.falls, now)
}

// forget drops the failures that are too old to count.
func (m *memory) forget(now time.Time) {
	m.falls = slices.DeleteFunc(m.falls, func(t time.Time) bool { return now.Sub(t) >= FlapWindow })
}

// holdDownFor returns how long a recovery is held down after so many failures. One
// is no flapping.
func holdDownFor(holdDown time.Duration, falls int) time.Duration {
	if falls < 2 {
		return 0
	}
	for range falls - 2 {
		if holdDown = min(2*holdDown, FlapWindow); holdDown == FlapWindow {
			break
		}
	}
	return holdDown
}

// grow returns the Growth of a backend that may be answered, or not, at now.
func (m *memory) grow(duration time.Duration, ready bool, now time.Time, next *alarm) uint8 {
	if ready && !m.ready {
		m.grows = now
	}
	m.ready = ready
	age := now.Sub(m.grows)
	if !ready || m.grows.IsZero() || age >= duration {
		return 0
	}
	step := max(duration/fullGrowth, growthStep)
	next.at(m.grows.Add(age-age%step+step), now)
	return uint8(max(fullGrowth*age/duration, 1)) // #nosec G115 -- less than fullGrowth
}
