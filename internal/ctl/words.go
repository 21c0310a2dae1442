package ctl

import (
	"cmp"
	"fmt"
	"time"

	"github.com/rrhealth/rrhealth/plugin/api"
)

// state returns a cell with a state, in its color.
func state(text string) painted {
	switch text {
	case "up", "ok":
		return painted{text, green}
	case "down", "all_down", "short":
		return painted{text, red}
	case "unknown", "degraded", "held_down", "drained":
		return painted{text, yellow}
	}
	return painted{text, noColor}
}

// head returns the head of a column of painted cells.
func head(text string) painted { return painted{text, noColor} }

// when returns a time, in a form that --until and --at take.
func (a *app) when(t api.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.In(a.Zone).Format(time.RFC3339)
}

// ago returns how long ago t was, or how long it will be until then.
func ago(t api.Time) string {
	switch d := time.Since(t.Time); {
	case t.IsZero():
		return "-"
	case d <= -time.Second:
		return "in " + span(-d)
	default:
		return span(d)
	}
}

// span returns a duration with its two largest units.
func span(d time.Duration) string {
	var text string
	rest := int64(max(d, 0) / time.Second)
	for _, u := range spanUnits {
		n := rest / u.seconds
		rest %= u.seconds
		last := text != ""
		if n > 0 {
			text += fmt.Sprintf("%d%s", n, u.name)
		}
		if last {
			break
		}
	}
	return cmp.Or(text, "0s")
}

var spanUnits = []struct {
	name    string
	seconds int64
}{{"d", 86400}, {"h", 3600}, {"m", 60}, {"s", 1}}

// seconds returns a duration of the API.
func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// count returns "1 pool", "2 pools".
func count(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %ss", n, one)
}

// dash returns text, or a dash if there is none: an empty cell is hard to see.
func dash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// place returns the server block and the view of a stanza, as one word.
func place(server, view string) string {
	if view == "" {
		return server
	}
	return server + " view " + view
}
