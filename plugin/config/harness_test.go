package config

import (
	"strings"
	"testing"
)

// text returns the stanzas of a server block as lines. Words are separated by
// space, or quoted; a brace ends or begins a block. It reads what the tests have,
// not all that CoreDNS reads: no comments, imports, variables or escapes.
func text(block string) []Line {
	r := &reader{lines: strings.Split(block, "\n")}
	return r.block()
}

// A reader reads lines of text, one after the other.
type reader struct {
	lines []string
	no    int
}

// block returns the lines until the end of the block, or of the text.
func (r *reader) block() []Line {
	all := []Line{}
	for r.no < len(r.lines) {
		words := split(r.lines[r.no])
		r.no++
		l := Line{File: "Corefile", No: r.no, Words: words}
		switch last := len(words) - 1; {
		case last < 0:
			continue
		case words[0] == "}":
			return all
		case words[last] == "{" && last > 0:
			l.Words, l.Block = words[:last], r.block()
		}
		all = append(all, l)
	}
	return all
}

// split returns the words of a line, without their quotes.
func split(line string) (words []string) {
	for line = strings.TrimSpace(line); line != ""; line = strings.TrimSpace(line) {
		var word string
		if quoted, ok := strings.CutPrefix(line, `"`); ok {
			word, line, _ = strings.Cut(quoted, `"`)
		} else if end := strings.IndexAny(line, " \t"); end >= 0 {
			word, line = line[:end], line[end:]
		} else {
			word, line = line, ""
		}
		words = append(words, word)
	}
	return words
}

var exampleOrg = Block{Zones: []string{"example.org."}}

// stanza returns the first stanza of a server block for example.org.
func stanza(t *testing.T, block string) Stanza {
	t.Helper()
	all, _, err := Parse(text(block), exampleOrg)
	if err != nil {
		t.Fatal(err)
	}
	return all[0]
}
