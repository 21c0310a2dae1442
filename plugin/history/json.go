package history

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/rrhealth/rrhealth/plugin/verdict"
)

// stored is a Log in the state file.
type stored struct {
	Events []storedEvent `json:"events"`
	Since  *time.Time    `json:"since,omitempty"` // if the state is older than the events
	Before *storedFold   `json:"before,omitempty"`
}

type storedEvent struct {
	At     time.Time `json:"at"`
	Kind   string    `json:"kind"`
	State  string    `json:"state"`
	Reason string    `json:"reason,omitempty"`
	By     string    `json:"by,omitempty"`
	What   string    `json:"what,omitempty"`
}

// A storedFold is a fold in the state file. States are numbers in it: 0 unknown, 1
// up, 2 down. A flapping backend has a thousand of them.
type storedFold struct {
	From  time.Time  `json:"from"`
	State int64      `json:"state"`
	Mixed [][5]int64 `json:"mixed"` // minute since 1970, seconds up, down and unknown, state at its end
	Open  [3]int64   `json:"open"`  // nanoseconds up, down and unknown
}

// MarshalJSON implements json.Marshaler. A nil Log has no events.
func (l *Log) MarshalJSON() ([]byte, error) {
	s := stored{Events: make([]storedEvent, l.len())}
	for i, e := range l.Events() {
		s.Events[i] = storedEvent{e.At, e.Kind.String(), e.State.String(), e.Reason, e.By, e.What}
	}
	if l != nil && l.past != nil {
		if since := l.past.since; since < l.at(0).at {
			s.Since = new(clock(since))
		}
		if f := l.past.folded; f != nil {
			s.Before = f.stored()
		}
	}
	return json.Marshal(s)
}

// UnmarshalJSON implements json.Unmarshaler. It leaves out events of kinds that it
// does not know, and counters that contradict each other. The Log is no larger than one
// that Add has made.
func (l *Log) UnmarshalJSON(data []byte) error {
	var s stored
	if err := json.Unmarshal(data, &s); err != nil {
		return fmt.Errorf("history: not that of a backend: %w", err)
	}
	var read *Log
	for _, e := range s.Events {
		kind := slices.Index(kinds[:], e.Kind)
		if kind < 0 {
			continue
		}
		read = read.Add(Event{At: e.At, Kind: Kind(kind), State: stateOf(e.State), Reason: e.Reason, By: e.By, What: e.What}) // #nosec G115 -- five kinds
	}
	if read == nil {
		*l = Log{}
		return nil
	}
	read.restore(&s)
	*l = *read
	return nil
}

// restore adds what s has of the time before the events. Those of a file with too
// many of them are folded already.
func (l *Log) restore(s *stored) {
	if l.past != nil && l.past.folded != nil {
		return
	}
	p := past{since: l.since()}
	if l.past != nil {
		p = *l.past
	}
	if s.Since != nil && p.since == l.at(0).at {
		p.since = min(p.since, nanos(*s.Since))
	}
	if s.Before != nil {
		p.folded = s.Before.fold(l.at(0).at)
	}
	if p.folded != nil || p.since < l.newest.at {
		l.past = &p
	}
}

// stateOf returns the state with that name, or Unknown.
func stateOf(name string) verdict.State {
	for _, s := range verdict.States {
		if s.String() == name {
			return s
		}
	}
	return verdict.Unknown
}

// stored returns f for the state file.
func (f *fold) stored() *storedFold {
	s := &storedFold{From: clock(f.from), State: int64(f.before), Mixed: make([][5]int64, len(f.mixed))}
	for i, c := range f.mixed {
		m := c.minute()
		s.Mixed[i] = [...]int64{c.number(f.open.minute), int64(m.Up), int64(m.Down), int64(m.Unknown), int64(c.end())}
	}
	s.Open = [...]int64{f.open.spent[verdict.Up], f.open.spent[verdict.Down], f.open.spent[verdict.Unknown]}
	return s
}

// fold returns the fold that s is, which ends at end. It returns nil for one that
// is of no use.
func (s *storedFold) fold(end int64) *fold {
	now := end / minute
	oldest := now - DayMinutes + 1
	f := &fold{from: max(nanos(s.From), oldest*minute), open: tally{minute: now}}
	if f.from > end || !isState(s.State) {
		return nil
	}
	f.before = verdict.State(s.State) // #nosec G115 -- checked above
	next := f.from / minute
	for _, c := range s.Mixed {
		m, ok := minuteOf(c[1:4])
		if !ok || c[0] >= now || !isState(c[4]) {
			continue
		}
		end := verdict.State(c[4]) // #nosec G115 -- checked above
		if c[0] < next {
			if len(f.mixed) == 0 {
				f.before = end // older than a day
			}
			continue
		}
		f.mixed = append(f.mixed, newCounter(c[0], m, end))
		next = c[0] + 1
	}
	f.mixed = append(make([]counter, 0, len(f.mixed)), f.mixed...) // what it grew by stays for months
	left := end - max(f.from, now*minute)
	for i, state := range [...]verdict.State{verdict.Up, verdict.Down, verdict.Unknown} {
		f.open.spent[state] = min(max(s.Open[i], 0), left)
		left -= f.open.spent[state]
	}
	return f
}

// isState reports whether n is the number of a state.
func isState(n int64) bool { return n >= 0 && n < int64(len(verdict.States)) }

// minuteOf returns the minute of three numbers of seconds.
func minuteOf(seconds []int64) (m Minute, ok bool) {
	sum := int64(0)
	for _, n := range seconds {
		if n < 0 || n > 60 {
			return m, false
		}
		sum += n
	}
	return Minute{Up: uint8(seconds[0]), Down: uint8(seconds[1]), Unknown: uint8(seconds[2])}, sum <= 60 // #nosec G115 -- at most 60
}
