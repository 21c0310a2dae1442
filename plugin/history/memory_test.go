package history

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/rrhealth/rrhealth/plugin/verdict"
)

// heldBy returns how many bytes of the heap each of n Logs takes.
func heldBy(n int, build func(i int) *Log) float64 {
	logs := make([]*Log, n)
	before := heap()
	for i := range logs {
		logs[i] = build(i)
	}
	after := heap()
	bytes := float64(int64(after)-int64(before)) / float64(n)
	runtime.KeepAlive(logs)
	return bytes
}

// heap returns how many bytes the heap holds without garbage.
func heap() uint64 {
	for range 3 {
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// Most backends have come up once. 300,000 of them take 10 MB.
func TestALogOfOneEventIsSmall(t *testing.T) {
	const maxBytes = 34
	up := Event{At: noon, State: verdict.Up}
	bytes := heldBy(20_000, func(int) *Log { var l *Log; return l.Add(up) })
	t.Logf("%.0f bytes", bytes)
	if bytes > maxBytes {
		t.Errorf("a log of one event takes %.0f bytes, want at most %d", bytes, maxBytes)
	}
	if n := testing.AllocsPerRun(100, func() { sink = (*Log)(nil).Add(up) }); n > 1 {
		t.Errorf("%.0f allocations, want 1", n)
	}
}

var sink *Log

// A backend that flaps for more than a day is bounded: events, a counter for each minute, and
// one copy of each text.
func TestALogOfABackendThatFlapsIsBounded(t *testing.T) {
	const maxBytes = 8 << 10
	flapping := func(int) *Log {
		var l *Log
		at := noon
		for n := range 2000 {
			at = at.Add(47 * time.Second)
			l = l.Add(Event{At: at, State: verdict.State(1 + n%2), Reason: fmt.Sprintf("HTTP status %d", 500+n%3)})
		}
		if got := len(l.past.folded.mixed); got < 1350 {
			t.Fatalf("%d counters, want those of a day", got)
		}
		return l
	}
	bytes, read := heldBy(40, flapping), heldBy(40, func(i int) *Log { return reread(t, flapping(i)) })
	t.Logf("%.0f bytes, %.0f when it is read from a file", bytes, read)
	if max(bytes, read) > maxBytes {
		t.Errorf("a log of a flapping backend takes %.0f bytes, and %.0f when it is read from a file, want at most %d", bytes, read, maxBytes)
	}
}

// Only minutes of several states have a counter, and what is older than a day has
// none.
func TestStatesThatLastNeedNoCounters(t *testing.T) {
	var l *Log
	for i := range 1000 {
		l = l.Add(Event{At: noon.Add(time.Duration(i) * 5 * time.Minute), Kind: Overridden, State: verdict.Up})
	}
	if n := len(l.past.folded.mixed); n != 0 {
		t.Errorf("%d counters, want none: it was up all the time", n)
	}
	at := clock(l.newest.at)
	for i := range 1000 {
		l = l.Add(Event{At: at.Add(time.Duration(i)*time.Hour + 30*time.Second), State: verdict.State(1 + i%2)})
	}
	if n := len(l.past.folded.mixed); n != 23 {
		t.Errorf("%d counters, want 23: it changed once an hour, and an hour of the day is that of the oldest event", n)
	}
}

// Every second for a day, and texts that are too long.
func TestALogThatGetsAnEventEachSecondIsBounded(t *testing.T) {
	long := strings.Repeat("x", 1000)
	var l *Log
	for n := range 24 * 60 * 60 {
		text := fmt.Sprint(n, long)
		l = l.Add(Event{At: noon.Add(time.Duration(n) * time.Second), State: verdict.State(n % 3), Reason: text, By: text, What: text})
	}
	checkBounds(t, l)
}
