//go:build linux

package lab

import (
	"encoding/json"
	"os"
	"testing"
	"time"
)

// A Row is one line of the table of make examples.
type Row struct {
	Scenario  string        // what was set up
	Killed    string        // what was stopped or cut off
	Detection time.Duration // from then until the last answer with it; negative: not measured
	Bound     time.Duration // the maximum of Detection; 0: none
	Failed    int           // requests that failed although their lookup came after detection
	Of        int           // requests made
	Passed    bool
}

// slack is what a busy machine may add to a bound, besides the jitter of a
// tenth.
const slack = time.Second

// Report adds a row to the table. It fails the test if the row exceeds its
// bound, or if a request failed.
func Report(t *testing.T, r Row) {
	t.Helper()
	if r.Bound > 0 && r.Detection > r.Bound+r.Bound/10+slack {
		t.Errorf("%s, %s: detected after %v, want %v at most", r.Scenario, r.Killed, r.Detection, r.Bound)
	}
	if r.Failed > 0 {
		t.Errorf("%s, %s: %d of %d requests failed, want none", r.Scenario, r.Killed, r.Failed, r.Of)
	}
	r.Passed = !t.Failed()
	t.Logf("%+v", r)
	path := os.Getenv("EXAMPLES_TABLE")
	if path == "" {
		return
	}
	line, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600) // #nosec G304 G703 -- from make examples
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Write(append(line, '\n')); err != nil {
		t.Fatal(err)
	}
}
