package reply

import (
	"encoding/binary"
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// Names take most of the time of encoding. Most records have the owner of the one
// before, or one with the same parent. Uncompressed, both are copied from where
// they are in the packet already, instead of being split into labels again. What
// Pack compresses, a pointer to the owner's first place, takes two octets anyway.

// name appends a name to b, which becomes buf, and remembers it as the owner.
func (p *Packet) name(b []byte, name string) []byte {
	if name == p.owner && name != "" {
		switch {
		case !p.compressed:
			return append(b, b[p.start:p.end]...)
		case p.pointer > 0:
			return appendPointer(b, p.pointer)
		}
	}
	start := len(b)
	p.pointer = 0
	// Names in a row usually differ in their first label.
	if n := len(name) - len(p.parent); p.parent != "" && !p.compressed && isLabel(name, n) && name[n:] == p.parent {
		from := p.end - p.room
		b = append(b, byte(n)) // #nosec G115 -- at most 63
		b = append(b, name[:n]...)
		b = append(b, b[from:p.end]...)
	} else {
		b = p.labels(b, name)
		p.parent, p.room = "", 0
		if n := strings.IndexByte(name, '.'); isLabel(name, n) {
			p.parent, p.room = name[n:], len(b)-start-1-n
		}
	}
	p.owner, p.start, p.end = name, start, len(b)
	return b
}

// isLabel reports whether the first n bytes of name are a label without escapes.
func isLabel(name string, n int) bool {
	if n <= 0 || n > 63 {
		return false
	}
	for i := range n { // faster than two searches: most labels are short
		if name[i] == '.' || name[i] == '\\' {
			return false
		}
	}
	return true
}

// labels appends a name, compressed if p is, by the rules of dns.Msg's Pack.
func (p *Packet) labels(b []byte, name string) []byte {
	if strings.IndexByte(name, '\\') >= 0 || name == "" {
		return p.escaped(b, name)
	}
	for rest := name; rest != "" && name != "."; {
		if p.compressed {
			at := p.suffixes.point(rest, len(b))
			if len(rest) == len(name) {
				if p.pointer = at; at == 0 && len(b) < maxPointer {
					p.pointer = len(b)
				}
			}
			if at > 0 {
				return appendPointer(b, at)
			}
		}
		n := strings.IndexByte(rest, '.')
		if n <= 0 || n > 63 {
			p.bad = true
			return b
		}
		b = append(b, byte(n))
		b = append(b, rest[:n]...)
		rest = rest[n+1:]
	}
	return append(b, 0)
}

// escaped appends a name with escapes, unless it is to be compressed: such names are
// too rare to repeat the rules of Pack for them.
func (p *Packet) escaped(b []byte, name string) []byte {
	if p.compressed || name == "" {
		p.bad = true
		return b
	}
	start := len(b)
	b = slices.Grow(b, len(name)+1)
	end, err := dns.PackDomainName(name, b[:cap(b)], start, nil, false)
	if err != nil {
		p.bad = true
		return b
	}
	return b[:end]
}

// appendPointer appends a pointer to the name at an offset below maxPointer.
func appendPointer(b []byte, offset int) []byte {
	return binary.BigEndian.AppendUint16(b, 0xc000|uint16(offset)) // #nosec G115 -- 14 bits
}
