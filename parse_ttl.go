package rrhealth

import (
	"math"
	"time"
)

const (
	// staticTTL is the TTL of answers that no check can change.
	staticTTL = 30 * time.Second
	// minTTL and maxTTL bound the TTL that follows from the checks. Below
	// minTTL resolvers ask more often than it helps: what is left is the time
	// that the checks take. Not 5s: a resolver keeps an answer for up to a
	// second longer than its TTL, and clients of a pool that is probed every two
	// seconds are to be rid of a failed backend within eight.
	minTTL = 4 * time.Second
	maxTTL = 30 * time.Second
	// tooLong is how many detection times make a ttl that is warned of.
	tooLong = 2
)

func (s *stanza) parseTTL(l line) error {
	text, err := l.one("a duration such as 30s")
	if err != nil {
		return err
	}
	d, err := duration(l, text, 0, math.MaxInt32*time.Second)
	if err != nil {
		return err
	}
	if d%time.Second != 0 {
		return l.errorf("ttl: got %v, want whole seconds", d)
	}
	s.pool.TTL = seconds(d)
	return nil
}

// completeTTLs derives the TTLs from the checks. What a resolver fetched before
// a backend failed it goes on answering for the TTL, so a TTL much longer than
// the checks take makes their speed worthless, and one much shorter gains
// nothing: as gdnsd does, answers live as long as it takes to notice.
func (s *stanza) completeTTLs(given bool) {
	ttl, interval, fast := staticTTL, maxInterval, maxInterval
	for i, c := range s.checks {
		if detection := c.detection(); i == 0 || detection < ttl {
			ttl = detection
		}
		interval = min(interval, c.interval)
		fast = min(fast, c.fast)
	}
	if len(s.checks) > 0 {
		s.detection = ttl
		ttl = min(max(ttl, minTTL), maxTTL)
	}
	if !given {
		s.pool.TTL = seconds(ttl)
	}
	s.pool.ShortTTL = max(uint32(interval/time.Second), 1) // #nosec G115 -- a day at the most
	s.pool.FastTTL = max(seconds(fast), 1)
}

// detection returns how long it takes at the most, but for jitter, until a
// backend that refuses is down.
func (p pace) detection() time.Duration {
	failures := p.rule.Fall
	if hard := p.rule.FallHard; hard > 0 {
		failures = hard
	}
	return p.interval + time.Duration(failures-1)*p.fast
}

// seconds rounds d up to whole seconds.
func seconds(d time.Duration) uint32 {
	return uint32((d + time.Second - 1) / time.Second) // #nosec G115 -- what the Corefile can say is less
}

// warnTTL warns of a ttl for which resolvers go on answering a failed backend
// long after the checks have found out.
func (s *stanza) warnTTL() {
	most := max(tooLong*s.detection, minTTL)
	if ttl := time.Duration(s.pool.TTL) * time.Second; s.detection > 0 && ttl > most {
		log.Warningf("ttl %ds of %s is longer than twice the detection time %v: clients may be sent to a failed backend for %ds; use ttl %ds or less, or leave ttl out",
			s.pool.TTL, s.title(), s.detection, s.pool.TTL, most/time.Second)
	}
}
