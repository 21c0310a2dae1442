// Package names finds the entry for a domain name. An entry is an int32, the
// caller's index into a slab of its own: a map without pointers to values is
// less work for the garbage collector, and 100,000 names are ordinary.
//
// Table is for names that are served: it matches a whole name, or a wildcard as
// RFC 4592 defines it. Suffixes is for rules about a part of the tree: it
// matches every name at or below one, and the longest wins.
//
// Names are added in lower case with the final dot. Match accepts any case
// (RFC 4343) and allocates nothing: it lowers the name into a buffer on the
// stack and looks each suffix up as bytes. Add must not run beside Match.
package names

import (
	"strings"

	"github.com/miekg/dns"
)

// A Table has entries for names and for wildcards (*.example.org).
//
// A wildcard matches a name below the asterisk's parent, at any depth, unless a
// name on the way to it exists. The names that exist are those with an entry,
// and those above one. The zero value is an empty table, which cannot be added to.
type Table struct {
	exact    map[string]int32    // by name, wildcards under their own
	wildcard map[string]int32    // by the name that the asterisk is below
	above    map[string]struct{} // names that have an entry below them
}

// NewTable returns an empty table with room for size entries.
func NewTable(size int) Table {
	return Table{make(map[string]int32, size), make(map[string]int32), make(map[string]struct{})}
}

// Add sets the entry of name to i.
func (t *Table) Add(name string, i int32) {
	t.exact[name] = i
	if parent, ok := strings.CutPrefix(name, "*."); ok {
		t.wildcard[parent] = i
	}
	for off, end := dns.NextLabel(name, 0); !end; off, end = dns.NextLabel(name, off) {
		t.above[name[off:]] = struct{}{}
	}
}

// Match returns the entry for name. It returns false if no entry matches.
func (t *Table) Match(name string) (int32, bool) {
	if len(t.exact) == 0 {
		return 0, false
	}
	var room [roomForName]byte
	lower := appendLower(room[:0], name)
	if i, ok := t.exact[string(lower)]; ok || len(t.wildcard) == 0 || t.isAbove(lower) {
		return i, ok
	}
	for off, end := dns.NextLabel(name, 0); !end; off, end = dns.NextLabel(name, off) {
		if t.exists(lower[off:]) {
			i, ok := t.wildcard[string(lower[off:])]
			return i, ok // the closest encloser decides
		}
	}
	return 0, false
}

// Above reports whether name has no entry of its own and an entry below it.
func (t *Table) Above(name string) bool {
	if len(t.exact) == 0 {
		return false
	}
	var room [roomForName]byte
	lower := appendLower(room[:0], name)
	if _, ok := t.exact[string(lower)]; ok {
		return false
	}
	return t.isAbove(lower)
}

func (t *Table) isAbove(lower []byte) bool {
	_, ok := t.above[string(lower)]
	return ok
}

// exists reports whether name has an entry, or has one below it.
func (t *Table) exists(lower []byte) bool {
	if t.isAbove(lower) {
		return true
	}
	_, ok := t.exact[string(lower)]
	return ok
}
