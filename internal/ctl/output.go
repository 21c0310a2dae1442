package ctl

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"
	"unicode"
	"unicode/utf8"
)

// The values of -o.
const (
	formatTable = "table"
	formatJSON  = "json"
)

// emit prints a result: v as JSON, or keys, one a line, or what draw draws.
func (a *app) emit(v any, keys func() []string, draw func(*table)) error {
	switch {
	case a.format == formatJSON:
		return a.json(v, "  ")
	case a.quiet:
		for _, key := range keys() {
			if _, err := fmt.Fprintln(a.Out, clean(key)); err != nil {
				return err
			}
		}
		return nil
	}
	t := newTable(a.colored())
	draw(t)
	_, err := a.Out.Write(t.bytes())
	return err
}

// json prints v. Characters that HTML needs escaped are printed as they are.
func (a *app) json(v any, indent string) error {
	e := json.NewEncoder(a.Out)
	e.SetEscapeHTML(false)
	e.SetIndent("", indent)
	return e.Encode(v)
}

// colored reports whether tables have colors: on a terminal, unless the variable
// NO_COLOR asks for none (https://no-color.org).
func (a *app) colored() bool { return a.OutTerminal && a.Getenv("NO_COLOR") == "" }

// A table is text in columns.
type table struct {
	buf   bytes.Buffer
	w     *tabwriter.Writer
	color bool
}

func newTable(color bool) *table {
	t := &table{color: color}
	t.w = tabwriter.NewWriter(&t.buf, 0, 8, 2, ' ', 0)
	return t
}

// A painted is a cell with a color. tabwriter counts the bytes that set a color
// as if they were seen, so every cell of such a column needs them: also those of
// the default color.
type painted struct {
	text string
	code int
}

// The codes of colors.
const (
	red     = 31
	green   = 32
	yellow  = 33
	noColor = 39
)

// row adds a row of strings and painted cells.
func (t *table) row(cells ...any) {
	words := make([]string, len(cells))
	for i, cell := range cells {
		words[i] = t.cell(cell)
	}
	fmt.Fprintln(t.w, strings.Join(words, "\t"))
}

func (t *table) cell(cell any) string {
	c, ok := cell.(painted)
	if !ok {
		return clean(fmt.Sprint(cell))
	}
	if !t.color {
		return clean(c.text)
	}
	return fmt.Sprintf("\x1b[%dm%s\x1b[%dm", c.code, clean(c.text), noColor)
}

// line ends the columns and adds a line without any. An empty one separates.
func (t *table) line(format string, args ...any) {
	t.w.Flush()
	fmt.Fprintln(&t.buf, clean(fmt.Sprintf(format, args...)))
}

// bytes returns the text, without blanks at the ends of lines.
func (t *table) bytes() []byte {
	t.w.Flush()
	lines := strings.Split(t.buf.String(), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return []byte(strings.Join(lines, "\n"))
}

// clean returns text as a terminal may show it: reasons and names come from the
// network, and control characters could move the cursor or set the title.
func clean(text string) string {
	if utf8.ValidString(text) && !strings.ContainsFunc(text, hidden) {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		if r == utf8.RuneError || hidden(r) {
			fmt.Fprintf(&b, `\u%04x`, r)
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

func hidden(r rune) bool { return !unicode.IsPrint(r) }
