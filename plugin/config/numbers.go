package config

import (
	"fmt"
	"strconv"
	"time"
)

// duration reads text, a Go duration on the line l, from least to most. A number
// without a unit is an error of its own: people write "interval 10".
func duration(l Line, text string, least, most time.Duration) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err != nil {
		if _, err := strconv.ParseFloat(text, 64); err == nil {
			return 0, l.Errorf("%s: %q has no unit, want a duration such as %ss", l.word(), text, text)
		}
		return 0, l.Errorf("%s: got %q, want a duration such as 500ms, 10s or 2m", l.word(), text)
	}
	if d < least || d > most {
		return 0, l.Errorf("%s: got %v, want %v to %v", l.word(), d, least, most)
	}
	return d, nil
}

// oneDuration reads the only argument of l, as duration does; want describes it.
func oneDuration(l Line, want string, least, most time.Duration) (time.Duration, error) {
	text, err := l.arg(want)
	if err != nil {
		return 0, err
	}
	return duration(l, text, least, most)
}

// seconds rounds d up to whole seconds.
func seconds(d time.Duration) uint32 {
	return uint32((d + time.Second - 1) / time.Second) // #nosec G115 -- what the Corefile can set is less
}

// number reads text, a whole number from least to most. Its error has no
// position.
func number(text string, least, most int) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > most {
		return 0, fmt.Errorf("got %s, want a whole number from %d to %d", orNothing(text), least, most)
	}
	return n, nil
}

// orNothing quotes a word for an error, or returns "nothing".
func orNothing(text string) string {
	if text == "" {
		return "nothing"
	}
	return strconv.Quote(text)
}
