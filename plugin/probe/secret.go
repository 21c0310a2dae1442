package probe

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
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
