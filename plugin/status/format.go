package status

import (
	"strings"
	"unicode"
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
