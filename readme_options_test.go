package rrhealth

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rrhealth/rrhealth/plugin/pool"
	"github.com/rrhealth/rrhealth/plugin/probe"
)

// readme returns the README with each run of white space as one space.
func readme(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(strings.Fields(string(text)), " ")
}

// The parser and its error texts read the list of options. The README's Syntax
// is the same list.
func TestTheREADMEHasTheOptionsOfTheParser(t *testing.T) {
	want := "~~~ txt rrhealth [NAME...] {"
	for _, o := range options {
		want += " " + strings.TrimSpace(o.name+" "+o.form)
	}
	want += " } ~~~"
	text := readme(t)
	if !strings.Contains(text, want) {
		_, got, _ := strings.Cut(text, "## Syntax ")
		t.Errorf("the README's Syntax is\n%.700s\nwant\n%s", got, want)
	}
	for _, o := range options {
		if strings.Count(text, "`"+o.name+"`") == 0 {
			t.Errorf("the README does not explain %s", o.name)
		}
	}
	last := len(generalOptions) - 1
	sentence := "`" + strings.Join(generalOptions[:last], "`, `") + "` and `" + generalOptions[last] + "` may be given in a check's block"
	if !strings.Contains(text, sentence) {
		t.Errorf("the README does not say %q", sentence)
	}
}

var (
	kindRow   = regexp.MustCompile("(?m)^  \\| (`[a-z]+`(?:, `[a-z]+`)*) \\| (.*?) \\| ")
	codeWords = regexp.MustCompile("`([a-z_]+)[^`]*`")
	tlsList   = regexp.MustCompile(`(?s)The TLS options are (.*?)\. Files`)
)

// firstWords returns the first word of each piece of code in text.
func firstWords(text string) (words []string) {
	for _, m := range codeWords.FindAllStringSubmatch(text, -1) {
		words = append(words, m[1])
	}
	return words
}

// The README's table has every kind of check, with the options of its parser.
func TestTheREADMEHasTheKindsAndTheirOptions(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	m := tlsList.FindSubmatch(text)
	if m == nil {
		t.Fatal("the README has no sentence that lists the TLS options")
	}
	overTLS := firstWords(string(m[1]))
	documented := make(map[string][]string)
	for _, row := range kindRow.FindAllStringSubmatch(string(text), -1) {
		given, afterTLS, _ := strings.Cut(row[2], "TLS options")
		onlyFor := regexp.MustCompile("for (https|grpcs) $").FindStringSubmatch(given)
		for _, kind := range firstWords(row[1]) {
			list := append(firstWords(given), firstWords(afterTLS)...)
			if strings.Contains(row[2], "TLS options") && (onlyFor == nil || onlyFor[1] == kind) {
				list = append(list, overTLS...)
			}
			documented[kind] = list
		}
	}
	for _, kind := range probe.Kinds() {
		got, want := documented[kind], probe.Options(kind)
		slices.Sort(got)
		slices.Sort(want)
		got = slices.Compact(got) // the text refers to some again
		if !slices.Equal(got, want) {
			t.Errorf("%s: the README has the options %v, the parser %v", kind, got, want)
		}
		delete(documented, kind)
	}
	for kind := range documented {
		t.Errorf("the README has the kind %s, which the parser does not", kind)
	}
}

// short writes d as the README does: 24h, not 24h0m0s.
func short(d time.Duration) string {
	text := d.String()
	if d%time.Minute == 0 {
		text = strings.TrimSuffix(text, "0s")
	}
	if d%time.Hour == 0 {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// Ranges and defaults stand in the README as the code has them.
func TestTheREADMEHasTheRangesOfTheCode(t *testing.T) {
	text := readme(t)
	for _, want := range []string{
		fmt.Sprintf("cut to %s.", map[int]string{8: "eight"}[defaultMaxAnswers]),
		fmt.Sprintf("share of the first answers (1 to %d, default 1)", maxWeight),
		fmt.Sprintf("ranks backends (1 to %d, default 1)", maxTier),
		fmt.Sprintf("each backend is asked (%s to %s, default %s)", short(minInterval), short(maxInterval), short(defaultInterval)),
		fmt.Sprintf("what was believed (default %s, or the interval where that is shorter)", short(defaultFast)),
		fmt.Sprintf("request and reply (default %s, or half the interval where that is not longer)", short(defaultTimeout)),
		fmt.Sprintf("or to go down (1 to %d, default %d and %d)", maxStreak, defaultRise, defaultFall),
		fmt.Sprintf("(default %d and %d)", defaultNetworks[pool.V4], defaultNetworks[pool.V6]),
		fmt.Sprintf("in an answer (0 to %d, default %d, in a filter 0; 0 for all)", mostAnswers, defaultMaxAnswers),
		fmt.Sprintf("between %d and %d seconds; %d seconds without a check", seconds(minTTL), seconds(maxTTL), seconds(staticTTL)),
		fmt.Sprintf("to notice a failure: %d s with the defaults", seconds(defaultInterval+(defaultFall-1)*defaultFast)),
		fmt.Sprintf("within %d + %d × %d seconds", seconds(defaultInterval), defaultFall-1, seconds(defaultFast)),
		fmt.Sprintf("for so long (%s to %s, off by default), under `policy weighted`", short(minRecovery), short(maxRecovery)),
		fmt.Sprintf("that flaps (%s to %s, off by default)", short(minRecovery), short(pool.FlapWindow)),
		fmt.Sprintf("With a duration (%s to %s)", short(minRecovery), short(maxRecovery)),
		fmt.Sprintf("At most %d,000 are watched", watchLimit/1000),
		fmt.Sprintf("Only %d backends have series of their own", maxBackendSeries),
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the README does not say %q", want)
		}
	}
}
