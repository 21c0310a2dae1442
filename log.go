package rrhealth

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	clog "github.com/coredns/coredns/plugin/pkg/log"

	"github.com/rrhealth/rrhealth/plugin/live"
	"github.com/rrhealth/rrhealth/plugin/monitor"
	"github.com/rrhealth/rrhealth/plugin/pool"
)

const (
	// logPerSecond is how many transitions are logged in a second. If a whole
	// data center fails, the next ten thousand lines add nothing to the first
	// hundred, and fill the disk.
	logPerSecond = 100
	// logLocalErrorEvery is how often each local error is logged.
	logLocalErrorEvery = time.Minute
)

// An observer logs and counts what the registry reports, always on the monitor's
// loop.
type observer struct {
	limiter
	changed   func() // called after states have changed, to have them saved
	durations durations
}

// Changed implements live.Observer.
func (o *observer) Changed(all []live.Transition) {
	o.changed()
	for i := range all {
		t := &all[i]
		switch t.Hold {
		case live.HeldDown:
			log.Infof("backend %s of %s is held down %s", t.Addr, t.Name, whyHeldDown(t))
		case live.Released:
			log.Infof("backend %s of %s is no longer held down", t.Addr, t.Name)
		default:
			if o.allowed(time.Now()) {
				log.Info(transition(t))
			}
		}
	}
}

// Probed implements live.Observer.
func (o *observer) Probed(check string, r monitor.Result) {
	if r.Late() {
		probesLate.Inc()
	}
	if r.Class == monitor.LocalError {
		localErrors.WithLabelValues(r.LocalError).Inc()
	}
	o.durations.observe(check, r.Duration)
	o.probe(r)
}

func whyHeldDown(t *live.Transition) string {
	if t.For > 0 {
		return fmt.Sprintf("for %v: it failed %d times within %v", t.For, t.Falls, pool.FlapWindow)
	}
	return "until its tier takes over again"
}

// transition returns the line about a change of state.
func transition(t *live.Transition) string {
	relation := "of"
	if t.Watched {
		relation = "below"
	}
	text := fmt.Sprintf("backend %s %s %s", t.Addr, relation, t.Name)
	if t.More > 0 {
		text += fmt.Sprintf(" and %d more", t.More)
	}
	text += " is " + t.To.String()
	if t.Err != nil {
		text += ": " + t.Err.Error()
	}
	if t.Streak > 0 {
		text += fmt.Sprintf(" (%d in a row)", t.Streak)
	}
	if t.DryRun {
		text += ", answered as before: dry_run"
	}
	return text
}

// listWatched logs what is watched, and in which state, under debug.
func (h *RRHealth) listWatched() {
	if !clog.D.Value() {
		return
	}
	for _, f := range h.rules.Filters {
		for _, line := range watchedLines(f.Watchlist) {
			log.Debug(line)
		}
	}
}

// The bounds of a listing: addresses in a line, and in all.
const (
	listedPerLine = 50
	listedAtMost  = 1000
)

// watchedLines returns lines with the addresses that w watches and their states, sorted
// by address.
func watchedLines(w *live.Watchlist) []string {
	states := w.States()
	addrs := slices.SortedFunc(maps.Keys(states), netip.Addr.Compare)
	lines := []string{fmt.Sprintf("watching %d addresses below %s, of %s", len(addrs), w.Name, w.Networks)}
	for part := range slices.Chunk(addrs[:min(len(addrs), listedAtMost)], listedPerLine) {
		words := make([]string, len(part))
		for i, addr := range part {
			words[i] = addr.String() + " " + states[addr].String()
		}
		lines = append(lines, "below "+w.Name+": "+strings.Join(words, ", "))
	}
	if more := len(addrs) - listedAtMost; more > 0 {
		lines = append(lines, fmt.Sprintf("below %s: and %d more", w.Name, more))
	}
	return lines
}

// A limiter bounds how much is logged. It belongs to the monitor's loop.
type limiter struct {
	second      time.Time // when the counts below began
	lines       int
	skipped     int
	localErrors map[string]time.Time // when each kind was logged last
}

// allowed reports whether another transition may be logged at now, and logs
// how many were not in the seconds before.
func (l *limiter) allowed(now time.Time) bool {
	if now.Sub(l.second) >= time.Second {
		if l.skipped > 0 {
			log.Infof("%d more backends changed state at that time", l.skipped)
		}
		l.second, l.lines, l.skipped = now, 0, 0
	}
	if l.lines == logPerSecond {
		l.skipped++
		return false
	}
	l.lines++
	return true
}

// probe logs each probe under debug, and each kind of local error once in
// logLocalErrorEvery.
func (l *limiter) probe(r monitor.Result) {
	if r.Class == monitor.LocalError {
		l.localError(r)
	}
	if !clog.D.Value() {
		return
	}
	if r.Err != nil {
		log.Debugf("probe of %s: %s after %v: %v", r.Target.Addr, r.Class, r.Duration, r.Err)
		return
	}
	log.Debugf("probe of %s: %s after %v", r.Target.Addr, r.Class, r.Duration)
}

func (l *limiter) localError(r monitor.Result) {
	now := time.Now()
	if last, ok := l.localErrors[r.LocalError]; ok && now.Sub(last) < logLocalErrorEvery {
		return
	}
	if l.localErrors == nil {
		l.localErrors = make(map[string]time.Time)
	}
	l.localErrors[r.LocalError] = now
	why := "started or read too late"
	if r.Err != nil && r.LocalError != "late" {
		why = r.Err.Error()
	}
	log.Warningf("probe of %s ignored, local error %s: %s", r.Target.Addr, r.LocalError, why)
}
