package config

import (
	"math"
	"time"
)

const (
	// staticTTL is the TTL of answers that no check can change.
	staticTTL = 30 * time.Second
	// minTTL and maxTTL bound the TTL that follows from the checks. With less
	// than minTTL, resolvers ask more often and clients gain nothing: what is
	// left is the time that the checks take. It is not 5s: a resolver keeps an
	// answer for up to a second longer than its TTL, and clients of a pool that
	// is probed every two seconds must be rid of a failed backend within eight.
	minTTL = 4 * time.Second
	maxTTL = 30 * time.Second
	// tooLong is how many detection times a ttl may have without a warning.
	tooLong = 2
)

// parseTTL reads the TTL while all backends are up. 0s is allowed: resolvers
// do not keep such answers.
func (p *parser) parseTTL(l Line) error {
	d, err := oneDuration(l, "a duration such as 30s", 0, math.MaxInt32*time.Second)
	if err != nil {
		return err
	}
	if d%time.Second != 0 {
		return l.Errorf("ttl: got %v, want whole seconds", d)
	}
	p.Pool.TTL = seconds(d)
	return nil
}

// completeTTLs derives the TTLs from the checks. A resolver that fetched an
// answer before a backend failed keeps it for the TTL. A TTL much longer than
// the detection time makes fast checks useless, and a much shorter one gains
// nothing: so the TTL is the detection time, as in gdnsd.
func (p *parser) completeTTLs() {
	ttl, interval, fast := staticTTL, maxInterval, maxInterval
	for _, c := range p.Checks {
		interval = min(interval, c.Pace.Interval)
		fast = min(fast, c.Pace.Fast)
	}
	if len(p.Checks) > 0 {
		ttl = min(max(p.detection(), minTTL), maxTTL)
	}
	if !p.at.has("ttl") {
		p.Pool.TTL = seconds(ttl)
	}
	p.Pool.ShortTTL = max(uint32(interval/time.Second), 1) // #nosec G115 -- a day at most
	p.Pool.FastTTL = max(seconds(fast), 1)
}

// detection returns the detection time of the quickest check; 0 without checks.
func (s *Stanza) detection() time.Duration {
	var least time.Duration
	for i, c := range s.Checks {
		if d := detection(c.Pace); i == 0 || d < least {
			least = d
		}
	}
	return least
}
