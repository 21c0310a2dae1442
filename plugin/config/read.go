package config

import "slices"

// Tokens are the words of a Corefile, read one after the other. Caddy's Dispenser
// is one; this package has its methods here, so as not to depend on caddy.
type Tokens interface {
	Next() bool              // goes on to the next word
	NextArg() bool           // goes on to the next word if it is on the same line
	RemainingArgs() []string // goes on to the end of the line, or to a brace
	Val() string
	File() string
	Line() int
}

// ReadLines reads the lines of one server block that begin with the word name,
// each with its block. It stops at the first error: where the next line begins is
// not certain then.
func ReadLines(t Tokens, name string) ([]Line, error) {
	var lines []Line
	for t.Next() {
		l, err := readLine(t)
		if err == nil && l.word() != name {
			err = l.Errorf("unexpected %q, want %s", l.word(), name)
		}
		if err != nil {
			if n := len(lines); n > 0 && lines[n-1].Block == nil {
				lines = lines[:n-1] // it lacks its block for the same reason: a brace on a line of its own
			}
			return lines, err
		}
		lines = append(lines, l)
	}
	return lines, nil
}

// readLine reads the line that t is at, with its block.
func readLine(t Tokens) (Line, error) {
	l := Line{File: t.File(), No: t.Line(), Words: []string{t.Val()}}
	if l.word() == "{" {
		return l, l.Errorf("unexpected {, want it at the end of the line before")
	}
	l.Words = append(l.Words, t.RemainingArgs()...)
	if slices.Contains(l.Words, "}") {
		return l, l.Errorf("unexpected } behind %q, want it on a line of its own", l.word())
	}
	if !t.NextArg() {
		return l, nil
	}
	// RemainingArgs stops only at the end of the line or at a brace.
	l.Block = []Line{}
	if t.NextArg() {
		return l, l.Errorf("unexpected %q behind {, want the block on lines of its own", t.Val())
	}
	for t.Next() {
		if t.Val() == "}" {
			return l, nil
		}
		inner, err := readLine(t)
		if err != nil {
			return l, err
		}
		l.Block = append(l.Block, inner)
	}
	return l, l.Errorf("no } for the { of %q", l.word())
}
