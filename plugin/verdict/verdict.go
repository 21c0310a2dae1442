// Package verdict judges a target from the results of its probes: rise and
// fall, and nothing else.
//
// The first result decides at once: a backend that has never been heard of is
// worth believing, whichever way it answers. From then on a state is only left
// after Rule.Rise passes, or Rule.Fall failures, in a row. A result that agrees
// with the state clears the streak against it, so that one lost packet among
// many good replies can never add up to an outage. Definite failures (the
// backend refused, or answered wrongly) may be given a shorter way down than
// those that the network can be to blame for: Rule.FallHard of them in a row,
// not counting time-outs between them, are enough.
//
// After is pure: the same verdict, result and rule give the same verdict, with
// no clock, no log and no counters. Its table of sequences in the tests is the
// specification. The arithmetic is HAProxy's (rise and fall) and kubelet's
// (a run of equal results), the first result that decides is Envoy's.
package verdict

// State is what is believed of a target or of a backend.
type State uint8

// The states. The zero value is Unknown: nothing was heard yet, or what was
// heard is too old to be believed. Unknown is answered like Up.
const (
	Unknown State = iota
	Up
	Down
)

// States lists every state, in the order in which they are shown.
var States = [...]State{Unknown, Up, Down}

// String returns the word used in log, metrics and documentation.
func (s State) String() string {
	switch s {
	case Up:
		return "up"
	case Down:
		return "down"
	default:
		return "unknown"
	}
}

// Result is what one probe said.
type Result uint8

// The results.
const (
	Fail Result = iota // a failure that may be the network's: a time-out
	Hard               // a definite failure: refused, reset, a wrong answer
	Pass
)

// Rule says how many results in a row it takes to change a decided state. Rise
// and Fall are at least 1.
type Rule struct {
	Rise     int // passes in a row from Down to Up
	Fall     int // failures in a row, of any kind, from Up to Down
	FallHard int // definite failures among those in a row that are enough; 0 for no such shortcut
}

// Verdict is a state and the number of results in a row that speak against it.
// The zero value is the verdict on a target that was never probed.
type Verdict struct {
	State  State
	Streak int
	Hard   int // how many of the streak were definite failures
}

// Changing reports whether the verdict may be about to change: nothing is
// known yet, or the latest result contradicted the state. A target in this
// condition is probed at the fast interval, and its pool answers with a short
// TTL.
func (v Verdict) Changing() bool { return v.State == Unknown || v.Streak > 0 }

// After returns the verdict that follows v when the next probe has said result.
func After(v Verdict, result Result, r Rule) Verdict {
	said, needed := Down, r.Fall
	if result == Pass {
		said, needed = Up, r.Rise
	}
	if v.State == Unknown || v.State == said {
		return Verdict{State: said}
	}
	v.Streak++
	if result == Hard {
		v.Hard++
	}
	if v.Streak >= needed || r.FallHard > 0 && v.Hard >= r.FallHard {
		return Verdict{State: said}
	}
	return v
}

// All combines the states of several targets that must all be up: Down if any
// is down, else Unknown if any is unknown, else Up. Of no targets it is Up: a
// backend that nobody checks is trusted.
func All(states ...State) State {
	all := Up
	for _, s := range states {
		switch s {
		case Down:
			return Down
		case Unknown:
			all = Unknown
		}
	}
	return all
}
