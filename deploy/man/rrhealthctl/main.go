// Command rrhealthctl prints the man page rrhealthctl(8). deploy/man/generate calls
// it.
//
// The commands and options of the page are those of package ctl, with the text of
// their --help. The generator of cobra makes a page for each command instead: an
// operator would have to know which of them to open.
package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/rrhealth/rrhealth/internal/ctl"
)

func main() {
	out := bufio.NewWriter(os.Stdout)
	write(out, ctl.New(ctl.IO{Getenv: func(string) string { return "" }}))
	if err := out.Flush(); err != nil {
		fmt.Fprintln(os.Stderr, "rrhealthctl:", err)
		os.Exit(1)
	}
}

// A page is a man page that is being written.
type page struct {
	io.Writer
	printed map[string]bool // paragraphs of help, each of which is printed once
}

// write writes the page of root. It has no date, so that it changes only with the
// commands.
func write(w io.Writer, root *cobra.Command) {
	p := &page{w, make(map[string]bool)}
	p.macro(`.TH rrhealthctl 8 "" "rrhealth" "System Administration"`)
	p.macro(".SH NAME")
	p.text("rrhealthctl - " + strings.ToLower(root.Short[:1]) + root.Short[1:])
	p.macro(".SH SYNOPSIS")
	p.macro(`\fBrrhealthctl\fR [\fIOPTION\fR...] \fICOMMAND\fR [\fIARGUMENT\fR...]`)
	p.macro(".SH DESCRIPTION")
	p.help(root.Long)
	p.macro(".SH OPTIONS")
	p.flags(root.PersistentFlags())
	p.macro(".SH COMMANDS")
	for _, group := range append(root.Groups(), &cobra.Group{}) {
		for _, cmd := range root.Commands() {
			if cmd.GroupID == group.ID && cmd.Name() != "help" && !cmd.Hidden {
				p.command(cmd)
			}
		}
	}
	for _, s := range sections {
		p.macro(".SH " + s.title)
		for _, item := range s.items {
			p.item(bold(item[0]), item[1])
		}
	}
	p.macro(".SH SEE ALSO")
	p.macro(`\fBcoredns\-rrhealth\fR(7), \fBcoredns\fR(1), \fBcorefile\fR(5)`)
}

// sections are the tables at the end of the page.
var sections = []struct {
	title string
	items [][2]string
}{
	{"EXIT STATUS", [][2]string{
		{"0", "The command did what it was asked for."},
		{"1", "The command was refused, or failed. For try: the Corefile is wrong, or all backends of a pool are down."},
		{"2", "The command line was not understood."},
		{"3", "The --timeout of drain --wait has passed; the drain stays."},
		{"status --nagios", "has 0 for ok, 1 for a warning, 2 for critical and 3 for unknown instead."},
	}},
	{"ENVIRONMENT", [][2]string{
		{ctl.ControlVariable, "The server's socket, unless --control is given."},
		{"NO_COLOR", "If it is not empty, tables have no colors on a terminal either."},
	}},
	{"FILES", [][2]string{
		{ctl.DefaultControl, "The server's socket, as set by control in the Corefile. Its mode and group decide who may use it."},
	}},
	{"EXAMPLES", [][2]string{
		{"rrhealthctl pools --state degraded", "lists the pools that have a backend down."},
		{"rrhealthctl drain 192.0.2.1 --for 2h --reason 'kernel update' --wait && ssh 192.0.2.1 reboot", "reboots a machine to which no client is sent any more."},
		{"rrhealthctl explain www.example.org --at -1h", "shows which answer www.example.org had an hour ago, and why."},
		{"rrhealthctl try /etc/coredns/Corefile && systemctl reload coredns", "reloads a Corefile that is right."},
	}},
}

// command writes the section of a command.
func (p *page) command(cmd *cobra.Command) {
	name, arguments, _ := strings.Cut(cmd.Use, " ")
	p.macro(fmt.Sprintf(`.SS \fB%s\fR %s`, roff(name), italic(arguments)))
	if p.help(cmd.Long) {
		p.macro(".PP")
		p.text("For SELECTOR, the time and what the server refuses, see drain.")
	}
	p.flags(cmd.LocalNonPersistentFlags())
}

// help writes a text of --help: paragraphs, in which indented lines stay as they
// are. It reports whether it has left some out that were printed before.
func (p *page) help(text string) (left bool) {
	first := true
	for paragraph := range strings.SplitSeq(text, "\n\n") {
		if p.printed[paragraph] {
			left = true
			continue
		}
		p.printed[paragraph] = true
		if !first {
			p.macro(".PP")
		}
		first = false
		if strings.HasPrefix(paragraph, "  ") {
			p.macro(".nf")
			p.text(paragraph)
			p.macro(".fi")
			continue
		}
		p.text(paragraph)
	}
	return left
}

// flags writes a list of options.
func (p *page) flags(flags *pflag.FlagSet) {
	flags.SortFlags = false
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Name == "help" || f.Hidden {
			return
		}
		value, usage := pflag.UnquoteUsage(f)
		form := bold("--" + f.Name)
		if f.Shorthand != "" {
			form = bold("-"+f.Shorthand) + ", " + form
		}
		if value != "" {
			form += " " + italic(value)
		}
		if f.DefValue != "" && f.DefValue != "false" && f.DefValue != "[]" {
			usage += " (default " + f.DefValue + ")"
		}
		p.item(form, usage)
	})
}

// item writes a term, which is roff, and its text.
func (p *page) item(term, text string) {
	p.macro(".TP")
	p.macro(term)
	p.text(text)
}

// macro writes a line of roff, and text one or more lines that are none.
func (p *page) macro(line string) { fmt.Fprintln(p, line) }
func (p *page) text(lines string) { fmt.Fprintln(p, roff(lines)) }

func bold(text string) string   { return `\fB` + roff(text) + `\fR` }
func italic(text string) string { return `\fI` + roff(text) + `\fR` }

// roff returns text so that it is printed as it is: a hyphen is one that can be
// copied, and no line is a macro.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(text)
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
			lines[i] = `\&` + line
		}
	}
	return strings.Join(lines, "\n")
}
