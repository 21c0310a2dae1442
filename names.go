package rrhealth

import (
	"strings"

	"github.com/miekg/dns"
)

// names finds the pool for a name. It is fixed when the Corefile is parsed.
//
// Wildcards follow RFC 4592: *.example.org answers for a name below
// example.org, at any depth, unless a name on the way to it exists, and among
// our own names those exist that a stanza names and those above them.
type names struct {
	exact    map[string]*served // by name, wildcards under their own
	wildcard map[string]*served // by the name that the asterisk stands below
	above    map[string]bool    // names that have one of ours below them
}

func newNames(size int) names {
	return names{make(map[string]*served, size), make(map[string]*served), make(map[string]bool)}
}

func (n names) add(p *served) {
	n.exact[p.Name] = p
	if below, ok := strings.CutPrefix(p.Name, "*."); ok {
		n.wildcard[below] = p
	}
	for off, end := dns.NextLabel(p.Name, 0); !end; off, end = dns.NextLabel(p.Name, off) {
		n.above[p.Name[off:]] = true
	}
}

// match returns the pool for name, in whatever case, or nil.
func (n names) match(name string) *served {
	if len(n.exact) == 0 {
		return nil // a server block with filters only
	}
	// Looked up byte-wise: the lower-cased name need not become a string, and
	// so need not be allocated. Only names full of escapes are longer than the
	// room; a larger one would make the stack of each query grow.
	var room [256]byte
	lower := appendLower(room[:0], name)
	if p := n.exact[string(lower)]; p != nil || len(n.wildcard) == 0 || n.above[string(lower)] {
		return p
	}
	for off, end := dns.NextLabel(name, 0); !end; off, end = dns.NextLabel(name, off) {
		if above := lower[off:]; n.above[string(above)] || n.exact[string(above)] != nil {
			return n.wildcard[string(above)] // the closest encloser decides
		}
	}
	return nil
}

// isAbove reports whether name is no pool's, but has a pool's name below it.
func (n names) isAbove(name string) bool {
	if len(n.exact) == 0 {
		return false
	}
	var room [256]byte // as in match
	lower := appendLower(room[:0], name)
	return n.above[string(lower)] && n.exact[string(lower)] == nil
}

// appendLower appends name to b in lower case (RFC 4343: ASCII letters only).
func appendLower(b []byte, name string) []byte {
	for i := range len(name) {
		c := name[i]
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		b = append(b, c)
	}
	return b
}
