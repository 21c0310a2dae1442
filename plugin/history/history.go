// Package history keeps what has happened to a backend: its last 50 events, each
// with time and reason, and how available it was in each minute of the last day.
//
// A Log is immutable, and Add returns the next one. The goroutine that adds needs
// no lock with those that read: it stores a pointer.
//
// Most backends have one event, since they came up and stayed up. So a Log has
// room for one, and a pointer to the rest. The events say exactly which state a
// backend had when; with the 51st, the oldest is folded into counters of the
// minutes that it lasted for (minutes.go). Only minutes of several states have a
// counter, of four bytes: in the others the state is that at the end of the minute
// before. So a backend that flaps all day takes less than 8 KB, and its texts.
//
// An event is never earlier than the one before it. If the wall clock has been
// ahead and steps back, events have the time of the latest one until the clock is
// there again. The backend counts as being in the state before that latest one
// until then: what happens in between shows in Events, but takes no time. If the
// clock steps forward, the state at that moment lasts for the time left out. A Log
// gets no larger from either.
package history

import (
	"strings"
	"time"
	"unicode/utf8"

	"github.com/rrhealth/rrhealth/plugin/verdict"
)

const (
	// MaxEvents is how many events a Log keeps.
	MaxEvents = 50
	// MaxReason is how many bytes of a reason a Log keeps.
	MaxReason = 300
	maxWord   = 100 // bytes of By and of What
)

// A Kind is what an event is about.
type Kind uint8

// The kinds of events.
const (
	StateChanged  Kind = iota // the probed state
	HeldDown                  // hold_down began to delay the recovery
	Released                  // hold_down ended
	Overridden                // an operator set an override
	OverrideEnded             // the override was removed, or its time was over
)

var kinds = [...]string{"state", "held_down", "released", "overridden", "override_ended"}

// String returns the kind's name in the state file and in the API.
func (k Kind) String() string {
	if int(k) < len(kinds) {
		return kinds[k]
	}
	return "unknown"
}

// An Event is something that happened to a backend.
type Event struct {
	At     time.Time
	Kind   Kind
	State  verdict.State // the probed state from then on
	Reason string        // the error of the probe, or the reason of an operator; at most MaxReason bytes
	By     string        // the operator, for overrides
	What   string        // for overrides: drain, down, up, weight 5, auto
}

// A Log is the history of one backend. It is immutable; nil is empty.
type Log struct {
	newest record
	past   *past // nil if there is nothing else
}

// A past is what a Log has besides the newest event.
type past struct {
	records []record // oldest first
	since   int64    // when the state of the newest event began
	folded  *fold    // the time before the oldest event; nil if that is the first
}

// A record is an Event in 24 bytes.
type record struct {
	at    int64  // nanoseconds since 1970
	words *words // nil without text
	kind  Kind
	state verdict.State
	set   bool // false in an empty Log
}

// words are the texts of an event. Records with the same texts share them: a
// backend that flaps fails for the same reason each time.
type words struct{ reason, by, what string }

// latest is the latest time that a Log has, in the year 2116.
const latest = 1 << 62

// nanos returns t in nanoseconds since 1970, from 0 to latest.
func nanos(t time.Time) int64 {
	switch s := t.Unix(); {
	case s < 0:
		return 0
	case s >= latest/int64(time.Second):
		return latest
	}
	return t.UnixNano()
}

// clock returns the time of ns.
func clock(ns int64) time.Time { return time.Unix(0, ns).UTC() }

// Add returns the Log with e in it, too. Texts that are too long are cut.
func (l *Log) Add(e Event) *Log {
	if l.empty() {
		return &Log{newest: l.record(e)}
	}
	next := &Log{newest: l.record(e), past: &past{since: l.since()}}
	if next.newest.state != l.newest.state {
		next.past.since = next.newest.at
	}
	var older []record
	if l.past != nil {
		older, next.past.folded = l.past.records, l.past.folded
	}
	if len(older) == MaxEvents-1 {
		next.past.folded = next.past.folded.plus(older[0].at, older[1].at, older[0].state)
		older = older[1:]
	}
	next.past.records = make([]record, len(older)+1)
	next.past.records[copy(next.past.records, older)] = l.newest
	return next
}

// record returns e as a record that can follow those of l.
func (l *Log) record(e Event) record {
	r := record{at: nanos(e.At), kind: e.Kind, state: e.State, set: true}
	if r.state > verdict.Down {
		r.state = verdict.Unknown
	}
	if l != nil {
		r.at = max(r.at, l.newest.at)
	}
	w := words{cut(e.Reason, MaxReason), cut(e.By, maxWord), cut(e.What, maxWord)}
	if w == (words{}) {
		return r
	}
	for i := range l.len() {
		if same := l.at(i).words; same != nil && *same == w {
			r.words = same
			return r
		}
	}
	// What they are cut from must not stay in memory.
	r.words = &words{strings.Clone(w.reason), strings.Clone(w.by), strings.Clone(w.what)}
	return r
}

// cut returns the first n bytes of text, or fewer: no character is cut. Bytes that
// are no text become question marks, since JSON would make each of them three.
func cut(text string, n int) string {
	if len(text) > n {
		for back := 0; back < utf8.UTFMax-1 && !utf8.RuneStart(text[n]); back++ {
			n--
		}
		text = text[:n]
	}
	return strings.ToValidUTF8(text, "?")
}

// empty reports whether l has no event.
func (l *Log) empty() bool { return l == nil || !l.newest.set }

// len returns how many events l has.
func (l *Log) len() int {
	switch {
	case l.empty():
		return 0
	case l.past == nil:
		return 1
	}
	return len(l.past.records) + 1
}

// at returns the record i of l, of len.
func (l *Log) at(i int) *record {
	if l.past != nil && i < len(l.past.records) {
		return &l.past.records[i]
	}
	return &l.newest
}

// since returns when the state of the newest event began.
func (l *Log) since() int64 {
	if l.past == nil {
		return l.newest.at
	}
	return l.past.since
}

// Events returns the last events, at most MaxEvents, oldest first.
func (l *Log) Events() []Event {
	all := make([]Event, l.len())
	for i := range all {
		r := l.at(i)
		all[i] = Event{At: clock(r.at), Kind: r.kind, State: r.state}
		if w := r.words; w != nil {
			all[i].Reason, all[i].By, all[i].What = w.reason, w.by, w.what
		}
	}
	return all
}

// StateAt returns the probed state at t. It returns false if t is before the oldest
// event that is kept.
func (l *Log) StateAt(t time.Time) (verdict.State, bool) {
	ns := nanos(t)
	for i := l.len() - 1; i >= 0; i-- {
		if r := l.at(i); r.at <= ns {
			return r.state, true
		}
	}
	return verdict.Unknown, false
}

// Since returns when the current probed state began. It returns false if l is
// empty.
func (l *Log) Since() (time.Time, bool) {
	if l.empty() {
		return time.Time{}, false
	}
	return clock(l.since()), true
}
