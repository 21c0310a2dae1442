package override

import "slices"

// Kind is what an Override sets.
type Kind uint8

// The kinds. The zero value is none of them.
const (
	Drain  Kind = iota + 1 // not answered, still probed
	Down                   // taken for down
	Up                     // taken for up, unless the Corefile drains it
	Weight                 // its share under the policies weighted and sticky
)

var kinds = [...]string{Drain: "drain", Down: "down", Up: "up", Weight: "weight"}

// String returns the command's word.
func (k Kind) String() string { return kinds[k] }

// ParseKind returns the kind with that word.
func ParseKind(word string) (Kind, bool) {
	i := slices.Index(kinds[:], word)
	return Kind(max(i, 0)), i > 0 // #nosec G115 -- an index of kinds
}

// MaxWeight is the largest weight.
const MaxWeight = 65535
