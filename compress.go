package rrhealth

import "hash/maphash"

// maxPointer is the first offset that the fourteen bits of a pointer do not
// reach (RFC 1035, section 4.1.4).
const maxPointer = 1 << 14

// suffixes are the names, and the ends of names, that stand in a message that is
// being put together, by where they begin. They are compared as they are
// written, in their case: that is what dns.Msg's Pack does.
type suffixes struct {
	slots []suffix // a power of two, half of them free
	used  int
}

type suffix struct {
	name string
	hash uint32
	at   uint16 // 0 in a free slot: a header stands there
}

const fewSuffixes = 64

// reset empties s. It keeps its room.
func (s *suffixes) reset() {
	if s.used = 0; cap(s.slots) < fewSuffixes {
		s.slots = make([]suffix, fewSuffixes)
		return
	}
	s.slots = s.slots[:fewSuffixes]
	clear(s.slots)
}

// point returns where name stands. Where it stood nowhere until now it returns
// 0, and notes that it stands at offset, unless pointers do not reach that.
func (s *suffixes) point(name string, offset int) int {
	hash := uint32(maphash.String(nameSeed, name)) // #nosec G115 -- any 32 bits
	i := s.slot(name, hash)
	if at := s.slots[i].at; at > 0 || offset >= maxPointer {
		return int(at)
	}
	s.slots[i] = suffix{name, hash, uint16(offset)} // #nosec G115 -- 14 bits
	if s.used++; 2*s.used > len(s.slots) {
		s.grow()
	}
	return 0
}

// slot returns the slot in which name is or belongs.
func (s *suffixes) slot(name string, hash uint32) int {
	mask := len(s.slots) - 1
	i := int(hash) & mask
	for e := &s.slots[i]; e.at > 0 && (e.hash != hash || e.name != name); e = &s.slots[i] {
		i = (i + 1) & mask
	}
	return i
}

// grow doubles the slots.
func (s *suffixes) grow() {
	old, n := s.slots, 2*len(s.slots)
	s.slots = make([]suffix, n)
	for _, e := range old {
		if e.at > 0 {
			s.slots[s.slot(e.name, e.hash)] = e
		}
	}
}
