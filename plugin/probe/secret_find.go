package probe

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// find returns which characters of text belong to s.
func (s *secrets) find(text []rune) (hidden []bool, found bool) {
	hidden = make([]bool, len(text))
	hide := func(from, to int) {
		found = true
		for i := from; i < to; i++ {
			hidden[i] = true
		}
	}
	s.findIn(text, hide)
	if decoded, at := unescaped(text); decoded != nil {
		s.findIn(decoded, func(from, to int) { hide(at[from], at[to]) })
	}
	return hidden, found
}

// findIn hides the characters of text that belong to s.
func (s *secrets) findIn(text []rune, hide func(from, to int)) {
	folded := make([]rune, len(text))
	for i, r := range text {
		folded[i] = fold(r)
	}
	for i := 0; i+fragment <= len(text); i++ {
		if s.runs[gram(folded[i:i+fragment])] {
			hide(i, i+fragment)
		}
	}
	for length, forms := range s.escaped {
		for i := 0; i+length <= len(text); i++ {
			if forms[string(folded[i:i+length])] {
				hide(i, i+length)
			}
		}
	}
	s.findPlain(folded, hide)
}

// findPlain hides fragments whose letters and digits have few other characters
// between them, and short values that are words of their own.
func (s *secrets) findPlain(folded []rune, hide func(from, to int)) {
	places := make([]int, 0, len(folded))
	for i, r := range folded {
		if isWord(r) {
			places = append(places, i)
		}
	}
	for i := 0; i+fragment <= len(places); i++ {
		at := places[i : i+fragment]
		letters := gram{folded[at[0]], folded[at[1]], folded[at[2]], folded[at[3]]}
		if s.plain[letters] && at[fragment-1]-at[0] < fragment*fragment {
			hide(at[0], at[fragment-1]+1)
		}
	}
	for from, to := range words(places) {
		if slices.Contains(s.short, string(folded[from:to])) {
			hide(from, to)
		}
	}
}

// words yields the start and the end of each word: a run of consecutive numbers
// in places, which ascend.
func words(places []int) func(yield func(int, int) bool) {
	return func(yield func(int, int) bool) {
		for i := 0; i < len(places); {
			from := i
			i++
			for i < len(places) && places[i] == places[i-1]+1 {
				i++
			}
			if !yield(places[from], places[i-1]+1) {
				return
			}
		}
	}
}

// tooLong reports whether searching for s would take too much time and memory. No
// key or token is that long.
func (s *secrets) tooLong() bool {
	const most = 16 << 10
	length := 0
	for _, v := range s.values {
		length += len(v)
	}
	return length > most
}

// prepareOnce makes s ready for show.
func (s *secrets) prepareOnce() {
	if s != nil && !s.tooLong() {
		s.once.Do(s.prepare)
	}
}

// prepare computes what to search for. That is done at the first failure only,
// since most checks pass: a key of 3 KB takes about 10 ms.
func (s *secrets) prepare() {
	s.runs, s.plain, s.escaped = make(map[gram]bool), make(map[gram]bool), make(map[int]map[string]bool)
	for _, v := range s.values {
		if bare := strings.TrimFunc(v, func(r rune) bool { return !isWord(r) }); utf8.RuneCountInString(bare) < fragment {
			if len(bare) > 1 { // one letter is not a secret: LANG=C
				s.short = append(s.short, strings.Map(fold, bare))
			}
		}
		for _, form := range forms(v) {
			s.learn(form)
		}
		all := []rune(v)
		for i := 0; i+fragment <= len(all); i++ {
			for _, form := range escaped(string(all[i : i+fragment])) {
				s.learnEscaped(strings.Map(fold, form))
			}
		}
	}
}

// learn adds the fragments of text.
func (s *secrets) learn(text string) {
	all := []rune(strings.Map(fold, text))
	letters := make([]rune, 0, len(all))
	for _, r := range all {
		if isWord(r) {
			letters = append(letters, r)
		}
	}
	for i := 0; i+fragment <= len(all); i++ {
		s.runs[gram(all[i:i+fragment])] = true
	}
	for i := 0; i+fragment <= len(letters); i++ {
		s.plain[gram(letters[i:i+fragment])] = true
	}
}

// learnEscaped adds an escaped fragment.
func (s *secrets) learnEscaped(form string) {
	length := utf8.RuneCountInString(form)
	if s.escaped[length] == nil {
		s.escaped[length] = make(map[string]bool)
	}
	s.escaped[length][form] = true
}

func isWord(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }

// fold returns the same rune for all cases of r.
func fold(r rune) rune { return unicode.ToLower(unicode.ToUpper(r)) }
