package config

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestErrorsComeInTheOrderOfTheCorefile(t *testing.T) {
	var errs []error
	for _, l := range []Line{{File: "b", No: 7}, {File: "a", No: 9}, {File: "b", No: 2}, {File: "a", No: 1}, {File: "b", No: 7}} {
		errs = append(errs, errors.Join(l.Errorf("x"), errors.Join(nil, l.Errorf("y"))))
	}
	var got []string
	for _, p := range Join(Join(errs[:2]...), nil, Join(errs[2:]...)).(problems) {
		got = append(got, p.Error())
	}
	const during = " - Error during parsing: "
	want := []string{"b:2" + during + "x", "b:2" + during + "y", "b:7" + during + "x", "b:7" + during + "y", "a:1" + during + "x", "a:1" + during + "y", "a:9" + during + "x", "a:9" + during + "y"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestJoinedErrors(t *testing.T) {
	if err := Join(nil, Join()); err != nil {
		t.Errorf("without errors: %v, want nil", err)
	}
	one := Line{File: "Corefile", No: 3}.Errorf("%s", "x")
	if got, want := Join(one).Error(), "Corefile:3 - Error during parsing: x"; got != want {
		t.Errorf("one error: %q, want %q", got, want)
	}
	var many []error
	for i := range maxProblems + 2 {
		many = append(many, Line{File: "Corefile", No: i}.Errorf("x"))
	}
	text := Join(many...).Error()
	if !strings.HasPrefix(text, "22 errors in the Corefile:\nCorefile:0 - ") || !strings.HasSuffix(text, "\nand 2 more") || strings.Count(text, "\n") != maxProblems+1 {
		t.Errorf("%d errors: %q", len(many), text)
	}
	var found problems
	found.add(Line{File: "Corefile", No: 5}, errors.Join(errors.New("no position"), one))
	if got, want := found.sorted().Error(), "2 errors in the Corefile:\nCorefile:3 - Error during parsing: x\nCorefile:5 - Error during parsing: no position"; got != want {
		t.Errorf("with one that has no position: %q, want %q", got, want)
	}
}

// A word of a megabyte gave an error line of a megabyte.
func TestAnErrorLineIsBelowAKilobyte(t *testing.T) {
	const size = 100_000
	for _, long := range []string{
		strings.Repeat("x", size), strings.Repeat("x ", size/2), strings.Repeat("ü", size/2), strings.Repeat("\x00", size),
		strings.Repeat("a.", size/2), strings.Repeat("\U0001F600 ", size/8), strings.Repeat(`\`, size),
	} {
		word := `"` + long + `"`
		for _, block := range []string{
			"rrhealth " + word + " {\nbackend 192.0.2.1\n}",
			"rrhealth {\n" + word + "\n}",
			"rrhealth {\nbackend " + word + "\n}",
			"rrhealth {\nbackend 192.0.2.1 " + word + "\n}",
			"rrhealth {\nbackend 192.0.2.1\ncheck " + word + "\n}",
			"rrhealth {\nbackend 192.0.2.1\ncheck http://:80/ " + word + "\n}",
			"rrhealth {\nbackend 192.0.2.1\ncheck http://:80/ {\n" + word + "\nmethod " + word + "\nbody (" + word + "\nheader " + word + " x\n}\n}",
			"rrhealth {\nbackend 192.0.2.1\npolicy " + word + "\nttl " + word + "\nmin_up " + word + "\nwatch " + word + "\nall_down " + word + "\n}",
		} {
			_, _, err := Parse(text(block), exampleOrg)
			if err == nil {
				t.Errorf("accepted %.60q", block)
				continue
			}
			checkErrorText(t, err)
		}
	}
}

// What was wrong, and what to type, are left of an error that is cut.
func TestAnErrorIsCutInItsMiddle(t *testing.T) {
	for _, tc := range []struct{ text, start, end string }{
		{"policy: got " + strings.Repeat("a", 200) + ", want rotate", "policy: got aaa", "aaa, want rotate"},
		{"policy: got " + strings.Repeat("a ", 2000) + ", want rotate", "policy: got a a", "a a , want rotate"},
		{"policy: got " + strings.Repeat("\u00fc", 200) + ", want rotate", "policy: got \u00fc\u00fc", "\u00fc\u00fc, want rotate"},
	} {
		got := clip(tc.text)
		if !strings.HasPrefix(got, tc.start) || !strings.HasSuffix(got, tc.end) || !strings.Contains(got, "...") || len(got) > maxErrorText || !utf8.ValidString(got) {
			t.Errorf("got %q, want at most %d bytes from %q to %q", got, maxErrorText, tc.start, tc.end)
		}
	}
	if got := clip("a short text"); got != "a short text" {
		t.Errorf("got %q, want it whole", got)
	}
}

// checkErrorText complains about lines that are too long for a log, or not text.
func checkErrorText(t *testing.T, err error) {
	t.Helper()
	for l := range strings.Lines(err.Error()) {
		if len(l) > 1000 || !utf8.ValidString(l) {
			t.Errorf("an error line of %d bytes: %.300q", len(l), l)
		}
	}
}
