package rrhealth

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/miekg/dns"
)

// CoreDNS stops at the first server block that is wrong, at start and when it
// reloads. The errors of the others are reported with it all the same.
func TestErrorsOfAllServerBlocksAreReportedAtOnce(t *testing.T) {
	s := start(t, corefile("rrhealth www.example.org {\nbackend 192.0.2.1\n}"))
	bad := "example.org:0 {\nbind 127.0.0.1\nrrhealth {\nbackend 192.0.2.1\nttl 30\n}\n}\n" +
		"example.net:0 {\nbind 127.0.0.1\nrrhealth {\nbackend 192.0.2.1\n}\n}\n" +
		"example.com:0 {\nbind 127.0.0.1\nrrhealth {\nbackend x\n}\nforward . nowhere\n}\n"
	err := s.reload(bad)
	if err == nil || !strings.Contains(err.Error(), "2 errors") || !strings.Contains(err.Error(), "\nCorefile:5 - ") || !strings.Contains(err.Error(), "\nCorefile:17 - ") {
		t.Errorf("error %v, want two, on lines 5 and 17", err)
	}
	if got := addrs(s.ask("www.example.org.", dns.TypeA)); !slices.Equal(got, []string{"192.0.2.1"}) {
		t.Errorf("answers %v after a reload that failed, want 192.0.2.1", got)
	}
	if err := s.reload(corefile("rrhealth www.example.org {\nbackend 192.0.2.2\n}")); err != nil {
		t.Errorf("reload of a good Corefile after a bad one: %v", err)
	}
	pending.Lock()
	defer pending.Unlock()
	if len(pending.of) > 0 {
		t.Errorf("errors of %d Corefiles are kept, want none", len(pending.of))
	}
}

// Programs that validate a Corefile without starting it get an error as well.
func TestAValidatedCorefileIsRefused(t *testing.T) {
	if err := validate("example.org {\nrrhealth {\nbackend x\nttl 30\n}\n}\n"); err == nil || !strings.Contains(err.Error(), "2 errors") {
		t.Errorf("error %v, want two", err)
	}
}

func TestErrorsComeInTheOrderOfTheCorefile(t *testing.T) {
	var ps problems
	for _, l := range []line{{file: "b", no: 7}, {file: "a", no: 9}, {file: "b", no: 2}, {file: "a", no: 1}} {
		ps.add(l, errors.Join(l.errorf("x"), errors.Join(nil, errors.New("y"))))
	}
	var got []string
	for _, p := range ps.err().(problems) {
		got = append(got, p.Error())
	}
	const during = " - Error during parsing: "
	want := []string{"b:2" + during + "x", "b:2" + during + "y", "b:7" + during + "x", "b:7" + during + "y", "a:1" + during + "x", "a:1" + during + "y", "a:9" + during + "x", "a:9" + during + "y"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// A word of a megabyte gave an error line of a megabyte.
func TestAnErrorLineIsBelowAKilobyte(t *testing.T) {
	const size = 100_000
	for _, long := range []string{
		strings.Repeat("x", size), strings.Repeat("x ", size/2), strings.Repeat("ü", size/2), strings.Repeat("\x00", size),
		strings.Repeat("a.", size/2), strings.Repeat("\U0001F600 ", size/8), strings.Repeat(`\`, size),
	} {
		word := `"` + strings.ReplaceAll(long, `\`, `\\`) + `"`
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
			err := validate("example.org {\n" + block + "\n}\n")
			if err == nil {
				t.Errorf("accepted %.60q", block)
				continue
			}
			for l := range strings.Lines(err.Error()) {
				if len(l) > 1000 {
					t.Errorf("%.60q: an error line of %d bytes, want at most 1000", block, len(l))
				}
			}
			if !utf8.ValidString(err.Error()) {
				t.Errorf("%.60q: the error is not UTF-8: %.300q", block, err)
			}
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
