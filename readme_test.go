package rrhealth

import (
	"os"
	"regexp"
	"slices"
	"testing"
)

var heading = regexp.MustCompile("(?m)^## (.*)$")

// The sections are those of a CoreDNS manual page, in their order.
func TestTheREADMEIsAManualPage(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	order := []string{"Name", "Description", "Syntax", "Metadata", "Metrics", "Ready", "Examples", "Bugs", "See Also"}
	for _, m := range heading.FindAllStringSubmatch(string(text), -1) {
		if slices.Contains(order, m[1]) {
			got = append(got, m[1])
		}
	}
	want := slices.DeleteFunc(slices.Clone(order), func(s string) bool { return !slices.Contains(got, s) })
	if !slices.Equal(got, want) || !slices.Contains(got, "Syntax") {
		t.Errorf("sections %v, want them in the order %v", got, want)
	}
}
