package probe

import (
	"regexp"
	"strconv"
)

// numericEscape matches a character written as its number, in URLs, string
// literals, HTML or dumps of bytes.
var numericEscape = regexp.MustCompile(`(?i)(?:%|\\x|0x|\\u(?:0000)?00|&#x0*)([0-9a-f]{2});?|&#0*([0-9]{2,3});|\\([0-3][0-7]{2})`)

// unescaped returns text with its numeric escapes decoded, and the index in text at
// which each of its characters begins, and the end. Without escapes it returns nil.
func unescaped(text []rune) (decoded []rune, at []int) {
	source := string(text)
	found := numericEscape.FindAllStringSubmatchIndex(source, -1)
	if found == nil {
		return nil, nil
	}
	place, next := 0, 0
	for i, r := range source {
		switch {
		case len(found) > 0 && i == found[0][0]:
			decoded, at = append(decoded, numbered(source, found[0])), append(at, place)
			next, found = found[0][1], found[1:]
		case i >= next:
			decoded, at = append(decoded, r), append(at, place)
		}
		place++
	}
	return decoded, append(at, place)
}

// numbered returns the character of a match of numericEscape.
func numbered(source string, match []int) rune {
	for group, base := range [...]int{1: 16, 2: 10, 3: 8} {
		if from := match[2*group]; group > 0 && from >= 0 {
			n, _ := strconv.ParseUint(source[from:match[2*group+1]], base, 32)
			return rune(n) // #nosec G115 -- at most three digits
		}
	}
	return 0
}
