// Package verdict turns the results of probes into a state, by rise and fall.
//
// The first result decides at once if it is a pass or a hard failure (the
// backend refused, or answered wrongly). A first failure of another kind, such
// as a timeout, may be the network's: the probe is repeated, and the second
// result decides. After that, a state changes only after Rule.Rise passes or
// Rule.Fall failures in a row. A result that agrees with the state clears the
// streak against it, so lost packets between good replies do not add up to an
// outage. With Rule.FallHard, that many hard failures in a row are enough to go
// down; timeouts between them do not count, and only a pass clears them.
//
// If no result confirms a verdict for too long, the monitor makes it Stale: its
// state becomes unknown, and Past keeps the state before. After up it takes
// Rule.Fall failures to go down, as before: on a machine that was too busy to
// probe, one timeout proves nothing. After down it takes one failure to be down
// again, or Rule.Rise passes to come up.
//
// After is pure: it has no clock, log or counters, and the same verdict, result
// and rule give the same verdict. Its table of sequences in the tests is the
// specification. Rise and fall are HAProxy's, counting runs of equal results is
// kubelet's, and the first result that decides is Envoy's.
package verdict

// State is the health of a target or a backend, as far as it is known.
type State uint8

// The states. The zero value is Unknown: there is no result yet, or one that
// does not decide, or none that is recent enough. Unknown is answered like Up.
const (
	Unknown State = iota
	Up
	Down
)

// States lists every state, in the order in which they are shown.
var States = [...]State{Unknown, Up, Down}

// String returns the state's name in logs, metrics and documentation.
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

// Result classes how one probe ended.
type Result uint8

// The results.
const (
	Fail Result = iota // a failure that may be the network's: a timeout
	Hard               // a hard failure: refused, reset, a wrong answer
	Pass
)

// Rule is how many results in a row change a state. Rise and Fall are at least 1.
type Rule struct {
	Rise     int // passes in a row from Down to Up
	Fall     int // failures in a row, of any kind, from Up to Down
	FallHard int // hard failures among them that are enough; 0 if they count like others
}

// A Verdict is a state and the number of results in a row that contradict it.
// The zero value is the verdict on a target that was never probed. It is small,
// since a process may have 100,000; the counts stay below Rule's, which are at
// most 100.
type Verdict struct {
	State  State
	Past   State // if State is Unknown: the state before it became stale, or Unknown
	Streak uint16
	Hard   uint16 // hard failures in the streak
}

// firstFall is how many first failures in a row make a target Down.
const firstFall = 2

// First reports whether v is undecided after a first failure, so that the probe
// must be repeated at once.
func (v Verdict) First() bool { return v.State == Unknown && v.Past == Unknown && v.Streak > 0 }

// Stale returns v after too long without a result that counts: Unknown, without
// a streak.
func (v Verdict) Stale() Verdict {
	if v.State != Unknown {
		return Verdict{Past: v.State}
	}
	return Verdict{Past: v.Past}
}

// contradicted returns the state that v's streak contradicts.
func (v Verdict) contradicted() State {
	if v.State == Unknown {
		return v.Past
	}
	return v.State
}

// After returns the verdict that follows v if the next probe ends in result.
func After(v Verdict, result Result, r Rule) Verdict {
	seen, needed := Down, r.Fall
	if result == Pass {
		seen, needed = Up, r.Rise
	}
	switch state := v.contradicted(); {
	case state == seen, state == Unknown && result != Fail:
		return Verdict{State: seen}
	case state == Unknown:
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

// All combines the states of targets that must all be up: Down if any is down,
// else Unknown if any is unknown, else Up. Without targets it is Up: a backend
// without a check is trusted.
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
