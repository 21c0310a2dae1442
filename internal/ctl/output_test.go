package ctl

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"unicode/utf8"

	"github.com/rrhealth/rrhealth/plugin/api"
)

func asJSON(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// looks are command lines that print the answer of the server.
var looks = []string{
	"status", "pools", "show www.example.org", "show 192.0.2.1", "history", "explain www.example.org", "whatif --down 192.0.2.1",
	"drain 198.51.100.1 --for 1h", "auto 192.0.2.9", "version",
}

// JSON has no null and is all there is on stdout.
func TestJSONHasNoNull(t *testing.T) {
	for _, line := range append(looks, "history 203.0.113.1", "pools nothing") {
		synctest.Test(t, func(t *testing.T) {
			untilNoon()
			r := against(t, site().start(t), append(words(line), "-o", "json")...)
			var v map[string]any
			if err := json.Unmarshal([]byte(r.out), &v); err != nil || r.code != ExitDone {
				t.Fatalf("%s: code %d, %v:\n%s%s", line, r.code, err, r.out, r.err)
			}
			if strings.Contains(r.out, "null") {
				t.Errorf("%s: has null:\n%s", line, r.out)
			}
		})
	}
}

// What -o json prints is what the server answered.
func TestJSONIsTheServers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		untilNoon()
		f := site().start(t)
		r := against(t, f, "pools", "-o", "json")
		var got api.Pools
		if err := json.Unmarshal([]byte(r.out), &got); err != nil {
			t.Fatal(err)
		}
		if want := (api.Pools{Total: 3, Pools: f.pools}); asJSON(t, got) != asJSON(t, want) {
			t.Errorf("got\n%s\nwant\n%s", asJSON(t, got), asJSON(t, want))
		}
	})
}

func TestQuietPrintsKeysOnly(t *testing.T) {
	for line, want := range map[string]string{
		"status":                          "degraded\n",
		"pools":                           "www.example.org.\napi.example.org.\nexample.org.\n",
		"pools nothing":                   "",
		"show www.example.org":            "192.0.2.2\n192.0.2.1\n2001:db8::1\n",
		"show 192.0.2.1":                  "www.example.org.\napi.example.org.\n",
		"history":                         "192.0.2.2\n192.0.2.1\n",
		"explain www.example.org":         "192.0.2.1\n",
		"whatif --down 198.51.100.1":      "api.example.org. 198.51.100.1\n",
		"drain 198.51.100.1 --for 1h":     "198.51.100.1\n",
		"auto 192.0.2.9":                  "",
		"drain tier=2 --for 1h --wait":    "198.51.100.1\n",
		"drain tier=2 --for 1h --dry-run": "198.51.100.1\n",
		"version":                         "0.1.0\n",
	} {
		synctest.Test(t, func(t *testing.T) {
			untilNoon()
			r := against(t, site().start(t), append(words(line), "-q")...)
			if r.code != ExitDone || r.out != want || r.err != "" {
				t.Errorf("%s: code %d, stdout %q, stderr %q, want %q", line, r.code, r.out, r.err, want)
			}
		})
	}
}

var escapes = regexp.MustCompile(`\x1b\[[0-9;]*m`)

// Colors are on a terminal only, and change no column.
func TestColorsAreOnATerminalOnly(t *testing.T) {
	for _, line := range append(looks, "drain 192.0.2.1 --for 1h") {
		synctest.Test(t, func(t *testing.T) {
			untilNoon()
			f := site().start(t)
			plain := against(t, f, words(line)...)
			f.overrides = []api.Override{}
			terminal := newRunner(f)
			terminal.OutTerminal, terminal.ErrTerminal = true, true
			colored := terminal.run(t.Context(), words(line)...)
			f.overrides = []api.Override{}
			terminal.Getenv = func(key string) string { return map[string]string{"NO_COLOR": "1"}[key] }
			without := terminal.run(t.Context(), words(line)...)
			if escapes.MatchString(plain.out) || escapes.MatchString(without.out) {
				t.Errorf("%s: colors without a terminal or with NO_COLOR", line)
			}
			if line != "version" && !strings.HasPrefix(line, "auto") && !escapes.MatchString(colored.out+colored.err) {
				t.Errorf("%s: no colors on a terminal", line)
			}
			for _, got := range []string{escapes.ReplaceAllString(colored.out, ""), without.out} {
				if trimmed(got) != trimmed(plain.out) {
					t.Errorf("%s: columns differ:\n%s\nwant\n%s", line, got, plain.out)
				}
			}
		})
	}
}

// trimmed returns text without blanks at the ends of lines: behind a color they
// stay.
func trimmed(text string) string {
	return regexp.MustCompile(`(?m) +$`).ReplaceAllString(text, "")
}

// What comes from the network cannot steer the terminal.
func TestControlCharactersAreShown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		untilNoon()
		f := site()
		f.backends[0].Reason = "\x1b]0;title\x07\tx\xff\n192.0.2.9"
		f.status.Problems = []string{"a\vb\rc"}
		f.start(t)
		for _, line := range []string{"show www.example.org", "status"} {
			r := against(t, f, words(line)...)
			if regexp.MustCompile(`[\x1b\x07\t\v\r]`).MatchString(r.out) || !utf8.ValidString(r.out) || strings.Contains(r.out, "\n192.0.2.9") {
				t.Errorf("%s: control characters in %q", line, r.out)
			}
			if line != "status" && !strings.Contains(r.out, `\u001b]0;title\u0007\u0009x\ufffd\u000a192.0.2.9`) {
				t.Errorf("%s: the reason is not there:\n%s", line, r.out)
			}
		}
	})
}

func TestClean(t *testing.T) {
	for text, want := range map[string]string{
		"connection refused": "connection refused",
		"Zürich ✓":           "Zürich ✓",
		"a\tb":               `a\u0009b`,
		"a\u202eb":           `a\u202eb`, // would turn the line around
		"a\xc3":              `a\ufffd`,
		"":                   "",
	} {
		if got := clean(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}
