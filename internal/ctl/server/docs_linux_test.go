package server

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rrhealth/rrhealth/internal/ctl"
)

const page = "../../../docs/operations.md"

var (
	session = regexp.MustCompile(`(?m)^~~~ txt\n(\$ rrhealthctl (?s:.*?))^~~~$`)
	// quotedWord is an argument in single quotes.
	quotedWord = regexp.MustCompile(`'([^']*)'|(\S+)`)
)

// unlike are the parts of an output that differ from run to run, and what stands for
// them in the comparison.
var unlike = []struct {
	part *regexp.Regexp
	by   string
}{
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`), "TIME"},
	{regexp.MustCompile(`\b(?:\d+[dhms])+\b`), "DURATION"},
	{regexp.MustCompile(`\b\d+\.\d ms`), "TOOK"},
	{regexp.MustCompile(`(?m)^server .*`), "SERVER"},
	{regexp.MustCompile(`dns://127\.0\.0\.1:\d+`), "BLOCK"},
	{regexp.MustCompile(`tcp [\d.]+:443:`), "tcp ADDRESS:"},
	{regexp.MustCompile(`kept in +\S+`), "kept in DIRECTORY"},
	{regexp.MustCompile(`the server at \S+`), "the server at SOCKET"},
	{regexp.MustCompile(`(?:DURATION|-) ago`), "DURATION ago"},
	{regexp.MustCompile(`not saved yet`), "saved DURATION ago"},
	{regexp.MustCompile(`(?m)^(www.* up) (?:DURATION|-) up yes -`), "$1 FOR up yes -"},
	{regexp.MustCompile(`(?m)^(\S+ tcp://:443 up) .*`), "$1 COUNTS"},
	{regexp.MustCompile(`TTL [1-9]\d*`), "TTL N"},
	{regexp.MustCompile(`(degraded|ok) (3: .*?) \d+ rotate`), "$1 $2 N rotate"},
	{regexp.MustCompile(`answer 192\.0\.2\.[12] 192\.0\.2\.[12]`), "answer BOTH"},
	{regexp.MustCompile(`(TIME) \S+ (kernel update)`), "$1 USER $2"},
}

// alike returns text without what differs from run to run. The widths of columns
// depend on it.
func alike(text string) string {
	var lines []string
	for line := range strings.Lines(text) {
		lines = append(lines, strings.Join(strings.Fields(line), " "))
	}
	text = strings.TrimSpace(strings.Join(lines, "\n"))
	for _, u := range unlike {
		text = u.part.ReplaceAllString(text, u.by)
	}
	return text
}

// docs/operations.md has the outputs of one session.
func TestTheSessionOfTheDocument(t *testing.T) {
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	_, o, corefile := start(t)
	file := filepath.Join(t.TempDir(), "Corefile")
	if err := os.WriteFile(file, []byte(corefile), 0o600); err != nil {
		t.Fatal(err)
	}
	commands := 0
	for _, m := range session.FindAllStringSubmatch(string(text), -1) {
		for _, part := range strings.Split("\n"+m[1], "\n$ rrhealthctl ")[1:] {
			commands++
			line, want, _ := strings.Cut(part, "\n")
			var args []string
			for _, w := range quotedWord.FindAllStringSubmatch(line, -1) {
				args = append(args, strings.Replace(w[1]+w[2], "Corefile", file, 1))
			}
			got, talk := o.types(ctl.ExitDone, args...)
			if args[0] == "auto" || args[0] == "try" {
				got = talk + got // on a terminal they stand together
			}
			if alike(got) != alike(want) && alike(strings.TrimPrefix(got, talk)+talk) != alike(want) {
				t.Errorf("docs/operations.md: rrhealthctl %s prints\n%s\nthe document has\n%s", line, alike(got), alike(want))
			}
		}
	}
	if commands < 9 {
		t.Errorf("%d commands found, want all of the document", commands)
	}
}
