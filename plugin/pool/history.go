package pool

import (
	"net/netip"
	"slices"
	"time"

	"github.com/rrhealth/rrhealth/plugin/verdict"
)

// Recovery says how members and tiers return to the answers. The zero value
// returns them at once and completely.
type Recovery struct {
	// SlowStart is how long the share of a recovered member grows, under
	// Weighted.
	SlowStart time.Duration
	// HoldDown is how long a member that recovers stays out of the answers, if
	// it went down twice within FlapWindow. It doubles with each further failure
	// in that time, up to FlapWindow. Failures are never delayed.
	HoldDown time.Duration
	// Failback is how long a tier must have had enough members up before it
	// takes over again from a later tier. 0 is at once; with FailbackNever it
	// takes over when the later tier fails.
	Failback time.Duration
}

// FailbackNever is the Failback of pools that return to an earlier tier only
// when the later one fails.
const FailbackNever time.Duration = -1

// FlapWindow is for how long a failure counts for HoldDown.
const FlapWindow = 10 * time.Minute

const (
	// fullGrowth is the Growth of a member that has its whole share.
	fullGrowth = 64
	// maxFalls is how many failures a history keeps: more than it takes to
	// double any hold_down up to FlapWindow.
	maxFalls = 32
	// growthStep is the least time between two steps of growth: each step
	// builds a new snapshot.
	growthStep = 100 * time.Millisecond
)

// A History is what Recovery needs to know of a pool's past. It has no clock:
// the time is an argument, and Settle returns when to call it again. It
// outlives a pool, like Cursors: a reload does not end a hold_down.
type History struct {
	backends map[netip.Addr]*backendHistory
	standby  [len(Families)]standby
}

// A backendHistory is the history of one backend.
type backendHistory struct {
	state    verdict.State // the last one that was not unknown
	falls    []time.Time   // transitions from up to down within FlapWindow
	holdDown time.Duration // how long the latest hold-down lasts
	until    time.Time     // when the latest hold-down ends
	able     bool          // up, and not held down for flapping
	waiting  bool          // able, but its tier waits for failback
	ready    bool          // neither down nor held down for any reason
	grows    time.Time     // when slow_start began
}

// NewHistory returns the history of a new pool.
func NewHistory() *History { return &History{backends: make(map[netip.Addr]*backendHistory)} }

// Clone returns a copy of h: Settle changes one and not the other.
func (h *History) Clone() *History {
	c := &History{backends: make(map[netip.Addr]*backendHistory, len(h.backends)), standby: h.standby}
	for addr, b := range h.backends {
		copied := *b
		copied.falls = slices.Clone(b.falls)
		c.backends[addr] = &copied
	}
	return c
}

// Adopt makes h the history of a pool that c describes, which may have other
// backends than the pool before. With `failback manual` an earlier tier takes
// over again: a reload is how an operator orders that.
func (h *History) Adopt(c *Config) {
	for addr := range h.backends {
		if !slices.ContainsFunc(c.Backends, func(b Backend) bool { return b.Addr == addr }) {
			delete(h.backends, addr)
		}
	}
	if c.Recovery.Failback <= 0 {
		h.standby = [len(Families)]standby{}
		for _, b := range h.backends {
			b.waiting = false
		}
	}
}

// HeldDown returns how long the backend with the address addr is held down for
// flapping, counted from its recovery, and the number of failures that led to
// it. Both are 0 if it is not held down at now.
func (h *History) HeldDown(addr netip.Addr, now time.Time) (time.Duration, int) {
	b := h.backends[addr]
	if b == nil || !b.until.After(now) {
		return 0, 0
	}
	return b.holdDown, len(b.falls)
}

// Settle sets HeldDown and Growth in health, which has the states of c's
// backends at now. It returns when it must be called again even if no state
// changes, or the zero time. Repeating a call changes nothing.
func (h *History) Settle(c *Config, health []Health, now time.Time) time.Time {
	if c.Recovery == (Recovery{}) {
		return time.Time{}
	}
	var wake alarm
	for i, b := range c.Backends {
		past := h.backends[b.Addr]
		if past == nil {
			past = &backendHistory{able: true, ready: true}
			h.backends[b.Addr] = past
		}
		past.flap(c.Recovery.HoldDown, health[i].State, now)
		wake.at(past.until, now)
		health[i].HeldDown = past.until.After(now)
	}
	if c.Recovery.Failback != 0 {
		for _, f := range Families {
			h.failback(c, f, health, now, &wake)
		}
	}
	for i, b := range c.Backends {
		health[i].Growth = h.backends[b.Addr].grow(c.Recovery.SlowStart, health[i].ready(), now, &wake)
	}
	return wake.when
}

// An alarm is the earliest of several times.
type alarm struct{ when time.Time }

// at sets the alarm to t if t is in the future and earlier than the alarm.
func (a *alarm) at(t, now time.Time) {
	if t.After(now) && (a.when.IsZero() || t.Before(a.when)) {
		a.when = t
	}
}

// flap notes the state, and sets until when the backend is held down.
func (b *backendHistory) flap(holdDown time.Duration, state verdict.State, now time.Time) {
	was := b.state
	if state != verdict.Unknown {
		b.state = state
	}
	switch {
	case was == verdict.Up && state == verdict.Down:
		b.addFall(now)
		b.until = time.Time{}
	case was == verdict.Down && state == verdict.Up:
		b.dropOldFalls(now)
		b.holdDown = holdDownFor(holdDown, len(b.falls))
		b.until = now.Add(b.holdDown)
	case state == verdict.Down:
		b.until = time.Time{}
	}
}

// addFall keeps a failure, and drops the oldest if there are too many.
func (b *backendHistory) addFall(now time.Time) {
	if len(b.falls) == maxFalls {
		b.falls = slices.Delete(b.falls, 0, 1)
	}
	b.falls = append(b.falls, now)
}

// dropOldFalls drops the failures that are too old to count.
func (b *backendHistory) dropOldFalls(now time.Time) {
	b.falls = slices.DeleteFunc(b.falls, func(t time.Time) bool { return now.Sub(t) >= FlapWindow })
}

// holdDownFor returns how long a recovery is held down after the given number
// of failures. One failure is not flapping.
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

// grow returns the Growth at now of a backend that is ready or not.
func (b *backendHistory) grow(duration time.Duration, ready bool, now time.Time, wake *alarm) uint8 {
	if ready && !b.ready {
		b.grows = now
	}
	b.ready = ready
	age := now.Sub(b.grows)
	if !ready || b.grows.IsZero() || age >= duration {
		return 0
	}
	step := max(duration/fullGrowth, growthStep)
	wake.at(b.grows.Add(age-age%step+step), now)
	return uint8(max(fullGrowth*age/duration, 1)) // #nosec G115 -- less than fullGrowth
}
