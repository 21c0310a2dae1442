package reply

import (
	"math/bits"
	"math/rand/v2"
	"slices"
)

// fewSets is how many sets are found by comparing with each.
const fewSets = 3

// A setIndex finds the set of an owner and a type among many. Up to fewSets it
// stays empty: an ordinary answer has one or two. Beyond, it is a hash table
// with open addressing. Its hash is seeded: a client that chooses the names in
// an answer must not choose where they collide.
type setIndex struct {
	slots []setSlot
	size  int // slots to have once they are needed, a power of two
}

// A setSlot holds a set and, so that few others are looked at, its hash.
type setSlot struct {
	hash uint32
	set  int32 // its number, plus one; 0 in a free slot
}

var nameSeeds = [2]uint64{rand.Uint64(), rand.Uint64() | 1}

// reset makes x the index for a section of so many records.
func (x *setIndex) reset(records int) {
	x.slots = x.slots[:0]
	x.size = 1 << bits.Len(uint(2*records)) // #nosec G115 -- a length
}

// find returns the number of the set, or None, and what add needs.
func (x *setIndex) find(s *Section, owner string, rrtype uint16) (i, slot int, hash uint32) {
	if len(x.slots) == 0 {
		for i := range s.Sets {
			if s.Sets[i].Type == rrtype && SameName(s.Owner(i), owner) {
				return i, 0, 0
			}
		}
		return None, 0, 0
	}
	slot, hash = x.hash(owner, rrtype)
	for ; x.slots[slot].set != 0; slot = (slot + 1) & (len(x.slots) - 1) {
		if x.slots[slot].hash != hash {
			continue
		}
		i := int(x.slots[slot].set) - 1
		if s.Sets[i].Type == rrtype && SameName(s.Owner(i), owner) {
			return i, slot, hash
		}
	}
	return None, slot, hash
}

// add adds the last set of s, for which find returned slot and hash.
func (x *setIndex) add(s *Section, slot int, hash uint32) {
	if len(x.slots) > 0 {
		x.slots[slot] = setSlot{hash, int32(len(s.Sets))} // #nosec G115 -- fewer than records
		return
	}
	if len(s.Sets) <= fewSets {
		return
	}
	s.Sets = slices.Grow(s.Sets, len(s.RRs)-len(s.Sets)) // at once: there are many
	if cap(x.slots) < x.size {
		x.slots = make([]setSlot, x.size)
	}
	x.slots = x.slots[:x.size]
	clear(x.slots)
	for i := range s.Sets {
		slot, hash := x.hash(s.Owner(i), s.Sets[i].Type)
		for x.slots[slot].set != 0 {
			slot = (slot + 1) & (len(x.slots) - 1)
		}
		x.slots[slot] = setSlot{hash, int32(i + 1)} // #nosec G115 -- fewer than records
	}
}

// hash returns the slot in which to look for a set first, and its hash. It takes
// eight letters at a time, capitals for small letters, and a few other bytes for
// others.
func (x *setIndex) hash(owner string, rrtype uint16) (slot int, hash uint32) {
	h := nameSeeds[0] ^ uint64(rrtype)
	for ; len(owner) >= 8; owner = owner[8:] {
		h = mix(h ^ (load(owner) | smallLetters))
	}
	var last uint64
	for i := range len(owner) {
		last = last<<8 | uint64(owner[i])
	}
	h = mix(h ^ (last | smallLetters) ^ uint64(len(owner))<<56)
	return int(h>>1) & (len(x.slots) - 1), uint32(h >> 32) // #nosec G115 -- 63 bits, and any 32
}

const smallLetters = 0x2020202020202020

func load(s string) uint64 {
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

func mix(h uint64) uint64 {
	hi, lo := bits.Mul64(h, nameSeeds[1])
	return hi ^ lo
}
