package rrhealth

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"github.com/coredns/caddy"
	"github.com/coredns/coredns/plugin"
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

// problems are the errors of a Corefile. All are reported at once: an operator
// who fixes one at a time reloads once for each.
type problems []problem

// add appends the errors that err joins. One without a position is about l.
func (ps *problems) add(l line, err error) {
	switch err := err.(type) {
	case nil:
	case problem:
		*ps = append(*ps, err)
	case interface{ Unwrap() []error }:
		for _, one := range err.Unwrap() {
			ps.add(l, one)
		}
	default:
		*ps = append(*ps, l.problem(err.Error()))
	}
}

// err returns ps in the order of the Corefile, each once, or nil when there are
// none. A snippet has its errors once for each stanza that imports it. Imported
// files come in the order in which their first error was found.
func (ps problems) err() error {
	if len(ps) == 0 {
		return nil
	}
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
// its middle: what was wrong stands at its beginning, what to type at its end.
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

// pending holds the problems of Corefiles that are being read. CoreDNS stops at
// the first server block whose setup returns an error. So setup notes its
// errors here, and reportPending returns them when CoreDNS has read rrhealth in
// all server blocks, before it goes on to the next directive.
var pending = struct {
	sync.Mutex
	of map[caddy.Context]problems
}{of: make(map[caddy.Context]problems)}

func init() { caddy.RegisterParsingCallback("dns", pluginName, reportPending) }

// postpone notes err for reportPending and returns nil. It returns err itself
// where CoreDNS calls no reportPending: when a Corefile is validated and not
// started, and in programs that drive plugins by hand.
func postpone(c *caddy.Controller, err error) error {
	ps, ok := err.(problems)
	err = plugin.Error(pluginName, err)
	if !ok || !instanceOf(c).inList() {
		return err
	}
	// In case reportPending is not called after all: better no start than one
	// without the server block's stanzas.
	c.OnStartup(func() error { return err })
	pending.Lock()
	defer pending.Unlock()
	pending.of[c.Context()] = append(pending.of[c.Context()], ps...)
	return nil
}

// reportPending returns the problems that were noted for the Corefile of ctx.
func reportPending(ctx caddy.Context) error {
	pending.Lock()
	defer pending.Unlock()
	ps := pending.of[ctx]
	delete(pending.of, ctx)
	if err := ps.err(); err != nil {
		return plugin.Error(pluginName, err)
	}
	return nil
}
