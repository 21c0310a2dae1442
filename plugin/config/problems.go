package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The bounds of an error text, in bytes and lines. A Corefile may have words of
// a megabyte, and the error is logged in one piece.
const (
	maxWordShown = 100
	maxErrorText = 900 // with the position and the plugin's name, a line is below 1 kB
	maxProblems  = 20
)

// A problem is one error in a Corefile, at the line that it is about.
type problem struct {
	file string
	no   int
	text string
}

// Error is worded like the errors of CoreDNS's own parser.
func (p problem) Error() string {
	return fmt.Sprintf("%s:%d - Error during parsing: %s", p.file, p.no, p.text)
}

// problems are the errors of a Corefile. They are reported at once: an operator
// who gets one at a time reloads once for each.
type problems []problem

// Join returns the errors that Parse and Line.Errorf have returned as one: in
// the order of the Corefile, each once. It returns nil if every err is nil. A
// snippet has its errors once for each stanza that imports it; imported files
// come in the order in which their first error was found.
func Join(errs ...error) error {
	var found problems
	for _, err := range errs {
		found.add(Line{}, err)
	}
	if len(found) == 0 {
		return nil
	}
	return found.sorted()
}

// add appends the errors that err joins. One without a position is about l.
func (ps *problems) add(l Line, err error) {
	switch err := err.(type) {
	case nil:
	case problem:
		*ps = append(*ps, err)
	case problems:
		*ps = append(*ps, err...)
	case interface{ Unwrap() []error }:
		for _, one := range err.Unwrap() {
			ps.add(l, one)
		}
	default:
		ps.add(l, l.Errorf("%v", err))
	}
}

// sorted returns ps as Join does.
func (ps problems) sorted() problems {
	rank := make(map[string]int)
	seen := make(map[problem]bool)
	var once problems
	for _, p := range ps {
		if _, ok := rank[p.file]; !ok {
			rank[p.file] = len(rank)
		}
		if !seen[p] {
			seen[p] = true
			once = append(once, p)
		}
	}
	slices.SortStableFunc(once, func(a, b problem) int {
		return cmp.Or(cmp.Compare(rank[a.file], rank[b.file]), cmp.Compare(a.no, b.no))
	})
	return once
}

// Error has a line for each problem, up to maxProblems.
func (ps problems) Error() string {
	if len(ps) == 1 {
		return ps[0].Error()
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d errors in the Corefile:", len(ps))
	for _, p := range ps[:min(len(ps), maxProblems)] {
		b.WriteString("\n" + p.Error())
	}
	if more := len(ps) - maxProblems; more > 0 {
		fmt.Fprintf(&b, "\nand %d more", more)
	}
	return b.String()
}

// clip shortens long words in text, and cuts a text that is still too long in
// its middle: it begins with what is wrong, and ends with what to type.
func clip(text string) string {
	if len(text) <= maxWordShown {
		return text
	}
	var b strings.Builder
	for len(text) > 0 {
		end := strings.IndexFunc(text, unicode.IsSpace)
		if end < 0 {
			end = len(text)
		}
		word := text[:end]
		if len(word) > maxWordShown {
			word = beginning(word, maxWordShown*3/4) + "..." + ending(word, maxWordShown/4)
		}
		b.WriteString(word)
		if text = text[end:]; text != "" {
			_, size := utf8.DecodeRuneInString(text)
			b.WriteString(text[:size])
			text = text[size:]
		}
	}
	text = b.String()
	if len(text) > maxErrorText {
		text = beginning(text, maxErrorText/2) + "..." + ending(text, maxErrorText/2-3)
	}
	return text
}

// beginning returns the first n bytes of text, or fewer: no character is cut.
func beginning(text string, n int) string {
	for n > 0 && n < len(text) && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:min(n, len(text))]
}

// ending returns the last n bytes of text, or fewer: no character is cut.
func ending(text string, n int) string {
	at := len(text) - n
	for at < len(text) && !utf8.RuneStart(text[at]) {
		at++
	}
	return text[at:]
}
