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
			`check "http://:0/x": invalid port (got "0")`, `check option "method"`, `check option "color"`, `check option "status": invalid status (got "2xx")`,
			`check option "status": given twice`, `check option "body"`,
		}},
		{"https://", []string{"alpn h3", "insecure yes"}, []string{`no host to verify`, `check option "alpn"`, `check option "insecure"`}},
		{"https://:0", []string{"min_days 0"}, []string{`invalid port (got "0")`, `check option "min_days"`}}, // not that a host is missing
		{"tls://a/x", []string{"min_days 0", "send \\q"}, []string{"path in the URL", `check option "min_days"`, `check option "send"`}},
		{"tcp://", []string{"send \\q", "expect ["}, []string{"no port", `check option "send"`, `check option "expect"`}},
		{"udp://", []string{"sned x"}, []string{"no port", `check option "sned"`}}, // not that send is missing
		{"grpcs://:1?x", []string{"alpn h3", "min_days x"}, []string{"query, or a service", `check option "alpn"`, `check option "min_days"`}},
		{"dns://:53/", []string{"type X", "rcode X", "rcode NXDOMAIN", "answer x"}, []string{
			"no name to ask for", `check option "type"`, `check option "rcode": unknown code (got "X")`, `check option "rcode": given twice`,
		}}, // not that answer needs NOERROR
		{"exec true", []string{"env A", "env B=C d", "enviro"}, []string{`check option "env": takes a name and a value (got 1 of 2)`, `check option "env": the first word contains =`, `check option "enviro"`}},
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

// Ranges stand in docs/checks.md as the code has them.
func TestTheDocumentsHaveTheRangesOfTheCode(t *testing.T) {
	content, err := os.ReadFile("../../docs/checks.md")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Join(strings.Fields(string(content)), " ")
	for _, want := range []string{
		fmt.Sprintf("`min_days N`: the certificate must be valid for N more days, 1 to %d.", maxMinDays),
		fmt.Sprintf("matches within its first %d KiB", maxReply>>10),
		fmt.Sprintf("At most %d commands run at once", maxCommands),
	} {
		if !strings.Contains(text, want) {
			t.Errorf("docs/checks.md does not say %q", want)
		}
	}
}

func TestInsecureBesideAuthoritiesIsRefused(t *testing.T) {
	ca := "ca " + newAuthority(t).file
	for _, kind := range []string{"https", "tls", "grpcs"} {
		for _, options := range [][]string{{ca, "insecure"}, {"insecure", ca}} {
			_, err := Parse(spec("", kind+"://www.example.org:1", options...))
			if option, ok := errors.AsType[*OptionError](err); !ok || !strings.Contains(err.Error(), "ca and insecure are both given") || option.Option.Name != strings.Fields(options[1])[0] {
				t.Errorf("%s with %q: error %v, want one about the second option", kind, options, err)
			}
		}
	}
}

// {$VARIABLE} becomes nothing where the variable is not set.
func TestAnEmptyValueIsWarnedOf(t *testing.T) {
	for _, tc := range []struct {
		url     string
		options []Option
		want    []string
	}{
		{"http://:80", []Option{{Name: "header", Args: []string{"Authorization", "Bearer "}}}, []string{"header Authorization"}},
		{"http://:80", []Option{{Name: "header", Args: []string{"X-A", ""}}, {Name: "header", Args: []string{"X-B", "Bearer", ""}}}, []string{"header X-A", "header X-B"}},
		{"http://:80", []Option{{Name: "header", Args: []string{"X-A", "Bearer x"}}}, nil},
		{"exec true", []Option{{Name: "env", Args: []string{"A", ""}}, {Name: "env", Args: []string{"B", "b"}}}, []string{"env A"}},
	} {
		s := spec("", tc.url)
		s.Options = tc.options
		c, err := Parse(s)
		if err != nil {
			t.Error(err)
			continue
		}
		if len(c.Warnings) != len(tc.want) {
			t.Errorf("%v: warnings %q, want %d", tc.options, c.Warnings, len(tc.want))
			continue
		}
		for i, want := range tc.want {
			if !strings.Contains(c.Warnings[i], "the value of "+want+" is empty or ends in a space") {
				t.Errorf("%v: warning %q, want one about %s", tc.options, c.Warnings[i], want)
			}
		}
	}
}
