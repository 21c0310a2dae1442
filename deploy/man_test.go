package deploy_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"github.com/rrhealth/rrhealth/internal/ctl"
)

// TestTheManPageIsTheREADME generates the page again. `make man` fixes a
// failure.
func TestTheManPageIsTheREADME(t *testing.T) {
	if testing.Short() {
		t.Skip("may download go-md2man")
	}
	generated(t, "coredns-rrhealth.7", "README.md")
}

// generated checks that a page is what deploy/man/generate makes of its source.
func generated(t *testing.T, name, source string) {
	t.Helper()
	page := filepath.Join(t.TempDir(), name) // not the output: a first run also prints its downloads
	out, err := try(2*time.Minute, "man/generate", page)
	if err != nil && os.Getenv("CI") == "" {
		t.Skipf("cannot generate the page: %v\n%s", err, out)
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if read(t, "man/"+name) != read(t, page) {
		t.Errorf("deploy/man/%s differs from %s: run make man", name, source)
	}
}

func TestTheManPageOfRrhealthctlIsItsHelp(t *testing.T) {
	generated(t, "rrhealthctl.8", "the commands of rrhealthctl")
}

// rrhealthctl(8) has every command with its options.
func TestTheManPageHasEveryCommandAndOption(t *testing.T) {
	page := read(t, "man/rrhealthctl.8")
	root := ctl.New(ctl.IO{Getenv: func(string) string { return "" }})
	has := func(section, title string) func(*pflag.Flag) {
		return func(f *pflag.Flag) {
			if option := `\fB\-\-` + strings.ReplaceAll(f.Name, "-", `\-`) + `\fR`; f.Name != "help" && !strings.Contains(section, option) {
				t.Errorf("%s: no option --%s", title, f.Name)
			}
		}
	}
	_, options, _ := strings.Cut(page, "\n.SH OPTIONS\n")
	options, _, _ = strings.Cut(options, "\n.SH ")
	root.PersistentFlags().VisitAll(has(options, "OPTIONS"))
	for _, cmd := range root.Commands() {
		if cmd.Name() == "help" {
			continue
		}
		_, section, ok := strings.Cut(page, "\n.SS \\fB"+cmd.Name()+"\\fR")
		section, _, _ = strings.Cut(section, "\n.SS ")
		if !ok {
			t.Errorf("no section of %s", cmd.Name())
		}
		cmd.LocalNonPersistentFlags().VisitAll(has(section, cmd.Name()))
	}
}

// groff finds nothing odd in rrhealthctl(8), and no line of a table is broken.
func TestTheManPageIsGoodRoff(t *testing.T) {
	groff, err := exec.LookPath("groff")
	if err != nil {
		t.Skip("needs groff")
	}
	cmd := exec.Command(groff, "-man", "-ww", "-Tutf8", "-P-cbou", "man/rrhealthctl.8")
	var warnings strings.Builder
	cmd.Stderr = &warnings
	out, err := cmd.Output()
	if err != nil || warnings.Len() > 0 {
		t.Errorf("groff: %v\n%s", err, warnings.String())
	}
	for _, want := range []string{
		"drain 192.0.2.0/24 tier=2      those of tier 2 in the network\n",
		"such as '192.0.2.*', a network",
		"--until TIME\n",
		"control /run/coredns/rrhealth.sock\n",
	} {
		if !strings.Contains(string(out), want) {
			t.Errorf("the page does not show %q", want)
		}
	}
}

// The completions of the release are those of rrhealthctl.
func TestTheCompletionsAreGenerated(t *testing.T) {
	folder := t.TempDir()
	if out, err := try(2*time.Minute, "completions/generate", folder); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, name := range []string{"rrhealthctl.bash", "_rrhealthctl", "rrhealthctl.fish"} {
		if text := read(t, filepath.Join(folder, name)); !strings.Contains(text, "__complete") {
			t.Errorf("%s is no completion of a cobra command:\n%.200s", name, text)
		}
	}
}
