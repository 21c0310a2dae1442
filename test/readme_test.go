package test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/coredns/coredns/core/dnsserver"

	"github.com/rrhealth/rrhealth/internal/harness"
)

var (
	block = regexp.MustCompile("(?ms)^ *~~~ (corefile|stanza)\n(.*?)^ *~~~$")
	port  = regexp.MustCompile(`:\d+\b`)
	ours  = regexp.MustCompile(`^\s*(backend|check|all_down|watch) `)
)

// Every Corefile in the documentation is started, as it stands but for the
// ports: documentation that does not work is worse than none.
func TestEveryCorefileInTheDocumentationStarts(t *testing.T) {
	t.Chdir("..")
	var files []string
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/*/*.md", "examples/*/README.md"} {
		matches, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, matches...)
	}
	started := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for i, m := range block.FindAllStringSubmatch(string(text), -1) {
			t.Run(fmt.Sprintf("%s/%d", file, i+1), func(t *testing.T) {
				t.Chdir(zoneFiles(t))
				startsOnFreePorts(t, whole(m[1], m[2]))
			})
			started++
		}
	}
	if started < 30 {
		t.Errorf("started %d Corefiles, want all that the documents have", started)
	}
}

var (
	// command is that of an exec check.
	command = regexp.MustCompile(`\bexec (/\S+)`)
	// folder is what the paths of the process stanza are in.
	folder = regexp.MustCompile(`(?m)^( *(?:control|state)) /\S*/`)
	// group is that of the control socket.
	group = regexp.MustCompile(`(?m)^( *group) .*$`)
)

// whole returns the Corefile that a block of the documents is, or is a part of:
// a block that is called stanza has lines of one. A command that is not installed
// here is replaced by one that is: rrhealth refuses to start without it. So is a
// group, and the paths of the process stanza are in the working directory.
func whole(kind, text string) string {
	text = folder.ReplaceAllString(text, "$1 ")
	text = group.ReplaceAllString(text, "$1 "+strconv.Itoa(os.Getgid()))
	text = command.ReplaceAllStringFunc(text, func(exec string) string {
		if _, err := os.Stat(command.FindStringSubmatch(exec)[1]); err != nil {
			return "exec /bin/sh"
		}
		return exec
	})
	if kind == "corefile" {
		return text
	}
	name := "www.example.org"
	if strings.HasPrefix(text, "watch ") {
		name = ""
	} else if !strings.HasPrefix(text, "backend ") {
		text = "backend 192.0.2.10 192.0.2.11\n" + text
	}
	return "example.org {\nrrhealth " + name + " {\n" + text + "}\n}\n"
}

func TestTheExampleStarts(t *testing.T) {
	text, err := os.ReadFile("../Corefile.example")
	if err != nil {
		t.Fatal(err)
	}
	startsOnFreePorts(t, string(text))
}

// startsOnFreePorts starts a Corefile with port 0 for every port that it
// listens on.
func startsOnFreePorts(t *testing.T, corefile string) {
	t.Helper()
	var out strings.Builder
	for l := range strings.Lines(corefile) {
		// Not in the stanzas of rrhealth: URLs, and IPv6 addresses.
		if !ours.MatchString(l) {
			l = port.ReplaceAllString(l, ":0")
		}
		out.WriteString(l)
	}
	defaultPort := dnsserver.Port
	dnsserver.Port = "0"
	defer func() { dnsserver.Port = defaultPort }()
	harness.Start(t, out.String()).Stop()
}

// zoneFiles returns a directory with the zone that examples load.
func zoneFiles(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	zone, err := os.ReadFile("test/testdata/db.example.org")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "db.example.org"), zone, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}
