package rrhealth

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/rrhealth/rrhealth/plugin/config"
	"github.com/rrhealth/rrhealth/plugin/probe"
)

// errorsDocument is made from the golden file of errors.
const errorsDocument = "docs/errors.md"

// documents returns README.md and what it links to in docs.
func documents(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("docs/*.md")
	if err != nil || len(files) == 0 {
		t.Fatalf("documents %v: %v", files, err)
	}
	return append([]string{"README.md"}, files...)
}

// document returns the text of a document.
func document(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// flat returns text with each run of white space as one space.
func flat(text string) string { return strings.Join(strings.Fields(text), " ") }

var sectionStart = regexp.MustCompile(`(?m)^## (.*)$`)

// sections returns the text below each heading of the second level.
func sections(text string) map[string]string {
	found := make(map[string]string)
	at := sectionStart.FindAllStringSubmatchIndex(text, -1)
	for i, m := range at {
		end := len(text)
		if i+1 < len(at) {
			end = at[i+1][0]
		}
		found[text[m[2]:m[3]]] = text[m[1]:end]
	}
	return found
}

// docs/configuration.md has each option under a heading, in the order and with
// the form of the parser, and README.md links to it.
func TestTheDocumentsHaveTheOptionsOfTheParser(t *testing.T) {
	text, options := document(t, "docs/configuration.md"), config.Options()
	found := sections(text)
	var order, want, inCheck []string
	for _, m := range sectionStart.FindAllStringSubmatch(text, -1) {
		if slices.ContainsFunc(options, func(o config.Option) bool { return o.Name == m[1] }) {
			order = append(order, m[1])
		}
	}
	syntax := flat(sections(document(t, "README.md"))["Syntax"])
	for _, o := range options {
		want = append(want, o.Name)
		form := "~~~ txt\n" + strings.TrimSpace(o.Name+" "+o.Form) + "\n~~~"
		if !strings.HasPrefix(strings.TrimSpace(found[o.Name]), form) {
			t.Errorf("docs/configuration.md: %s does not begin with\n%s", o.Name, form)
		}
		documented := strings.Contains(found[o.Name], "\n* Where: pools, filters, the block of a check\n")
		if documented != o.InCheck {
			t.Errorf("docs/configuration.md: %s may stand in the block of a check: %t, want %t", o.Name, documented, o.InCheck)
		}
		if o.InCheck {
			inCheck = append(inCheck, o.Name)
		}
		if link := "* [`" + o.Name + "`](docs/configuration.md#" + o.Name + ") "; !strings.Contains(syntax, link) {
			t.Errorf("README.md has no line %q", link)
		}
	}
	if !slices.Equal(order, want) {
		t.Errorf("docs/configuration.md has the options %v, want %v", order, want)
	}
	last := len(inCheck) - 1
	sentence := "`" + strings.Join(inCheck[:last], "`, `") + "` and `" + inCheck[last] + "` may be given in a check's block"
	if !strings.Contains(flat(found["check"]), sentence) {
		t.Errorf("docs/configuration.md does not say %q", sentence)
	}
}

// docs/configuration.md has the options of the process stanza in the same way, and
// those of their blocks in the lists below them.
func TestTheDocumentsHaveTheOptionsOfTheProcessStanza(t *testing.T) {
	text := document(t, "docs/configuration.md")
	found := sections(text)
	syntax := flat(found["The process stanza"])
	last := strings.Index(text, "\n## The process stanza\n")
	for _, o := range config.ProcessOptions() {
		at := strings.Index(text, "\n## "+o.Name+"\n")
		if at < last {
			t.Errorf("docs/configuration.md: %s stands at %d, want it behind what is at %d", o.Name, at, last)
		}
		last = at
		if form := "~~~ txt\n" + o.Name + " " + o.Form + "\n~~~"; !strings.HasPrefix(strings.TrimSpace(found[o.Name]), form) {
			t.Errorf("docs/configuration.md: %s does not begin with\n%s", o.Name, form)
		}
		if !strings.Contains(found[o.Name], "\n* Where: the process stanza\n") {
			t.Errorf("docs/configuration.md: %s is not said to be for the process stanza", o.Name)
		}
		written := o.Name + " " + o.Form
		if inner := config.BlockOptions(o.Name); len(inner) > 0 {
			var forms []string
			for _, i := range inner {
				forms = append(forms, i.Name+" "+i.Form)
				if item := "\n* `" + i.Name + " "; !strings.Contains(found[o.Name], item) {
					t.Errorf("docs/configuration.md: %s has no item %q", o.Name, item)
				}
			}
			written = strings.ReplaceAll(written, "OPTION...", strings.Join(forms, " "))
		}
		if !strings.Contains(syntax, written) {
			t.Errorf("docs/configuration.md: the process stanza has no %q", written)
		}
	}
}

// contains complains about each of wants that is not in text.
func contains(t *testing.T, file, text string, wants ...string) {
	t.Helper()
	text = flat(text)
	for _, want := range wants {
		if !strings.Contains(text, want) {
			t.Errorf("%s does not say %q", file, want)
		}
	}
}

var (
	kindOptions = regexp.MustCompile(`(?s)^\s*Options: (.*?)\n\n`)
	tlsOption   = regexp.MustCompile("(?m)^\\* `([a-z_]+)")
	codeWords   = regexp.MustCompile("`([a-z_]+)[^`]*`")
	onlyFor     = regexp.MustCompile("for `(https|grpcs)` the TLS options$")
)

// docs/checks.md has a section for each kind of check, with its options.
func TestTheDocumentsHaveTheKindsAndTheirOptions(t *testing.T) {
	found := sections(document(t, "docs/checks.md"))
	var overTLS []string
	for _, m := range tlsOption.FindAllStringSubmatch(found["TLS options"], -1) {
		overTLS = append(overTLS, m[1])
	}
	documented := make(map[string][]string)
	for title, text := range found {
		m := kindOptions.FindStringSubmatch(text)
		if m == nil {
			continue
		}
		given, _, _ := strings.Cut(m[1], "; for")
		only := onlyFor.FindStringSubmatch(flat(m[1]))
		for kind := range strings.SplitSeq(title, ", ") {
			for _, option := range codeWords.FindAllStringSubmatch(given, -1) {
				documented[kind] = append(documented[kind], option[1])
			}
			if strings.Contains(m[1], "TLS options") && (only == nil || only[1] == kind) {
				documented[kind] = append(documented[kind], overTLS...)
			}
			documented[kind] = slices.Clip(documented[kind])
		}
	}
	for _, kind := range probe.Kinds() {
		got, want := documented[kind], probe.Options(kind)
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%s: docs/checks.md has the options %v, the parser %v", kind, got, want)
		}
		delete(documented, kind)
		if link := "`" + kind + "`"; !strings.Contains(sections(document(t, "README.md"))["Syntax"], link) {
			t.Errorf("README.md does not list the kind %s", kind)
		}
	}
	for kind := range documented {
		t.Errorf("docs/checks.md has the kind %s, which the parser does not", kind)
	}
}

// rows returns the cells of each row of the tables in text, without headers.
func rows(text string) (all [][]string) {
	for line := range strings.Lines(text) {
		cells, ok := strings.CutPrefix(strings.TrimSpace(line), "| ")
		if !ok {
			continue
		}
		row := strings.Split(strings.TrimSuffix(cells, "|"), "|")
		for i := range row {
			row[i] = strings.Trim(strings.TrimSpace(row[i]), "*")
		}
		all = append(all, row)
	}
	return all
}

var code = regexp.MustCompile("`([^`]*)`")

// The table of docs/detection.md is arithmetic: this is it.
func TestTheDocumentsHaveTheTimesToDetect(t *testing.T) {
	tested := 0
	for _, row := range rows(sections(document(t, "docs/detection.md"))["Time to detect"])[1:] {
		block := "rrhealth {\nbackend 192.0.2.1\ncheck tcp://:1\n"
		for _, m := range code.FindAllStringSubmatch(row[0], -1) {
			block += m[1] + "\n"
		}
		s := parsed(t, block+"}")[0]
		p, ttl := s.Checks[0].Pace, float64(s.Pool.TTL)
		interval, fast, timeout := p.Interval.Seconds(), p.Fast.Seconds(), p.Timeout.Seconds()
		repeated := float64(p.Rule.Fall - 1)
		silent := 1.1*interval + repeated*max(1.1*fast, timeout) + timeout
		if p.Rule.FallHard > 0 {
			repeated = float64(p.Rule.FallHard - 1)
		}
		refused := 1.1 * (interval + repeated*fast)
		want := []string{
			fmt.Sprintf("%.1f s", refused), fmt.Sprintf("%.1f s", silent), fmt.Sprintf("%.0f s", ttl),
			fmt.Sprintf("%.1f s", max(1.1*interval+ttl+1, refused+fast+1)),
			fmt.Sprintf("%.1f s", max(1.1*interval+timeout+ttl+1, silent+fast+1)),
		}
		if !slices.Equal(row[1:], want) {
			t.Errorf("docs/detection.md: %s: %v, want %v", row[0], row[1:], want)
		}
		tested++
	}
	if tested < 5 {
		t.Errorf("tested %d rows, want all", tested)
	}
	first := rows(sections(document(t, "docs/detection.md"))["Time to detect"])[1:3]
	for _, text := range []string{
		fmt.Sprintf("that refuses connections leaves the answers within %s, a silent one within %s", first[0][1], first[0][2]),
		fmt.Sprintf("within %s (refused) and %s (silent)", first[1][1], first[1][2]),
	} {
		contains(t, "README.md", document(t, "README.md"), text)
	}
}

var source = regexp.MustCompile(`(?s)<!-- from (\S+) -->\n\n(.*?)\n\n`)

// Each row of a table that is from a file, as its comment has it, has its cells from one row
// of that file, in their order.
func TestTheFiguresAreThoseMeasured(t *testing.T) {
	if _, err := os.Stat("bench"); err != nil {
		t.Skip("there are no figures here") // see scripts/compat
	}
	compared := 0
	for _, m := range source.FindAllStringSubmatch(document(t, "docs/performance.md"), -1) {
		measured := rows(document(t, m[1]))
		for _, row := range rows(m[2])[1:] {
			if strings.HasPrefix(row[0], "--") {
				continue
			}
			if !slices.ContainsFunc(measured, func(from []string) bool { return takenFrom(row, from) }) {
				t.Errorf("docs/performance.md has %v, which is not in %s", row, m[1])
			}
			compared++
		}
	}
	if compared < 20 {
		t.Errorf("compared %d rows, want all", compared)
	}
}

// takenFrom reports whether row begins as from does, and has cells of from in
// their order, which may leave out what stands behind them in brackets.
func takenFrom(row, from []string) bool {
	if row[0] != from[0] {
		return false
	}
	for _, cell := range from {
		figure, _, _ := strings.Cut(cell, " (")
		if len(row) > 0 && (row[0] == cell || row[0] == figure) {
			row = row[1:]
		}
	}
	return len(row) == 0
}

const errorsPreface = "# Errors\n\n" +
	"Wrong Corefiles, and what rrhealth says about them. If a Corefile has several errors, rrhealth\n" +
	"reports all of them.\n\n" +
	"`go test -run Errors -update .` makes this page from\n" +
	"[testdata/corefile_errors.txt](../testdata/corefile_errors.txt), which the tests read.\n"

// TestBadCorefilesGetErrorsThatHelp makes docs/errors.md of the golden file.
func TestTheDocumentOfErrorsIsTheGoldenFile(t *testing.T) {
	if *update {
		t.Skip("the page is being made")
	}
	if want := pageOfErrors(document(t, "testdata/corefile_errors.txt")); document(t, errorsDocument) != want {
		t.Errorf("%s is not what testdata/corefile_errors.txt has: go test -run Errors -update .", errorsDocument)
	}
}

// pageOfErrors returns the page that the golden file becomes.
func pageOfErrors(golden string) string {
	var want strings.Builder
	want.WriteString(errorsPreface)
	for entry := range strings.SplitSeq(strings.TrimPrefix(golden, "### "), "\n### ") {
		title, rest, _ := strings.Cut(entry, "\n")
		corefile, message, _ := strings.Cut(rest, "\n=> ")
		fmt.Fprintf(&want, "\n## %s\n\n~~~ txt\n%s\n~~~\n\n~~~ log\n%s\n~~~\n", title, corefile, strings.TrimSpace(message))
	}
	return want.String()
}

// Links between documents lead somewhere.
func TestLinksOfTheDocumentsLeadSomewhere(t *testing.T) {
	if _, err := os.Stat("deploy"); err != nil {
		t.Skip("only a part of the tree is here") // see scripts/compat
	}
	link := regexp.MustCompile(`\]\(([^)#]*)(?:#([^)]*))?\)`)
	for _, file := range append(documents(t), "ARCHITECTURE.md") {
		for _, m := range link.FindAllStringSubmatch(document(t, file), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			to := filepath.Join(filepath.Dir(file), m[1])
			if m[1] == "" {
				to = file
			}
			if _, err := os.Stat(to); err != nil {
				t.Errorf("%s: %s: %v", file, m[0], err)
			} else if m[2] != "" && !slices.Contains(anchors(document(t, to)), m[2]) {
				t.Errorf("%s: %s: no such heading", file, m[0])
			}
		}
	}
}

var anyHeading = regexp.MustCompile(`(?m)^#+ (.*)$`)

// anchors returns what the headings of text are linked by.
func anchors(text string) (all []string) {
	for _, m := range anyHeading.FindAllStringSubmatch(text, -1) {
		keep := func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-', r == '_', r >= 'a' && r <= 'z', r >= '0' && r <= '9':
				return r
			}
			return -1
		}
		all = append(all, strings.Map(keep, strings.ToLower(m[1])))
	}
	return all
}

// A terminal shows lines of a hundred columns. Commands and messages are not
// broken: they are copied, and searched for.
func TestTheDocumentsFitATerminal(t *testing.T) {
	for _, file := range documents(t) {
		inBlock := false
		n := 0
		for line := range strings.Lines(document(t, file)) {
			n++
			if strings.HasPrefix(line, "~~~") {
				inBlock = line == "~~~ sh\n" || line == "~~~ log\n" || file == errorsDocument && strings.HasPrefix(line, "~~~ ")
			}
			if width := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); width > 100 && !inBlock {
				t.Errorf("%s:%s: %d columns, want at most 100", file, strconv.Itoa(n), width)
			}
		}
	}
}

// scripts/readme runs the commands of the documents but for those that are
// listed with a reason. Each line of the list is about a command.
func TestTheCommandsThatAreNotRunHaveAReason(t *testing.T) {
	var commands []string
	block := ""
	for _, file := range documents(t) {
		for line := range strings.Lines(document(t, file)) {
			line = strings.TrimSpace(line)
			switch command, prompted := strings.CutPrefix(line, "$ "); {
			case strings.HasPrefix(line, "~~~"):
				block = strings.TrimPrefix(line, "~~~")
			case prompted, block == " sh":
				commands = append(commands, command)
			}
		}
	}
	listed := 0
	for line := range strings.Lines(document(t, "scripts/notrun")) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		prefix, reason, ok := strings.Cut(line, ":")
		if !ok || strings.TrimSpace(reason) == "" {
			t.Errorf("scripts/notrun: %q has no reason", line)
		}
		if !slices.ContainsFunc(commands, func(c string) bool { return strings.HasPrefix(c, prefix) }) {
			t.Errorf("scripts/notrun: no document has a command that starts with %q", prefix)
		}
		listed++
	}
	if listed == 0 || len(commands) <= listed {
		t.Errorf("%d commands, %d of them not run", len(commands), listed)
	}
}
