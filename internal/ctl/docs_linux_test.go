package ctl

import (
	"context"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rrhealth/rrhealth/internal/lease"
	"github.com/rrhealth/rrhealth/plugin/api"
)

var update = flag.Bool("update", false, "write the outputs of commands into docs/rrhealthctl.md")

const page = "../../docs/rrhealthctl.md"

var example = regexp.MustCompile(`(?m)^~~~ (?:txt|log)\n(\$ rrhealthctl (?s:.*?))^~~~$`)

// docs/rrhealthctl.md has the output of each command that it shows. The commands
// of a block find what those above them have left; each block begins anew.
func TestTheDocumentHasTheOutputOfCommands(t *testing.T) {
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	shown := 0
	made := example.ReplaceAllStringFunc(string(text), func(block string) string {
		shown++
		head, rest, _ := strings.Cut(block, "\n")
		var b strings.Builder
		b.WriteString(head + "\n")
		if strings.HasPrefix(rest, "$ rrhealthctl try") {
			b.WriteString(tryShown(t, string(text), rest))
			return b.String() + "~~~"
		}
		synctest.Test(t, func(t *testing.T) {
			untilNoon()
			f := site().start(t)
			for line := range strings.Lines(rest) {
				command, ok := strings.CutPrefix(line, "$ rrhealthctl ")
				if !ok {
					continue // of the output that is compared
				}
				command, _, redirected := strings.Cut(command, " >")
				r := shownIn(t, f, words(command))
				if b.WriteString(line); !redirected {
					b.WriteString(r)
				}
			}
		})
		return b.String() + "~~~"
	})
	if shown == 0 {
		t.Fatal("no commands found")
	}
	if made == string(text) {
		return
	}
	if *update {
		if err := os.WriteFile(page, []byte(made), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Errorf("%s is not what the commands print: go test ./internal/ctl -update\n%s", page, firstDifference(string(text), made))
}

// shownIn returns what a command that the document shows prints on a terminal. A
// watch sees a backend come up, and is interrupted.
func shownIn(t *testing.T, f *fake, args []string) string {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if args[0] == "watch" {
		time.AfterFunc(2500*time.Millisecond, func() {
			f.happens("www.example.org.", "192.0.2.2", api.Event{Kind: "state", State: "up"})
		})
		time.AfterFunc(4500*time.Millisecond, cancel)
	}
	r := newRunner(f)
	r.Err = r.Out
	return r.run(ctx, args...).out
}

var (
	tryCorefile = regexp.MustCompile(`(?s)\n## try\n.*?~~~ corefile\n(.*?)~~~`)
	duration    = regexp.MustCompile(`\d+\.\d ms`)
)

// tryShown returns the block of the example of try, whose Corefile is in the page.
// Two of its backends are up. It runs without the bubble: its probes are real.
func tryShown(t *testing.T, page, block string) string {
	t.Helper()
	m := tryCorefile.FindStringSubmatch(page)
	if m == nil {
		t.Fatal("the page has no Corefile for try")
	}
	net := lease.Net(t)
	listen(t, net+"1:18080")
	listen(t, net+"2:18080")
	file := filepath.Join(t.TempDir(), "Corefile")
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(m[1], "127.0.0.", net)), 0o600); err != nil {
		t.Fatal(err)
	}
	r := newRunner(site().start(t))
	r.Err = r.Out
	shown := r.run(t.Context(), "try", file).out
	shown = duration.ReplaceAllString(shown, "0.4 ms") // they differ each time
	command, _, _ := strings.Cut(block, "\n")
	return command + "\n" + strings.ReplaceAll(shown, net, "127.0.0.")
}

// words splits a command line as a shell does, with single quotes only.
func words(line string) []string {
	var all []string
	for i, part := range strings.Split(strings.TrimSpace(line), "'") {
		if i%2 == 1 {
			all = append(all, part)
			continue
		}
		all = append(all, strings.Fields(part)...)
	}
	return all
}

// firstDifference returns the first lines that differ.
func firstDifference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			return "has  " + g[i] + "\nwant " + w[i]
		}
	}
	return "one is longer"
}

// Each command has a section with an example, in the order of this page.
func TestTheDocumentHasEveryCommand(t *testing.T) {
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	for _, cmd := range New(newRunner(nil).IO).Commands() {
		_, section, found := strings.Cut(string(text), "\n## "+cmd.Name()+"\n")
		section, _, _ = strings.Cut(section, "\n## ")
		switch {
		case cmd.Name() == "help" || cmd.Hidden:
		case !found:
			t.Errorf("%s has no section %s", page, cmd.Name())
		case !strings.Contains(section, "\n$ rrhealthctl "+cmd.Name()):
			t.Errorf("%s: the section %s has no example of it", page, cmd.Name())
		}
	}
}
