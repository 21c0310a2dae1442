package rrhealth

import (
	"hash/maphash"
	"math/bits"
)

// fewSets is how many sets are found by comparing with each.
const fewSets = 8

// A setIndex finds the set of an owner and a type among many. Up to fewSets it
// stays empty: an ordinary answer has one or two. Beyond, it is a hash table
// with open addressing. Its hash is seeded: whoever chooses the names in an
// answer must not choose where they collide.
type setIndex struct {
	slots []int32 // numbers of sets, plus one; 0 for none
	size  int     // slots to have once they are needed, a power of two
	lower []byte  // room for a name
}

var nameSeed = maphash.MakeSeed()

// reset makes x the index for a section of so many records.
func (x *setIndex) reset(records int) {
	x.slots = x.slots[:0]
	x.size = 1 << bits.Len(uint(2*records)) // #nosec G115 -- a length
}

// find returns the number of the set, or none and the slot that add needs.
func (x *setIndex) find(sets []rrset, owner string, rrtype uint16) (set, slot int) {
	if len(x.slots) == 0 {
		for i := range sets {
			if sets[i].rrtype == rrtype && sameName(sets[i].owner, owner) {
				return i, 0
			}
		}
		return none, 0
	}
	mask := len(x.slots) - 1
	for slot = x.hash(owner, rrtype) & mask; x.slots[slot] != 0; slot = (slot + 1) & mask {
		i := int(x.slots[slot]) - 1
		if sets[i].rrtype == rrtype && sameName(sets[i].owner, owner) {
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

func (x *setIndex) hash(owner string, rrtype uint16) int {
	x.lower = appendLower(x.lower[:0], owner)
	x.lower = append(x.lower, byte(rrtype>>8), byte(rrtype))
	return int(maphash.Bytes(nameSeed, x.lower) >> 1) // #nosec G115 -- 63 bits
}

// sameName reports whether a and b are one name (RFC 4343: the case of ASCII
// letters does not matter).
func sameName(a, b string) bool {
	if a == b {
		return true
	}
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		if a[i] != b[i] && lowerOf(a[i]) != lowerOf(b[i]) {
			return false
		}
	}
	return true
}

func lowerOf(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}
