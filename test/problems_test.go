package test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/rrhealth/rrhealth/internal/harness"
)

// Programs that validate a Corefile without starting it get an error as well.
func TestAValidatedCorefileIsRefused(t *testing.T) {
	if err := harness.Validate("example.org {\nrrhealth {\nbackend x\nttl 30\n}\n}\n"); err == nil || !strings.Contains(err.Error(), "2 errors") {
		t.Errorf("error %v, want two", err)
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
