package rrhealth

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/miekg/dns"

	"github.com/rrhealth/rrhealth/internal/harness"
)

// CoreDNS stops at the first server block that is wrong, at start and when it
// reloads. The errors of the others are reported with it all the same.
func TestErrorsOfAllServerBlocksAreReportedAtOnce(t *testing.T) {
	s := harness.Start(t, harness.Corefile("rrhealth www.example.org {\nbackend 192.0.2.1\n}"))
	bad := "example.org:0 {\nbind 127.0.0.1\nrrhealth {\nbackend 192.0.2.1\nttl 30\n}\n}\n" +
		"example.net:0 {\nbind 127.0.0.1\nrrhealth {\nbackend 192.0.2.1\n}\n}\n" +
		"example.com:0 {\nbind 127.0.0.1\nrrhealth {\nbackend x\n}\nforward . nowhere\n}\n"
	err := s.Reload(bad)
	if err == nil || !strings.Contains(err.Error(), "2 errors") || !strings.Contains(err.Error(), "\nCorefile:5 - ") || !strings.Contains(err.Error(), "\nCorefile:17 - ") {
		t.Errorf("error %v, want two, on lines 5 and 17", err)
	}
	if got := harness.Addrs(s.Ask("www.example.org.", dns.TypeA)); !slices.Equal(got, []string{"192.0.2.1"}) {
		t.Errorf("answers %v after a reload that failed, want 192.0.2.1", got)
	}
	if err := s.Reload(harness.Corefile("rrhealth www.example.org {\nbackend 192.0.2.2\n}")); err != nil {
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
	if err := harness.Validate("example.org {\nrrhealth {\nbackend x\nttl 30\n}\n}\n"); err == nil || !strings.Contains(err.Error(), "2 errors") {
		t.Errorf("error %v, want two", err)
	}
}

func TestErrorsComeInTheOrderOfTheCorefile(t *testing.T) {
	var ps problems
	for _, l := range []line{{file: "b", no: 7}, {file: "a", no: 9}, {file: "b", no: 2}, {file: "a", no: 1}, {file: "b", no: 7}} {
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
			err := harness.Validate("example.org {\n" + block + "\n}\n")
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

// The log would have a line that begins with what stands behind the newline.
func TestNoNameForgesALogLine(t *testing.T) {
	logged := harness.CaptureLog(t)
	for _, char := range []string{"\n", "\r", "\t", "\x00", "\x01", "\x1b[2K", "\x7f", "\u0085", "\u2028", "\u200b", "\xff", "\xc3", "\ufffd"} {
		err := harness.Refused(t, harness.Corefile("rrhealth \"a"+char+"[ERROR]forged.example.org\" {\nbackend 127.0.0.1\ncheck tcp://h:1\n}"))
		if err == nil {
			t.Errorf("%q in a NAME: accepted", char)
			continue
		}
		if text := err.Error(); strings.ContainsFunc(text, func(r rune) bool { return !strconv.IsPrint(r) }) {
			t.Errorf("%q in a NAME: the error has it, too: %q", char, text)
		}
	}
	if strings.Contains(logged(), "forged") {
		t.Errorf("the log has %q", logged())
	}
}

// CoreDNS puts U+FFFD in place of bytes that it cannot read: rrhealth would send
// other bytes than the Corefile has.
func TestBytesThatAreNotUTF8AreRefused(t *testing.T) {
	t.Setenv("RRHEALTH_TEST_BYTES", "secret\xff")
	for _, l := range []string{
		"check tcp://:1 {\nsend secret\xff\n}", "check tcp://:1 {\nsend \"secret\xff\xfe\"\n}", "check tcp://:1 {\nsend {$RRHEALTH_TEST_BYTES}\n}",
		"check http://:80/ {\nheader X-A secret\xff\n}", "check exec true {\nenv A secret\xff\n}", "check exec true secret\xff", "check http://:80/?\xff", "policy \xff", "\xff",
	} {
		err := harness.Validate("example.org {\nrrhealth {\nbackend 192.0.2.1\n" + l + "\n}\n}\n")
		if err == nil || !strings.Contains(err.Error(), "not UTF-8") || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "errors") {
			t.Errorf("%q: error %v, want one that says it is not UTF-8 and does not show the word", l, err)
		}
	}
	if err := harness.Validate(`example.org {
rrhealth {
backend 192.0.2.1
check tcp://:1 {
send "\xff\xfe"
expect ü
}
}
}`); err != nil {
		t.Errorf("escapes, and UTF-8: %v", err)
	}
}

// docs/checks.md says so where it describes secrets.
func TestAHashIsPartOfAWordInQuotesOnly(t *testing.T) {
	check := func(value string) string {
		return parsed(t, "rrhealth {\nbackend 192.0.2.1\ncheck http://:80/ {\nheader X-Token "+value+"\n}\n}")[0].checks[0].probe.ID
	}
	if check("abc#def") != check("abc") || check(`"abc#def"`) == check("abc") {
		t.Error("docs/checks.md says that # starts a comment in a word, and does not in quotes")
	}
}
