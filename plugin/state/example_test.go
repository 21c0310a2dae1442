package state_test

import (
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"github.com/rrhealth/rrhealth/plugin/state"
)

// verdicts are a payload: backends, and whether they are up.
type verdicts struct {
	Up map[string]bool `json:"up"`
}

// A server saves its verdicts when one changes and when it stops. After a restart
// it continues with them, unless they are too old.
func Example() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	options := state.Options{Version: 1, Warn: log.Printf}
	dir = filepath.Join(dir, "state")

	d, err := state.Open(dir, options)
	if err != nil {
		log.Print(err) // and go on: a nil *Dir keeps nothing
	}
	d.Start(func() any { return verdicts{map[string]bool{"192.0.2.7": false}} })
	d.Changed() // saved within a second
	if err := d.Close(); err != nil {
		log.Print(err)
	}

	d, err = state.Open(dir, options) // after the restart
	if err != nil {
		log.Print(err)
	}
	var before verdicts
	if savedAt, ok := d.Load(&before); ok && state.Age(savedAt, time.Now()) < time.Hour {
		fmt.Println(before.Up)
	}
	_ = d.Close()
	// Output:
	// map[192.0.2.7:false]
}
