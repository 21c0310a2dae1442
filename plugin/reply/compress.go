package reply

import "hash/maphash"

// maxPointer is the first offset that the fourteen bits of a pointer do not
// reach (RFC 1035, section 4.1.4).
const maxPointer = 1 << 14

// suffixes is a hash table of the names in a packet, and of the ends of names,
// with the offset at which each begins. As in dns.Msg's Pack, names in different
// case are different.
type suffixes struct {
	slots []suffix // a power of two, at least half of them free
	used  int
}

type suffix struct {
	name string
	hash uint32
	at   uint16 // 0 in a free slot: the header is there
}

const fewSuffixes = 64

// suffixSeed makes the slots of names unpredictable for those who choose names.
var suffixSeed = maphash.MakeSeed()

// reset empties s and keeps its memory.
func (s *suffixes) reset() {
	if s.used = 0; cap(s.slots) < fewSuffixes {
		s.slots = make([]suffix, fewSuffixes)
		return
	}
	s.slots = s.slots[:fewSuffixes]
	clear(s.slots)
}

// point returns the offset of name. If name is new, point returns 0 and records
// that it is at offset, unless that is out of a pointer's reach.
func (s *suffixes) point(name string, offset int) int {
	hash := uint32(maphash.String(suffixSeed, name)) // #nosec G115 -- any 32 bits
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

// slot returns the slot that name is in, or the free one that it belongs in.
func (s *suffixes) slot(name string, hash uint32) int {
	mask := len(s.slots) - 1
	i := int(hash) & mask
	for e := &s.slots[i]; e.at > 0 && (e.hash != hash || e.name != name); e = &s.slots[i] {
		i = (i + 1) & mask
	}
	return i
}

// grow doubles the number of slots.
func (s *suffixes) grow() {
	old, n := s.slots, 2*len(s.slots)
	s.slots = make([]suffix, n)
	for _, e := range old {
		if e.at > 0 {
			s.slots[s.slot(e.name, e.hash)] = e
		}
	}
}
