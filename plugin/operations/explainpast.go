package operations

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/rrhealth/rrhealth/plugin/api"
	"github.com/rrhealth/rrhealth/plugin/history"
	"github.com/rrhealth/rrhealth/plugin/pool"
	"github.com/rrhealth/rrhealth/plugin/verdict"
)

// explainPast explains the answer of a pool at a time of the past, from the
// histories of its backends.
func (o *Operations) explainPast(e *api.Explanation, a Answer, at time.Time) error {
	f, ok := family(e.Type)
	if !ok {
		return fmt.Errorf("type: A and AAAA only for the past (got %q)", e.Type)
	}
	v := o.stanzaOf(a.Pool)
	if v == nil {
		return errors.New("the pool has just gone; try again")
	}
	health := make([]pool.Health, len(v.Backends))
	known := false
	for i := range v.Backends {
		b := &v.Backends[i]
		state, ok := b.Log.StateAt(at)
		known = known || ok
		health[i] = pool.Health{State: state, Admin: adminAt(b.Log, at)}
	}
	if !known {
		return fmt.Errorf("at: before what is kept of any backend of %s (got %s)", a.Pool.Name, at.UTC().Format(time.RFC3339))
	}
	s := v.Stanza.Build(health)
	e.Pool, e.At, e.TTL = a.Pool.Name, api.Time{Time: at}, int(s.TTL)
	e.Outcome, e.Rcode = s.Choices[f].Outcome.String(), rcodeOf(s.Choices[f].Outcome)
	for _, m := range s.Choices[f].Members {
		e.Answer = append(e.Answer, m.Addr.String())
	}
	o.members(e, a.Pool, s, f)
	e.Notes = append(e.Notes, "the order at that time is not known", "hold_down, failback and slow_start at that time are not known, nor whether the Corefile was another")
	return nil
}

// rcodeOf returns the response code of an outcome.
func rcodeOf(o pool.Outcome) string {
	switch o {
	case pool.Servfail:
		return "SERVFAIL"
	case pool.Refused:
		return "REFUSED"
	case pool.Dropped:
		return "none"
	}
	return "NOERROR"
}

// adminAt returns what operators had set at a time.
func adminAt(l *history.Log, at time.Time) (a pool.Admin) {
	for _, event := range l.Events() {
		if event.At.After(at) {
			break
		}
		switch event.Kind {
		case history.OverrideEnded:
			a = pool.Admin{}
		case history.Overridden:
			a = adminOf(event.What)
		}
	}
	return a
}

// adminOf returns what overrides come to, by the What of an event.
func adminOf(what string) (a pool.Admin) {
	for one := range strings.SplitSeq(what, ", ") {
		switch one {
		case "drain":
			a.Drained = true
		case "down":
			a.State = verdict.Down
		case "up":
			a.State = verdict.Up
		default:
			if weight, err := strconv.ParseUint(strings.TrimPrefix(one, "weight "), 10, 16); err == nil {
				a.Weight = uint16(weight)
			}
		}
	}
	return a
}
