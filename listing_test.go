package rrhealth

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// listing is the page for coredns.io's list of external plugins.
const listing = "docs/coredns.io/rrhealth.md"

var (
	frontMatter = regexp.MustCompile(`(?s)^\+\+\+\n(.*?)\n\+\+\+\n`)
	syntaxBlock = regexp.MustCompile("(?s)## Syntax\n\n~~~ txt\n(.*?)\n~~~")
)

// coredns.io builds its list from the front matter: a page with a field that is
// missing or has another form is not listed, or is sent back by the reviewer.
func TestTheListingHasTheFormatOfCoreDNS(t *testing.T) {
	text, err := os.ReadFile(listing)
	if err != nil {
		t.Fatal(err)
	}
	head := frontMatter.FindStringSubmatch(string(text))
	if head == nil {
		t.Fatalf("%s has no front matter between lines of +++", listing)
	}
	for _, line := range []string{
		`title = "rrhealth"`,
		`description = "\*rrhealth\* - [^"]+\."`,
		`weight = 10`,
		`tags = \["plugin", "rrhealth"\]`,
		`categories = \["plugin", "external"\]`,
		`date = "\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00"`,
		`repo = "https://github.com/rrhealth/rrhealth"`,
		`home = "https://[^"]+"`,
	} {
		if !regexp.MustCompile(`(?m)^` + line + `$`).MatchString(head[1]) {
			t.Errorf("front matter of %s: no line %s", listing, line)
		}
	}
	var sections []string
	for _, m := range heading.FindAllStringSubmatch(string(text), -1) {
		sections = append(sections, m[1])
	}
	if got := strings.Join(sections, ", "); got != "Description, Syntax, Examples" {
		t.Errorf("sections of %s: got %s, want Description, Syntax, Examples", listing, got)
	}
	if n := strings.Count(string(text), "~~~ corefile\n"); n < 3 {
		t.Errorf("%s has %d Corefiles, want at least 3", listing, n)
	}
}

// People choose a plugin by this page: an option that it lacks does not exist
// for them.
func TestTheListingHasTheSyntaxOfTheREADME(t *testing.T) {
	var syntax [2]string
	for i, file := range []string{"README.md", listing} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		m := syntaxBlock.FindStringSubmatch(string(text))
		if m == nil {
			t.Fatalf("%s: no block behind ## Syntax", file)
		}
		syntax[i] = m[1]
	}
	if syntax[0] != syntax[1] {
		t.Errorf("syntax of %s:\n%s\nwant that of README.md:\n%s", listing, syntax[1], syntax[0])
	}
}
