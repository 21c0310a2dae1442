package rrhealth

import (
	"fmt"
	"time"

	clog "github.com/coredns/coredns/plugin/pkg/log"

	"github.com/rrhealth/rrhealth/plugin/monitor"
	"github.com/rrhealth/rrhealth/plugin/verdict"
)

const (
	// logPerSecond is how many transitions are logged in a second. When a
	// whole data center goes, the first hundred lines tell as much as the
	// next ten thousand, which would cost the disk and whoever reads it.
	logPerSecond = 100
	// logLocalErrorEvery is how often each local error is logged.
	logLocalErrorEvery = time.Minute
)

// A limiter writes the log, within bounds. It belongs to the monitor's loop.
type limiter struct {
	second      time.Time
	lines       int
	skipped     int
	localErrors map[string]time.Time
}

// transitions logs one line for the members that c moved: they are one backend
// in one pool or in several.
func (l *limiter) transitions(c monitor.Change, moved []*member) {
	if len(moved) == 0 || !l.allowed(time.Now()) {
		return
	}
	log.Info(transition(c, moved))
}

// transition words the line.
func transition(c monitor.Change, moved []*member) string {
	m, more := moved[0], -1
	for _, o := range moved {
		more += len(o.bundle.pools)
	}
	text := fmt.Sprintf("backend %s of %s", m.bundle.config.Backends[m.index].Addr, m.bundle.pools[0].Name)
	if more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text + " is " + m.state.String() + causeOf(c) + dryRunNote(m.bundle.dryRun)
}

// watched logs that a watched address has changed its state.
func (l *limiter) watched(c monitor.Change, a *address) {
	if !l.allowed(time.Now()) {
		return
	}
	log.Info(fmt.Sprintf("backend %s below %s is %s", a.addr, a.list.Name, a.State()) + causeOf(c) + dryRunNote(a.list.dryRun))
}

// listWatched logs what is watched, and in which state, under debug.
func (h *RRHealth) listWatched() {
	if !clog.D.Value() {
		return
	}
	for _, f := range h.filters {
		for _, line := range f.Listing() {
			log.Debug(line)
		}
	}
}

// causeOf words why a change came about.
func causeOf(c monitor.Change) string {
	text := ""
	if c.Err != nil {
		text += ": " + c.Err.Error()
	}
	if n := inARow(c); n > 0 {
		text += fmt.Sprintf(" (%d in a row)", n)
	}
	return text
}

// dryRunNote says that a change changes no answer.
func dryRunNote(dryRun bool) string {
	if dryRun {
		return ", answered as before: dry_run"
	}
	return ""
}

// inARow returns how many results in a row brought the change about.
func inARow(c monitor.Change) int {
	if c.After.State == verdict.Unknown {
		return 0
	}
	return int(c.Before.Streak) + 1
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

// probe logs each probe under debug, and each kind of local error now and
// then.
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
