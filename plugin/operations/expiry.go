package operations

import (
	"time"

	"github.com/rrhealth/rrhealth/plugin/override"
)

// overrides returns those in force.
func (o *Operations) overrides() *override.Set { return o.set.Load() }

// put puts next in force. o.changing is held.
func (o *Operations) put(next *override.Set) {
	for _, set := range next.All() {
		o.lastID = max(o.lastID, set.ID)
	}
	o.set.Store(next)
	o.registry.Override(next)
	o.StateChanged()
	o.schedule()
}

const (
	// announceBefore is how long before its end an override is announced.
	announceBefore = 10 * time.Minute
	// lookEvery is how often the ends are looked at, at least: the wall clock may be
	// set, which no timer notices.
	lookEvery = time.Minute
)

// schedule has look called when the next override ends or is to be announced.
// o.changing is held.
func (o *Operations) schedule() {
	if o.timer != nil {
		o.timer.Stop()
		o.timer = nil
	}
	now := time.Now()
	wait := lookEvery
	timed := false
	for _, set := range o.overrides().All() {
		if set.Until.IsZero() {
			continue
		}
		timed = true
		wait = min(wait, set.Until.Sub(now))
		if announce := set.Until.Add(-announceBefore); announce.After(now) {
			wait = min(wait, announce.Sub(now))
		}
	}
	if timed {
		o.timer = time.AfterFunc(max(wait, time.Millisecond), o.look)
	}
}

// look ends the overrides whose time has come, and announces those that end soon.
func (o *Operations) look() {
	o.changing.Lock()
	defer o.changing.Unlock()
	now := time.Now()
	next, ended := o.overrides().Without(func(set *override.Override) bool { return set.Ended(now) })
	for i := range ended {
		set := &ended[i]
		o.log.Infof("override ended: %s of %s in %s, set by %s", set.What(), set.Addr, set.Where(), set.Author)
	}
	kept := make(map[uint64]bool)
	for _, set := range next.All() {
		if o.announced[set.ID] {
			kept[set.ID] = true
		}
		if left := set.Until.Sub(now); !set.Until.IsZero() && left <= announceBefore && !o.announced[set.ID] && set.Until.Sub(set.Since) > announceBefore {
			kept[set.ID] = true
			o.log.Warningf("override ends in %v: %s of %s in %s, set by %s", left.Round(time.Second), set.What(), set.Addr, set.Where(), set.Author)
		}
	}
	o.announced = kept
	if len(ended) > 0 {
		o.put(next)
		return
	}
	o.schedule()
}
