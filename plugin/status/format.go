package status

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/rrhealth/rrhealth/plugin/api"
)

// shorten cuts text from a client or from the network for display, and takes the
// characters out that a terminal would obey.
func shorten(text string, most int) string {
	text = plainText(text)
	n := 0
	for i := range text {
		if n++; n > most {
			return text[:i] + "…"
		}
	}
	return text
}

// plainText returns text with a replacement for each byte or character that is not
// to be printed: control characters, and those that turn the direction of writing.
func plainText(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		if unicode.IsSpace(r) {
			return ' '
		}
		return unicode.ReplacementChar
	}, text)
}

// glyphs stand beside the words of states, so that neither color nor reading is
// needed to find one.
var glyphs = map[string]string{
	"up": "▲", "down": "▼", "unknown": "?", "held_down": "◆", "drained": "■",
	"ok": "▲", "degraded": "◆", "short": "▼", "all_down": "▼",
}

// label returns the words for a state.
func label(state string) string {
	switch state {
	case "all_down":
		return "all down"
	case "held_down":
		return "held down"
	case "short":
		return "fewer than min_up"
	}
	return shorten(state, 20)
}

// grouped returns n with a comma between thousands.
func grouped(n int) string {
	text := strconv.Itoa(n)
	for at := len(text) - 3; at > 0 && text[at-1] != '-'; at -= 3 {
		text = text[:at] + "," + text[at:]
	}
	return text
}

// span returns a duration in its largest two units.
func span(d time.Duration) string {
	s := int64((d + 500*time.Millisecond) / time.Second)
	switch {
	case s < 60:
		return fmt.Sprintf("%d s", s)
	case s < 3600:
		return units(s, 60, "min", "s")
	case s < 86400:
		return units(s/60, 60, "h", "min")
	}
	return units(s/3600, 24, "d", "h")
}

func units(n, most int64, large, small string) string {
	if n%most == 0 {
		return fmt.Sprintf("%d %s", n/most, large)
	}
	return fmt.Sprintf("%d %s %d %s", n/most, large, n%most, small)
}

func ago(t, now time.Time) when {
	switch {
	case t.IsZero():
		return when{}
	case now.Sub(t) < time.Second:
		return when{"now", exact(t)}
	}
	return when{span(now.Sub(t)) + " ago", exact(t)}
}

// exact returns t as the JSON has it, to the second.
func exact(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }

// share returns how long a backend was up, of the time that is known. It rounds
// down: 100 % is for those that were never down.
func share(s api.Shares) string {
	known := s.Up + s.Down
	if known <= 0 {
		return "not known"
	}
	return strconv.FormatFloat(math.Floor(s.Up/known*10000)/100, 'f', -1, 64) + " %"
}

// Sizes of the picture of a day, in pixels: 48 half hours.
const (
	halfHours = 48
	barWidth  = 3
	barHeight = 16
	markTop   = 18
	markSize  = 4
)

// draw returns the picture of a day: a bar for each half hour, as high as the
// backend was up, and below it a mark where it was down. A half hour without a
// verdict has neither.
func draw(day, share string) picture {
	if len(day) > halfHours {
		day = day[len(day)-halfHours:]
	}
	var up, down strings.Builder
	for start := 0; start < len(day); {
		end := start + 1
		for end < len(day) && day[end] == day[start] {
			end++
		}
		x, width := (halfHours-len(day)+start)*barWidth, (end-start)*barWidth
		if digit := int(day[start]) - '0'; digit >= 0 && digit <= 9 {
			height := (digit*barHeight + 8) / 9
			fmt.Fprintf(&up, "M%d %dv-%dh%dv%dz", x, barHeight, height, width, height)
			if digit < 9 {
				fmt.Fprintf(&down, "M%d %dh%dv%dh-%dz", x, markTop, width, markSize, width)
			}
		}
		start = end
	}
	text := share + " up in the last 24 hours"
	return picture(fmt.Sprintf(`<svg class="day" role="img" aria-label="%s" width="%d" height="%d" viewBox="0 0 %d %d"><title>%s</title><path class="u" d="%s"/><path class="d" d="%s"/></svg>`,
		text, halfHours*barWidth, markTop+markSize, halfHours*barWidth, markTop+markSize, text, up.String(), down.String())) // #nosec G203 -- numbers only
}
