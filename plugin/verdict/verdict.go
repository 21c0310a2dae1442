// Package verdict judges a target from the results of its probes: rise and
// fall, and nothing else.
//
// The first result decides at once if it is a pass or a hard failure (the
// backend refused, or answered wrongly). A first failure that may be the
// network's, or ours (a timeout), is repeated, and the second result decides.
// From then on a state is only left after Rule.Rise passes, or Rule.Fall
// failures, in a row. A result that agrees with the state clears the streak
// against it, so that one lost packet among many good replies can never add up
// to an outage. Hard failures may be given a shorter way down than those that
// the network can be to blame for: Rule.FallHard of them in a row, not counting
// timeouts between them, are enough.
//
// A verdict that no result has confirmed for too long is Stale: its state is
// unknown, but it keeps its past. A former up is left after as many failures as
// an up, since a machine that was too busy to probe is too busy for one timeout
// to prove anything. A former down needs one failure to be down again, and
// Rule.Rise passes to be up.
//
// After is pure: the same verdict, result and rule give the same verdict, with
// no clock, no log and no counters. Its table of sequences in the tests is the
// specification. The arithmetic is HAProxy's (rise and fall) and kubelet's
// (a run of equal results), the first result that decides is Envoy's.
package verdict

// State is what is believed of a target or of a backend.
type State uint8

// The states. The zero value is Unknown: there is no result yet, one that does
// not decide, or none that is new enough. Unknown is answered like Up.
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
	Fail Result = iota // a failure that may be the network's: a timeout
	Hard               // a hard failure: refused, reset, a wrong answer
	Pass
)

// Rule says how many results in a row it takes to change a decided state. Rise
// and Fall are at least 1.
type Rule struct {
	Rise     int // passes in a row from Down to Up
	Fall     int // failures in a row, of any kind, from Up to Down
	FallHard int // hard failures among those in a row that are enough; 0 for no such shortcut
}

// A Verdict is a state and the number of results in a row that speak against
// it. The zero value is the verdict on a target that was never probed. Counts
// stay below Rule's, which are at most 100; there may be 100,000 verdicts.
type Verdict struct {
	State  State
	Past   State // what an Unknown was before it went stale; Unknown itself if it was nothing
	Streak uint16
	Hard   uint16 // how many of the streak were hard failures
}

// firstFall is how many failures in a row it takes from the start to Down.
const firstFall = 2

// First reports whether v is undecided after a first failure, which is repeated
// at once.
func (v Verdict) First() bool { return v.State == Unknown && v.Past == Unknown && v.Streak > 0 }

// Stale returns what is left of v when it has not been confirmed for too long.
// A streak that old is no streak.
func (v Verdict) Stale() Verdict {
	if v.State != Unknown {
		return Verdict{Past: v.State}
	}
	return Verdict{Past: v.Past}
}

// held is the state that v's streak speaks against.
func (v Verdict) held() State {
	if v.State == Unknown {
		return v.Past
	}
	return v.State
}

// After returns the verdict that follows v when the next probe ended in result.
func After(v Verdict, result Result, r Rule) Verdict {
	seen, needed := Down, r.Fall
	if result == Pass {
		seen, needed = Up, r.Rise
	}
	switch held := v.held(); {
	case held == seen, held == Unknown && result != Fail:
		return Verdict{State: seen}
	case held == Unknown:
		needed = min(needed, firstFall)
	}
	v.Streak++
	if result == Hard {
		v.Hard++
	}
	if int(v.Streak) >= needed || r.FallHard > 0 && int(v.Hard) >= r.FallHard {
		return Verdict{State: seen}
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
