package probe

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// This file enforces the rule for secrets:
//
// The options send, header and env, the query of a URL and the arguments of a
// command may contain secrets, and servers and programs repeat them. So text
// that this package did not write is foreign: it gets into an error only through
// the type foreign, and failure.Error decides here what of it is shown. If the
// check has no secrets, that is the whole text, quoted and cut. Otherwise every
// fragment of at least four characters of a secret is redacted first, and the
// text of a library's error, which may quote foreign text in other ways, is
// omitted.
//
// A hostile server can still reveal a secret, a character at a time or
// encrypted. The rule keeps out of the log what servers repeat.

// fragment is how many characters of a secret in a row are redacted.
const fragment = 4

// redacted replaces what is not shown.
const redacted = "***"

// A foreign is text that a server, a program or a library chose.
type foreign struct {
	text    string
	most    int  // bytes that are shown
	bare    bool // without quotes: a number, a date, or quoted already
	library bool // an error of a library
}

// String returns no text, in case a foreign is printed without secrets.show.
func (foreign) String() string { return redacted }

// mostForeign is how many bytes of a foreign text are kept.
const mostForeign = 1 << 10

func clip(text string) string { return text[:min(len(text), mostForeign)] }

// repeated returns text from a server or a program, as foreign.
func repeated(text string, most int) foreign { return foreign{text: clip(text), most: most} }

// value returns a number, a date or a code from the other side, as foreign.
func value(text string) foreign { return foreign{text: clip(text), most: mostForeign, bare: true} }

// fromLibrary returns the text of a library's error, as foreign.
func fromLibrary(err error) foreign {
	return foreign{text: clip(err.Error()), most: 200, library: true}
}

// secrets are the values of a check that may be secret. nil is none.
type secrets struct {
	values []string

	once    sync.Once
	runs    map[gram]bool           // the fragments of the values, in all their forms
	plain   map[gram]bool           // the fragments of the values' letters and digits only
	escaped map[int]map[string]bool // the escaped forms of fragments, by length in characters
	short   []string                // values shorter than a fragment
}

// A gram is one fragment, in lower case.
type gram [fragment]rune

// secretsOf collects the secrets of a check of any kind.
func secretsOf(s Spec) *secrets {
	var values []string
	for _, o := range s.Options {
		switch {
		case o.Name == "send" && len(o.Args) > 0:
			if sent, err := unescape(o.Args[0]); err == nil { // it was parsed
				values = append(values, string(sent))
			}
		case (o.Name == "header" || o.Name == "env") && len(o.Args) > 1:
			values = append(values, strings.Join(o.Args[1:], " "))
		}
	}
	if _, query, ok := strings.Cut(s.Args[0], "?"); ok {
		values = append(values, query)
	}
	if s.Args[0] == "exec" && len(s.Args) > 2 {
		for _, arg := range s.Args[2:] {
			if !isFile(s.Root, arg) { // failures should show the names of files
				values = append(values, arg)
			}
		}
	}
	if len(values) == 0 {
		return nil
	}
	return &secrets{values: values}
}

func isFile(root, name string) bool {
	_, err := os.Stat(path(root, name))
	return name != "" && err == nil
}

// guard returns c's probe with s redacted from its errors. Every error of every
// check passes through it, and so does the value of a panic.
func (s *secrets) guard(c Check) Func {
	return func(ctx context.Context, addr netip.Addr) (err error) {
		defer func() {
			if p := recover(); p != nil {
				err = &failure{c.Label, addr, reasonf("the probe panicked: %s", repeated(fmt.Sprint(p), 200)), errPanic, s}
			}
		}()
		err = c.Probe(ctx, addr)
		switch f, known := err.(*failure); { //nolint:errorlint // an error that wraps a failure has text of its own
		case err == nil:
			return nil
		case known:
			s.prepareOnce() // here, and not on the monitor's loop
			f.secrets = s
			return f
		default:
			return &failure{c.Label, addr, reasonf("%s", fromLibrary(err)), err, s}
		}
	}
}

// errPanic is the cause of the failure of a probe that panicked.
var errPanic = errors.New("the probe panicked")

// show returns what of t may be logged.
func (s *secrets) show(t foreign) string {
	text := t.text
	if s != nil {
		if t.library {
			return "failed (details omitted: they may contain a secret of the check)"
		}
		if s.tooLong() {
			return "(omitted: the secrets of the check are too long to search for)"
		}
		s.prepareOnce()
		text = s.remove(text)
	}
	text = strings.ToValidUTF8(text, "?")
	if len(text) > t.most {
		text = strings.ToValidUTF8(text[:t.most], "?") + "..."
	}
	if t.bare {
		return s.remove(text)
	}
	quoted := strconv.Quote(text)
	return `"` + s.remove(quoted[1:len(quoted)-1]) + `"`
}

// remove redacts s in text. It repeats that until it finds nothing: the text on
// both sides of a redaction may form a fragment again.
func (s *secrets) remove(text string) string {
	if s == nil {
		return text
	}
	for {
		runes := []rune(text)
		hidden, found := s.find(runes)
		if !found {
			return text
		}
		var out strings.Builder
		for i, r := range runes {
			switch {
			case !hidden[i]:
				out.WriteRune(r)
			case i == 0 || !hidden[i-1]:
				out.WriteString(redacted)
			}
		}
		text = out.String()
	}
}

// find returns which characters of text belong to s.
func (s *secrets) find(text []rune) (hidden []bool, found bool) {
	hidden = make([]bool, len(text))
	hide := func(from, to int) {
		found = true
		for i := from; i < to; i++ {
			hidden[i] = true
		}
	}
	s.findIn(text, hide)
	if decoded, at := unescaped(text); decoded != nil {
		s.findIn(decoded, func(from, to int) { hide(at[from], at[to]) })
	}
	return hidden, found
}

// findIn hides the characters of text that belong to s.
func (s *secrets) findIn(text []rune, hide func(from, to int)) {
	folded := make([]rune, len(text))
	for i, r := range text {
		folded[i] = fold(r)
	}
	for i := 0; i+fragment <= len(text); i++ {
		if s.runs[gram(folded[i:i+fragment])] {
			hide(i, i+fragment)
		}
	}
	for length, forms := range s.escaped {
		for i := 0; i+length <= len(text); i++ {
			if forms[string(folded[i:i+length])] {
				hide(i, i+length)
			}
		}
	}
	s.findPlain(folded, hide)
}

// findPlain hides fragments whose letters and digits have few other characters
// between them, and short values that are words of their own.
func (s *secrets) findPlain(folded []rune, hide func(from, to int)) {
	places := make([]int, 0, len(folded))
	for i, r := range folded {
		if isWord(r) {
			places = append(places, i)
		}
	}
	for i := 0; i+fragment <= len(places); i++ {
		at := places[i : i+fragment]
		letters := gram{folded[at[0]], folded[at[1]], folded[at[2]], folded[at[3]]}
		if s.plain[letters] && at[fragment-1]-at[0] < fragment*fragment {
			hide(at[0], at[fragment-1]+1)
		}
	}
	for from, to := range words(places) {
		if slices.Contains(s.short, string(folded[from:to])) {
			hide(from, to)
		}
	}
}

// words yields the start and the end of each word: a run of consecutive numbers
// in places, which ascend.
func words(places []int) func(yield func(int, int) bool) {
	return func(yield func(int, int) bool) {
		for i := 0; i < len(places); {
			from := i
			i++
			for i < len(places) && places[i] == places[i-1]+1 {
				i++
			}
			if !yield(places[from], places[i-1]+1) {
				return
			}
		}
	}
}

// tooLong reports whether searching for s would take too much time and memory. No
// key or token is that long.
func (s *secrets) tooLong() bool {
	const most = 16 << 10
	length := 0
	for _, v := range s.values {
		length += len(v)
	}
	return length > most
}

// prepareOnce makes s ready for show.
func (s *secrets) prepareOnce() {
	if s != nil && !s.tooLong() {
		s.once.Do(s.prepare)
	}
}

// prepare computes what to search for. That is done at the first failure only,
// since most checks pass: a key of 3 KB takes about 10 ms.
func (s *secrets) prepare() {
	s.runs, s.plain, s.escaped = make(map[gram]bool), make(map[gram]bool), make(map[int]map[string]bool)
	for _, v := range s.values {
		if bare := strings.TrimFunc(v, func(r rune) bool { return !isWord(r) }); utf8.RuneCountInString(bare) < fragment {
			if len(bare) > 1 { // one letter is not a secret: LANG=C
				s.short = append(s.short, strings.Map(fold, bare))
			}
		}
		for _, form := range forms(v) {
			s.learn(form)
		}
		all := []rune(v)
		for i := 0; i+fragment <= len(all); i++ {
			for _, form := range escaped(string(all[i : i+fragment])) {
				s.learnEscaped(strings.Map(fold, form))
			}
		}
	}
}

// learn adds the fragments of text.
func (s *secrets) learn(text string) {
	all := []rune(strings.Map(fold, text))
	letters := make([]rune, 0, len(all))
	for _, r := range all {
		if isWord(r) {
			letters = append(letters, r)
		}
	}
	for i := 0; i+fragment <= len(all); i++ {
		s.runs[gram(all[i:i+fragment])] = true
	}
	for i := 0; i+fragment <= len(letters); i++ {
		s.plain[gram(letters[i:i+fragment])] = true
	}
}

// learnEscaped adds an escaped fragment.
func (s *secrets) learnEscaped(form string) {
	length := utf8.RuneCountInString(form)
	if s.escaped[length] == nil {
		s.escaped[length] = make(map[string]bool)
	}
	s.escaped[length][form] = true
}

func isWord(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }

// fold returns the same rune for all cases of r.
func fold(r rune) rune { return unicode.ToLower(unicode.ToUpper(r)) }
