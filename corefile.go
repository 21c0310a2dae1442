package rrhealth

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/coredns/caddy"
)

// A line is one line of a Corefile: its words, and the block that it opens.
// Reading a stanza into lines first, and making sense of them afterwards, lets
// every error name the place that it is about.
type line struct {
	file  string
	no    int
	words []string
	block []line // nil without braces
}

// readLine reads the line that c stands at, with its block.
func readLine(c *caddy.Controller) (line, error) {
	l := line{file: c.File(), no: c.Line(), words: []string{c.Val()}}
	if l.words[0] == "{" {
		return l, l.errorf("unexpected {, want it at the end of the line before")
	}
	l.words = append(l.words, c.RemainingArgs()...)
	if slices.Contains(l.words, "}") {
		return l, l.errorf("unexpected } behind %q, want it on a line of its own", l.words[0])
	}
	if !c.NextArg() {
		return l, nil
	}
	// RemainingArgs stops at nothing but the end of the line or a brace.
	l.block = []line{}
	if c.NextArg() {
		return l, l.errorf("unexpected %q behind {, want the block on lines of its own", c.Val())
	}
	for c.Next() {
		if c.Val() == "}" {
			return l, nil
		}
		inner, err := readLine(c)
		if err != nil {
			return l, err
		}
		l.block = append(l.block, inner)
	}
	return l, l.errorf("no } for the { of %q", l.words[0])
}

// errorf is an error about l.
func (l line) errorf(format string, args ...any) error {
	return l.problem(fmt.Sprintf(format, args...))
}

func (l line) problem(text string) problem { return problem{l.file, l.no, clip(text)} }

// readable returns an error when a word of l is not UTF-8. CoreDNS has put
// U+FFFD in place of what it could not read: other bytes would be sent, and
// other files be read, than the Corefile names. The words may be secrets.
func (l line) readable() error {
	for i, w := range l.words {
		if strings.ContainsRune(w, utf8.RuneError) { // true also for bytes that are not UTF-8
			return l.errorf("%s: word %d is not UTF-8; save the Corefile as UTF-8, and write other bytes as \\xHH, which send understands", strconv.QuoteToASCII(l.word()), i+1)
		}
	}
	return nil
}

// notExpanded returns an error when l is an import that CoreDNS left as it was.
func (l line) notExpanded() error {
	if l.word() != "import" {
		return nil
	}
	return l.errorf("import: CoreDNS did not expand it (got import %s), because it is the first line of a snippet; put another line before it, or import that snippet directly", strings.Join(l.args(), " "))
}

// pos is where l stands.
func (l line) pos() string { return fmt.Sprintf("%s:%d", l.file, l.no) }

// word is what l is about; args are the words behind it.
func (l line) word() string   { return l.words[0] }
func (l line) args() []string { return l.words[1:] }

// find returns the line of l's block that is about word, or l.
func (l line) find(word string) line {
	for _, inner := range l.block {
		if inner.word() == word {
			return inner
		}
	}
	return l
}

// one returns the only argument of l.
func (l line) one(want string) (string, error) {
	if len(l.args()) != 1 {
		return "", l.errorf("%s: got %s, want %s", l.word(), quoted(l.args()), want)
	}
	return l.args()[0], nil
}

// quoted lists what was found, for an error text.
func quoted(words []string) string {
	if len(words) == 0 {
		return "nothing"
	}
	return fmt.Sprintf("%q", strings.Join(words, " "))
}
