package probe

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// An option that the list has and the parser does not, or the other way round,
// is one that an error recommends and the next error refuses.
func TestEveryOptionOfTheListIsRead(t *testing.T) {
	urls := map[string]string{"icmp": "icmp", "exec": "exec true"}
	var all []string
	for _, kind := range Kinds() {
		all = append(all, Options(kind)...)
	}
	for _, kind := range Kinds() {
		url, ok := urls[kind]
		if !ok {
			url = kind + "://www.example.org:1/x"
		}
		for _, name := range all {
			s := spec("", url)
			s.Options = []Option{{Name: name}}
			_, err := Parse(s)
			unknown := err != nil && strings.Contains(err.Error(), `check option "`+name+`": unknown for `+kind+"; use one of "+list(append(Options(kind), s.General...)))
			if listed := slices.Contains(Options(kind), name); listed == unknown {
				t.Errorf("%s, option %s: listed %v, error %v", kind, name, listed, err)
			}
		}
	}
}

func TestAllErrorsOfACheckAreReported(t *testing.T) {
	for _, tc := range []struct {
		url     string
		options []string
		want    []string
	}{
		{"http://:0/x", []string{"method get", "color red", "status 2xx", "status 200", "body ("}, []string{
			`check "http://:0/x": port "0"`, `check option "method"`, `check option "color"`, `check option "status": got "2xx"`,
			`check option "status": given twice`, `check option "body"`,
		}},
		{"https://", []string{"alpn h3", "insecure yes"}, []string{`no host to verify`, `check option "alpn"`, `check option "insecure"`}},
		{"https://:0", []string{"min_days 0"}, []string{`port "0"`, `check option "min_days"`}}, // not that a host is missing
		{"tls://a/x", []string{"min_days 0", "send \\q"}, []string{"a path in the URL", `check option "min_days"`, `check option "send"`}},
		{"tcp://", []string{"send \\q", "expect ["}, []string{"no port", `check option "send"`, `check option "expect"`}},
		{"udp://", []string{"sned x"}, []string{"no port", `check option "sned"`}}, // not that send is missing
		{"grpcs://:1?x", []string{"alpn h3", "min_days x"}, []string{"a query in the URL", `check option "alpn"`, `check option "min_days"`}},
		{"dns://:53/", []string{"type X", "rcode X", "rcode NXDOMAIN", "answer x"}, []string{
			"no name to ask for", `check option "type"`, `check option "rcode": got`, `check option "rcode": given twice`,
		}}, // not that answer needs NOERROR
		{"exec true", []string{"env A", "env B=C d", "enviro"}, []string{`check option "env": got 1`, `check option "env": got the name`, `check option "enviro"`}},
		{"icmp", []string{"a", "b"}, []string{`check option "a"`, `check option "b"`}},
	} {
		_, err := Parse(spec("", tc.url, tc.options...))
		joined, ok := err.(interface{ Unwrap() []error })
		if !ok {
			t.Errorf("%s: error %v, want several", tc.url, err)
			continue
		}
		var got []string
		for l := range strings.Lines(errors.Join(joined.Unwrap()...).Error()) {
			got = append(got, strings.TrimSpace(l))
		}
		if len(got) != len(tc.want) {
			t.Errorf("%s: %d errors, want %d:\n%s", tc.url, len(got), len(tc.want), strings.Join(got, "\n"))
			continue
		}
		for i := range got {
			if !strings.Contains(got[i], tc.want[i]) {
				t.Errorf("%s: error %d is %q, want %q", tc.url, i+1, got[i], tc.want[i])
			}
		}
	}
}

// Ranges stand in the README as the code has them.
func TestTheREADMEHasTheRangesOfTheCode(t *testing.T) {
	content, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Join(strings.Fields(string(content)), " ")
	for _, want := range []string{
		fmt.Sprintf("`min_days N` (the certificate must be valid for N more days, 1 to %d)", maxMinDays),
		fmt.Sprintf("matches within its first %d KiB", maxReply>>10),
		fmt.Sprintf("At most %d commands run at once", maxCommands),
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the README does not say %q", want)
		}
	}
}
