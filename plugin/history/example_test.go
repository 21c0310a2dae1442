package history_test

import (
	"cmp"
	"fmt"
	"time"

	"github.com/rrhealth/rrhealth/plugin/history"
	"github.com/rrhealth/rrhealth/plugin/verdict"
)

// A backend comes up, fails for ten minutes and is drained by an operator. The
// drain does not change what its probes say.
func ExampleLog() {
	start := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	at := func(minutes int) time.Time { return start.Add(time.Duration(minutes) * time.Minute) }

	var log *history.Log // the empty one
	log = log.Add(history.Event{At: at(0), State: verdict.Up})
	log = log.Add(history.Event{At: at(20), State: verdict.Down, Reason: "connection refused"})
	log = log.Add(history.Event{At: at(30), State: verdict.Up})
	log = log.Add(history.Event{At: at(45), Kind: history.Overridden, State: verdict.Up, What: "drain", By: "ops", Reason: "new disk"})

	for _, e := range log.Events() {
		fmt.Println(e.At.Format("15:04"), e.Kind, e.State, cmp.Or(e.What, "-"), cmp.Or(e.Reason, "-"))
	}
	state, _ := log.StateAt(at(25))
	since, _ := log.Since()
	fmt.Println("at 12:25", state, "- now up since", since.Format("15:04"))
	shares := log.Shares(at(0), at(60))
	fmt.Println("up", shares.Up, "down", shares.Down)
	// Output:
	// 12:00 state up - -
	// 12:20 state down - connection refused
	// 12:30 state up - -
	// 12:45 overridden up drain new disk
	// at 12:25 down - now up since 12:30
	// up 50m0s down 10m0s
}
