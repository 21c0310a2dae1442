package config

import (
	"fmt"
	"strings"
	"testing"

	"github.com/coredns/caddy/caddyfile"
)

// shape writes lines as (WORDS {BLOCK}), with their numbers.
func shape(lines []Line) string {
	var b strings.Builder
	for _, l := range lines {
		fmt.Fprintf(&b, "(%d %s", l.No, strings.Join(l.Words, "_"))
		if l.Block != nil {
			fmt.Fprintf(&b, " {%s}", shape(l.Block))
		}
		b.WriteString(")")
	}
	return b.String()
}

func TestReadLines(t *testing.T) {
	for _, tc := range []struct{ text, want, err string }{
		{"", "", ""},
		{"rrhealth a b", "(1 rrhealth_a_b)", ""},
		{"rrhealth a {\nbackend x y\n}", "(1 rrhealth_a {(2 backend_x_y)})", ""},
		{"rrhealth a {\ncheck t {\nsend \"x y\"\n}\nttl 5s\n}\nrrhealth b", "(1 rrhealth_a {(2 check_t {(3 send_x y)})(5 ttl_5s)})(7 rrhealth_b)", ""},
		{"rrhealth {\n}", "(1 rrhealth {})", ""},
		{"rrhealth a\n{\n}", "", "Corefile:2 - Error during parsing: unexpected {, want it at the end of the line before"},
		{"rrhealth a\nrrhealth b {\nx\n", "", `Corefile:2 - Error during parsing: no } for the { of "rrhealth"`},
		{"rrhealth a { x\n}", "", `Corefile:1 - Error during parsing: unexpected "x" behind {, want the block on lines of its own`},
		{"rrhealth a {\nx }\n}", "", `Corefile:2 - Error during parsing: unexpected } behind "x", want it on a line of its own`},
		{"rrhealth a {\n}\nhosts", "(1 rrhealth_a {})", `Corefile:3 - Error during parsing: unexpected "hosts", want rrhealth`},
	} {
		tokens := caddyfile.NewDispenser("Corefile", strings.NewReader(tc.text))
		lines, err := ReadLines(&tokens, "rrhealth")
		text := ""
		if err != nil {
			text = err.Error()
		}
		if shape(lines) != tc.want || text != tc.err {
			t.Errorf("%q: got %s, %q, want %s, %q", tc.text, shape(lines), text, tc.want, tc.err)
		}
	}
}
