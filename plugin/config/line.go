package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A Line is one line of a Corefile: its words, and the block that it opens. A
// stanza is read into lines first, so that every error can name the line that it
// is about.
type Line struct {
	File  string
	No    int      // from 1
	Words []string // at least one; quotes are removed, variables replaced
	Block []Line   // nil without braces
}

// Errorf returns an error about l, worded as CoreDNS's own parser does. It
// shortens long words and long texts.
func (l Line) Errorf(format string, args ...any) error {
	return problem{l.File, l.No, clip(fmt.Sprintf(format, args...))}
}

// readable returns an error if a word of l is not UTF-8. CoreDNS replaces what it
// cannot read by U+FFFD: rrhealth would send other bytes, and read other files,
// than the Corefile names. The error has no word of l, which may be a secret.
func (l Line) readable() error {
	for i, w := range l.Words {
		if strings.ContainsRune(w, utf8.RuneError) { // true also for bytes that are not UTF-8
			return l.Errorf("%s: word %d is not UTF-8; save the Corefile as UTF-8, and write other bytes as \\xHH, which send understands", strconv.QuoteToASCII(l.word()), i+1)
		}
	}
	return nil
}

// expanded returns an error if l is an import that CoreDNS did not replace.
func (l Line) expanded() error {
	if l.word() != "import" {
		return nil
	}
	return l.Errorf("import: CoreDNS did not expand it (got import %s), because it is the first line of a snippet; put another line before it, or import that snippet directly", strings.Join(l.args(), " "))
}

// pos returns the position of l.
func (l Line) pos() string { return fmt.Sprintf("%s:%d", l.File, l.No) }

// word returns the name of the option that l sets, and args what follows it.
func (l Line) word() string   { return l.Words[0] }
func (l Line) args() []string { return l.Words[1:] }

// arg returns the only argument of l; want describes it for the error.
func (l Line) arg(want string) (string, error) {
	if len(l.args()) != 1 {
		return "", l.Errorf("%s: got %s, want %s", l.word(), quoted(l.args()), want)
	}
	return l.args()[0], nil
}

// has reports whether l's block has the option word.
func (l Line) has(word string) bool { return l.index(word) >= 0 }

// at returns the first line of l's block for the option word. Without one it
// returns l, for an error about what the block lacks.
func (l Line) at(word string) Line {
	if i := l.index(word); i >= 0 {
		return l.Block[i]
	}
	return l
}

// index returns the index of the first line of l's block for the option word, or -1.
func (l Line) index(word string) int {
	return slices.IndexFunc(l.Block, func(inner Line) bool { return inner.word() == word })
}

// quoted lists words for an error.
func quoted(words []string) string {
	if len(words) == 0 {
		return "nothing"
	}
	return fmt.Sprintf("%q", strings.Join(words, " "))
}
