package rrhealth

import (
	"slices"
	"strings"
	"testing"

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

// docs/checks.md says so where it describes secrets.
func TestAHashIsPartOfAWordInQuotesOnly(t *testing.T) {
	check := func(value string) string {
		return parsed(t, "rrhealth {\nbackend 192.0.2.1\ncheck http://:80/ {\nheader X-Token "+value+"\n}\n}")[0].Checks[0].Probe.ID
	}
	if check("abc#def") != check("abc") || check(`"abc#def"`) == check("abc") {
		t.Error("docs/checks.md says that # starts a comment in a word, and does not in quotes")
	}
}
