package history

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/rrhealth/rrhealth/plugin/verdict"
)

// anyLog returns a random log that ends at the latest at now, and the time it began.
func anyLog(r *rand.Rand, now time.Time) *Log {
	var l *Log
	at := now.Add(-time.Duration(r.Int64N(int64(50 * time.Hour))))
	mean := int64(time.Duration(1+r.IntN(3600)) * time.Second)
	for range r.IntN(500) {
		if at = at.Add(time.Duration(r.Int64N(mean))); at.After(now) {
			break
		}
		l = l.Add(Event{At: at, State: verdict.States[r.IntN(len(verdict.States))]})
	}
	return l
}

// Parts are what Shares returns of each of them, and no part has more time than it
// lasts.
func TestPartsAreTheSharesOfEach(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2)) // #nosec G404 -- the same in each run
	now := time.Date(2026, 1, 2, 3, 4, 5, 678, time.UTC)
	for n := range 300 {
		l := anyLog(r, now)
		parts := make([]Shares, 1+r.IntN(60))
		length := time.Duration(1 + r.Int64N(int64(time.Hour)))
		l.Parts(parts, now, length)
		for i, got := range parts {
			end := now.Add(-time.Duration(len(parts)-1-i) * length)
			if want := l.Shares(end.Add(-length), end); got != want {
				t.Fatalf("log %d, part %d of %d: %+v, want %+v", n, i, len(parts), got, want)
			}
			if sum := got.Up + got.Down + got.Unknown; sum > length+2 {
				t.Fatalf("log %d, part %d: %v of %v", n, i, sum, length)
			}
		}
	}
}

// The shares of adjacent times are those of the whole, but for what is rounded.
func TestPartsAddUp(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4)) // #nosec G404 -- the same in each run
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for n := range 300 {
		l := anyLog(r, now)
		var parts [48]Shares
		l.Parts(parts[:], now, 30*time.Minute)
		var sum Shares
		for _, p := range parts {
			sum.Up, sum.Down, sum.Unknown = sum.Up+p.Up, sum.Down+p.Down, sum.Unknown+p.Unknown
		}
		whole := l.Shares(now.Add(-24*time.Hour), now)
		for _, d := range []time.Duration{sum.Up - whole.Up, sum.Down - whole.Down, sum.Unknown - whole.Unknown} {
			if d.Abs() > time.Microsecond {
				t.Fatalf("log %d: %+v in parts, %+v as a whole", n, sum, whole)
			}
		}
	}
}

// Times that are none have no shares.
func TestSharesOfNoTime(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	l := new(Log).Add(Event{At: now.Add(-time.Hour), State: verdict.Up})
	for _, to := range []time.Time{now, now.Add(-time.Minute)} {
		if got := l.Shares(now, to); got != (Shares{}) {
			t.Errorf("from %v to %v: %+v", now, to, got)
		}
	}
	var none []Shares
	l.Parts(none, now, time.Minute)
}
