package names

import (
	"strings"

	"github.com/miekg/dns"
)

// Suffixes has entries for parts of the tree: example.org is the name and all
// below it, *.example.org only what is below it. The zero value is an empty set,
// which cannot be added to.
type Suffixes struct {
	at    map[string]int32 // names at or below the key
	below map[string]int32 // names below the key: added as *.
}

// NewSuffixes returns an empty set of suffixes.
func NewSuffixes() Suffixes {
	return Suffixes{make(map[string]int32), make(map[string]int32)}
}

// Add sets the entry of suffix to i.
func (s *Suffixes) Add(suffix string, i int32) {
	if parent, ok := strings.CutPrefix(suffix, "*."); ok {
		s.below[parent] = i
		return
	}
	s.at[suffix] = i
}

// Match returns the entry of the longest suffix that name is at or below. For
// names below both, *.example.org is longer than example.org. It returns false
// if there is none.
func (s *Suffixes) Match(name string) (int32, bool) {
	if len(s.at)+len(s.below) == 0 {
		return 0, false
	}
	var room [roomForName]byte
	lower := appendLower(room[:0], name)
	for off, end := 0, false; !end; off, end = dns.NextLabel(name, off) {
		if off > 0 {
			if i, ok := s.below[string(lower[off:])]; ok {
				return i, true
			}
		}
		if i, ok := s.at[string(lower[off:])]; ok {
			return i, true
		}
	}
	i, ok := s.at["."] // NextLabel ends before the root
	return i, ok
}

// roomForName is as long as any name without escapes. A longer one, full of
// \DDD, is allocated; more room would make the stack of every query grow.
const roomForName = 256

// appendLower appends name to b in lower case (RFC 4343: ASCII letters only).
// Bytes are looked up in a map of strings without being allocated.
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
