package ctl

import (
	"os/exec"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// completed returns what the shell offers behind a command line; the last word is
// what has been typed of the next.
func completed(t *testing.T, f *fake, line ...string) []string {
	t.Helper()
	r := newRunner(f).run(t.Context(), append([]string{"__completeNoDesc"}, line...)...)
	words := strings.Fields(r.out)
	if r.code != ExitDone || len(words) == 0 || !strings.HasPrefix(words[len(words)-1], ":") {
		t.Fatalf("%v: %+v", line, r)
	}
	return words[:len(words)-1]
}

func TestCompletion(t *testing.T) {
	for _, tc := range []struct{ line, want string }{
		{"sh", "show"},
		{"show|www", "www.example.org."},
		{"show|", "192.0.2.1 192.0.2.2 198.51.100.1 2001:db8::1 api.example.org. example.org. shop.example.org. www.example.org."},
		{"show|a|", ""},
		{"drain|", "192.0.2.1 192.0.2.2 198.51.100.1 2001:db8::1"},
		{"drain|192.0.2.1|192.", "192.0.2.2"},
		{"drain|192.0.2.1|--pool|s", "shop.example.org."},
		{"whatif|--down|2", "2001:db8::1"},
		{"pools|--state|", "ok degraded short all_down"},
		{"-o|", "table json"},
		{"completion|", "bash zsh fish"},
		{"explain|www.example.org|--type|", "A AAAA"},
	} {
		synctest.Test(t, func(t *testing.T) {
			untilNoon()
			got := strings.Join(completed(t, site().start(t), strings.Split(tc.line, "|")...), " ")
			if got != tc.want {
				t.Errorf("%s: got %s, want %s", tc.line, got, tc.want)
			}
		})
	}
}

// Without a server, or with one that hangs, the shell gets nothing, and soon.
func TestCompletionWithoutAServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		untilNoon()
		f := site()
		f.slow = time.Minute
		if got := completed(t, f.start(t), "show", ""); len(got) > 0 || time.Since(noon) > time.Second {
			t.Errorf("got %v after %v", got, time.Since(noon))
		}
		time.Sleep(2 * time.Minute)
	})
	r := newRunner(nil).run(t.Context(), "__complete", "--control", "/nowhere/s", "show", "")
	if r.code != ExitDone || strings.Contains(r.out+r.err, "socket") {
		t.Errorf("%+v", r)
	}
}

// The scripts are read by the shells without an error.
func TestCompletionScripts(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish"} {
		r := newRunner(nil).run(t.Context(), "completion", shell)
		if r.code != ExitDone || !strings.Contains(r.out, "rrhealthctl") {
			t.Errorf("%s: %+v", shell, r)
		}
		path, err := exec.LookPath(shell)
		if err != nil {
			t.Logf("%s is not installed", shell)
			continue
		}
		cmd := exec.Command(path, "-n")
		cmd.Stdin = strings.NewReader(r.out)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s -n: %v\n%s", shell, err, out)
		}
	}
}
