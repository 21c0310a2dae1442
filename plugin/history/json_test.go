package history

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/rrhealth/rrhealth/plugin/verdict"
)

// reread returns l as it is after a restart.
func reread(t *testing.T, l *Log) *Log {
	t.Helper()
	data, err := json.Marshal(l)
	if err != nil {
		t.Fatal(err)
	}
	var read Log
	if err := json.Unmarshal(data, &read); err != nil {
		t.Fatalf("%s: %v", data, err)
	}
	again, err := json.Marshal(&read)
	if err != nil || !bytes.Equal(again, data) {
		t.Errorf("written again: %v\n%s\nwant\n%s", err, again, data)
	}
	return &read
}

func TestALogInTheStateFile(t *testing.T) {
	var l *Log
	if data, err := l.MarshalJSON(); err != nil || string(data) != `{"events":[]}` {
		t.Errorf("nil: %s, %v, want no events", data, err)
	}
	l = l.Add(Event{At: noon, State: verdict.Up})
	l = l.Add(Event{At: noon.Add(1500 * time.Millisecond), State: verdict.Down, Reason: "connection refused"})
	l = l.Add(Event{At: noon.Add(time.Minute), Kind: Overridden, State: verdict.Down, By: "ops", What: "weight 5", Reason: "new disk"})
	data, err := json.Marshal(map[string]*Log{"192.0.2.1": l, "192.0.2.2": nil})
	const want = `{"192.0.2.1":{"events":[` +
		`{"at":"2026-11-24T12:00:00Z","kind":"state","state":"up"},` +
		`{"at":"2026-11-24T12:00:01.5Z","kind":"state","state":"down","reason":"connection refused"},` +
		`{"at":"2026-11-24T12:01:00Z","kind":"overridden","state":"down","reason":"new disk","by":"ops","what":"weight 5"}]},"192.0.2.2":null}`
	if err != nil || string(data) != want {
		t.Errorf("%v\n%s\nwant\n%s", err, data, want)
	}
	read := make(map[string]*Log)
	if err := json.Unmarshal(data, &read); err != nil || read["192.0.2.2"].len() != 0 || read["192.0.2.1"].len() != 3 {
		t.Errorf("read: %v, %d and %d events, want 3 and none", err, read["192.0.2.1"].len(), read["192.0.2.2"].len())
	}
}

// What was folded, and when the state began, survive a restart.
func TestTheDayIsInTheStateFile(t *testing.T) {
	var l *Log
	at := noon.Add(-2 * time.Hour)
	for i := range 60 {
		at = at.Add(17 * time.Second)
		l = l.Add(Event{At: at, State: verdict.State(1 + i%2), Reason: "x"})
	}
	for range 55 {
		at = at.Add(time.Minute)
		l = l.Add(Event{At: at, Kind: Overridden, State: verdict.Down, What: "drain"})
	}
	read := reread(t, l)
	if got, want := read.Minutes(noon), l.Minutes(noon); got != want {
		t.Errorf("minutes\n%v\nwant\n%v", got, want)
	}
	since, _ := read.Since()
	if want := noon.Add(-2*time.Hour + 60*17*time.Second); !since.Equal(want) || !since.Before(read.Events()[0].At) {
		t.Errorf("since %v, want %v, before the first event", since, want)
	}
	if got, want := read.Shares(noon.Add(-3*time.Hour), noon), l.Shares(noon.Add(-3*time.Hour), noon); got != want {
		t.Errorf("shares %+v, want %+v", got, want)
	}
}

// A file with more events than are kept, as of a version that keeps more: those
// that there is no room for are folded, and what was before them is forgotten.
func TestReadingMoreEventsThanAreKept(t *testing.T) {
	var events []string
	for i := range 60 {
		events = append(events, fmt.Sprintf(`{"at":%q,"kind":"state","state":%q}`, noon.Add(time.Duration(i)*40*time.Second).Format(time.RFC3339), verdict.States[1+i%2]))
	}
	var l Log
	data := `{"events":[` + strings.Join(events, ",") + `],"before":{"from":"2026-11-24T11:00:00Z","state":0}}`
	if err := json.Unmarshal([]byte(data), &l); err != nil {
		t.Fatal(err)
	}
	if got, want := l.Shares(noon.Add(-2*time.Hour), noon.Add(40*time.Minute)), (Shares{Up: 20 * time.Minute, Down: 20 * time.Minute}); len(l.Events()) != 50 || got != want {
		t.Errorf("%d events, shares %+v, want 50, and %+v", len(l.Events()), got, want)
	}
}

// Files of later versions, and of hands.
func TestReadingWhatIsNotOurs(t *testing.T) {
	const event = `{"at":"2026-11-24T12:00:30Z","kind":"state","state":"up"}`
	for data, want := range map[string]string{
		`null`:                                   "0 events",
		`{}`:                                     "0 events",
		`{"events":[]}`:                          "0 events",
		`{"events":null,"before":{},"more":[1]}`: "0 events",
		`{"events":[` + event + `],"version":2}`: "1 events, up from 12:00:30, up 90 s",
		`{"events":[{"at":"2026-11-24T12:00:30Z","kind":"state"}]}`:                                                        "1 events, unknown from 12:00:30",
		`{"events":[{"at":"2026-11-24T12:00:30Z","kind":"x"}]}`:                                                            "0 events",
		`{"events":[` + event + `],"since":"2026-11-24T11:00:00Z"}`:                                                        "1 events, up from 11:00:00, up 90 s",
		`{"events":[` + event + `],"since":"2026-11-24T13:00:00Z"}`:                                                        "1 events, up from 12:00:30, up 90 s",
		`{"events":[` + event + `,{"at":"2020-01-01T00:00:00Z","kind":"released","state":"up"}]}`:                          "2 events, up from 12:00:30, up 90 s",
		`{"events":[` + event + `],"before":{"from":"2026-11-24T11:00:00Z","state":1}}`:                                    "1 events, up from 12:00:30, up 3690 s", // an hour, and no part of the open minute
		`{"events":[` + event + `],"before":{"from":"2026-11-24T12:00:10Z","state":2,"open":[15000000000,99000000000,7]}}`: "1 events, up from 12:00:30, up 105 s",
		`{"events":[` + event + `],"before":{"from":"2026-11-24T12:00:10Z","state":2,"open":[-1,-1,-1]}}`:                  "1 events, up from 12:00:30, up 90 s",
		`{"events":[` + event + `],"before":{"from":"2026-11-24T13:00:00Z","state":1}}`:                                    "1 events, up from 12:00:30, up 90 s",
		`{"events":[` + event + `],"before":{"from":"2026-11-24T11:00:00Z","state":3}}`:                                    "1 events, up from 12:00:30, up 90 s",
		mixed(event, "[[29925300,60,0,0,2]]"):                                                                              "1 events, up from 12:00:30, up 150 s",
		mixed(event, "[[29925300,60,0,0,2],[29925300,60,0,0,1],[29925290,60,0,0,1]]"):                                      "1 events, up from 12:00:30, up 150 s", // not in order
		mixed(event, "[[29925300,60,1,0,1],[29925301,-1,0,0,1],[29925302,60,0,0,3],[99925302,1,0,0,1]]"):                   "1 events, up from 12:00:30, up 90 s",
		mixed(event, "[[29925300,60],[29925301]]"):                                                                         "1 events, up from 12:00:30, up 150 s",  // unknown from then on
		mixed(event, "[[1,0,60,0,1]]"):                                                                                     "1 events, up from 12:00:30, up 3690 s", // before the day
	} {
		var l Log
		if err := json.Unmarshal([]byte(data), &l); err != nil {
			t.Errorf("%s: %v", data, err)
			continue
		}
		got := fmt.Sprintf("%d events", l.len())
		if since, ok := l.Since(); ok {
			state, _ := l.StateAt(noon.Add(time.Hour))
			got += fmt.Sprintf(", %v from %s", state, since.Format(time.TimeOnly))
			if s := l.Shares(noon.Add(-24*time.Hour), noon.Add(2*time.Minute)); s.Up > 0 {
				got += fmt.Sprintf(", up %.0f s", s.Up.Seconds())
			}
		}
		if got != want {
			t.Errorf("%s: %s, want %s", data, got, want)
		}
		reread(t, &l)
	}
	for _, data := range []string{`[]`, `{"events":{}}`, `{"events":[{"at":"now"}]}`, `{"events":[{"at":7}]}`, `{"before":7}`, `"x"`, `{`} {
		l := Log{newest: record{at: 7, set: true}}
		if err := json.Unmarshal([]byte(data), &l); err == nil || l.newest.at != 7 {
			t.Errorf("%s: error %v, log %+v, want an error and the log as it was", data, err, l)
		}
	}
}

// mixed returns a file with event, and the counters of minutes before it. The
// minute 29925300 begins an hour before noon of 2026-11-24... see the table.
func mixed(event, counters string) string {
	return `{"events":[` + event + `],"before":{"from":"2026-11-24T11:00:00Z","state":2,"mixed":` + counters + `}}`
}

// FuzzUnmarshal looks for files that make a Log that is too large, or that cannot
// be used or written.
func FuzzUnmarshal(f *testing.F) {
	const event = `{"at":"2026-11-24T12:00:30Z","kind":"state","state":"up"}`
	f.Add(`{"events":[` + event + `],"since":"2026-11-24T11:00:00Z","more":{}}`)
	f.Add(`{"events":[` + strings.Repeat(event+",", 60) + event + `]}`)
	f.Add(mixed(event, "[[29925300,60,0,0,2],[29925301,1,2,3,1]]"))
	f.Add(`{"events":[` + event + `],"before":{"from":"2026-11-24T12:00:10Z","state":2,"open":[15000000000,99000000000,7]}}`)
	f.Fuzz(func(t *testing.T, data string) {
		var l Log
		if json.Unmarshal([]byte(data), &l) != nil {
			return
		}
		checkBounds(t, &l)
		read := reread(t, &l)
		now := noon
		if n := l.len(); n > 0 {
			now = l.Events()[n-1].At.Add(time.Hour)
		}
		if got, want := read.Minutes(now), l.Minutes(now); got != want {
			t.Errorf("minutes of what is read again\n%v\nwant\n%v", got, want)
		}
		s := l.Shares(now.Add(-48*time.Hour), now)
		if s.Up < 0 || s.Down < 0 || s.Unknown < 0 || s.sum() > 48*time.Hour+time.Second {
			t.Errorf("shares %+v of two days", s)
		}
		checkBounds(t, l.Add(Event{At: now, Reason: data}))
	})
}

// checkBounds complains about a Log that is larger than Add makes it.
func checkBounds(t *testing.T, l *Log) {
	t.Helper()
	events := l.Events()
	if len(events) > 50 || l.past != nil && (len(l.past.records) > 49 || cap(l.past.records) > 64) {
		t.Errorf("%d events, want at most 50", len(events))
	}
	for i, e := range events {
		if len(e.Reason) > 300 || len(e.By) > 100 || len(e.What) > 100 || !utf8.ValidString(e.Reason+e.By+e.What) {
			t.Errorf("event %d: %q by %q, %q: too long, or not text", i, e.Reason, e.By, e.What)
		}
		if i > 0 && e.At.Before(events[i-1].At) || e.State > verdict.Down || e.Kind > OverrideEnded {
			t.Errorf("event %d: %+v", i, e)
		}
	}
	if l.past == nil || l.past.folded == nil {
		return
	}
	all := l.past.folded
	if len(all.mixed) > 1440 || cap(all.mixed) > 1536 {
		t.Errorf("%d counters in room for %d, want at most 1440", len(all.mixed), cap(all.mixed))
	}
	for i, m := range l.Minutes(events[len(events)-1].At) {
		if m.Up > 60 || m.Down > 60 || m.Unknown > 60 || int(m.Up)+int(m.Down)+int(m.Unknown) > 60 {
			t.Errorf("minute %d: %+v", i, m)
		}
	}
}
