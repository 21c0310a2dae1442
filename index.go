package rrhealth

import (
	"math/bits"
	"math/rand/v2"

	"github.com/rrhealth/rrhealth/plugin/reply"
)

// fewSets is how many sets are found by comparing with each.
const fewSets = 3

// A setIndex finds the set of an owner and a type among many. Up to fewSets it
// stays empty: an ordinary answer has one or two. Beyond, it is a hash table
// with open addressing. Its hash is seeded: whoever chooses the names in an
// answer must not choose where they collide.
type setIndex struct {
	slots []int32 // numbers of sets, plus one; 0 for none
	size  int     // slots to have once they are needed, a power of two
}

var nameSeeds = [2]uint64{rand.Uint64(), rand.Uint64() | 1}

// reset makes x the index for a section of so many records.
func (x *setIndex) reset(records int) {
	x.slots = x.slots[:0]
	x.size = 1 << bits.Len(uint(2*records)) // #nosec G115 -- a length
}

// find returns the number of the set, or none and the slot that add needs.
func (x *setIndex) find(sets []rrset, owner string, rrtype uint16) (set, slot int) {
	if len(x.slots) == 0 {
		for i := range sets {
			if sets[i].rrtype == rrtype && reply.SameName(sets[i].owner, owner) {
				return i, 0
			}
		}
		return none, 0
	}
	mask := len(x.slots) - 1
	for slot = x.hash(owner, rrtype) & mask; x.slots[slot] != 0; slot = (slot + 1) & mask {
		i := int(x.slots[slot]) - 1
		if sets[i].rrtype == rrtype && reply.SameName(sets[i].owner, owner) {
			return i, slot
		}
	}
	return none, slot
}

// add adds the last of sets, for which find returned slot.
func (x *setIndex) add(sets []rrset, slot int) {
	if len(x.slots) > 0 {
		x.slots[slot] = int32(len(sets)) // #nosec G115 -- fewer than records
		return
	}
	if len(sets) <= fewSets {
		return
	}
	if cap(x.slots) < x.size {
		x.slots = make([]int32, x.size)
	}
	x.slots = x.slots[:x.size]
	clear(x.slots)
	for i := range sets {
		_, slot := x.find(sets[:i], sets[i].owner, sets[i].rrtype)
		x.slots[slot] = int32(i + 1) // #nosec G115 -- fewer than records
	}
}

// hash takes eight letters at a time. It takes capitals for small letters, and
// a few other bytes for others.
func (x *setIndex) hash(owner string, rrtype uint16) int {
	h := nameSeeds[0] ^ uint64(rrtype)
	for ; len(owner) >= 8; owner = owner[8:] {
		h = mix(h ^ (load(owner) | smallLetters))
	}
	var last uint64
	for i := range len(owner) {
		last = last<<8 | uint64(owner[i])
	}
	return int(mix(h^(last|smallLetters)^uint64(len(owner))<<56) >> 1) // #nosec G115 -- 63 bits
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
