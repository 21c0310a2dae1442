// Package ctl is the command line of rrhealthctl, for operators of a CoreDNS with
// rrhealth.
//
// Each command has a file of its own with its cobra command and what it prints.
// It asks the server through the client, which has a typed function for each path
// of package api, over the Unix socket of the Corefile's control option. Only try
// needs no server: it reads a Corefile itself.
//
// Data goes to stdout, as a table or as JSON; all else goes to stderr, so that a
// script can read the one and an operator the other. The exit code is 0 if the
// command did what it was asked for, 1 if it was refused or failed, and 2 if it
// was not understood. What a command reads and writes is in IO, so that tests run
// it in their own process, on a clock and a server of their own.
package ctl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// The exit codes. status --nagios has its own, see nagios.
const (
	ExitDone    = 0
	ExitFailed  = 1
	ExitUsage   = 2
	ExitTimeout = 3 // the --timeout of drain --wait has passed; the drain stays
)

// DefaultControl is the socket of a server, unless --control or the variable
// ControlVariable names another.
const (
	DefaultControl  = "/run/coredns/rrhealth.sock"
	ControlVariable = "RRHEALTH_CONTROL"
)

// An IO is what a command reads and writes.
type IO struct {
	Out, Err                 io.Writer
	In                       io.Reader
	OutTerminal, ErrTerminal bool                                                     // whether Out and Err are terminals
	Getenv                   func(string) string                                      // the environment
	Dial                     func(ctx context.Context, path string) (net.Conn, error) // connects to the socket
	Zone                     *time.Location                                           // of the times in tables
	Version                  string                                                   // of rrhealthctl
}

// An app is one run of rrhealthctl.
type app struct {
	IO
	control string
	format  string
	quiet   bool
	started bool // a command has begun: errors from now on are not about usage
}

// Run runs the command line args, without the name of the program, and returns the
// exit code.
func Run(ctx context.Context, s IO, args []string) int {
	a := &app{IO: s}
	root := a.root()
	root.SetArgs(append([]string{}, args...)) // without nil, for which cobra takes those of the process
	cmd, err := root.ExecuteContextC(ctx)
	return a.exit(cmd, err)
}

// An exitError ends rrhealthctl with a code other than ExitFailed. Without err
// all is printed already.
type exitError struct {
	code int
	err  error
}

// Error implements error.
func (e exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

// exit prints err and returns the exit code for it.
func (a *app) exit(cmd *cobra.Command, err error) int {
	if err == nil {
		return ExitDone
	}
	if coded, ok := errors.AsType[exitError](err); ok {
		if coded.err != nil {
			a.complain(cmd, coded.err)
		}
		return coded.code
	}
	a.complain(cmd, err)
	if a.started {
		return ExitFailed
	}
	fmt.Fprintf(a.Err, "See %s --help.\n", cmd.CommandPath())
	return ExitUsage
}

// complain prints err, which may have several lines.
func (a *app) complain(cmd *cobra.Command, err error) {
	lines := strings.Split(err.Error(), "\n")
	for i := range lines {
		lines[i] = clean(strings.ReplaceAll(lines[i], "\t", "  "))
	}
	fmt.Fprintf(a.Err, "%s: %s\n", cmd.CommandPath(), strings.Join(lines, "\n"))
}

// usagef returns an error about what was typed.
func usagef(format string, args ...any) error {
	return usageError{fmt.Sprintf(format, args...)}
}

// A usageError is an error about what was typed that a command finds after it has
// begun.
type usageError struct{ text string }

// Error implements error.
func (e usageError) Error() string { return e.text }

// run returns the RunE of a command. Until it is called, cobra's errors are
// about the usage.
func (a *app) run(f func(ctx context.Context, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		if a.format != formatTable && a.format != formatJSON {
			return usagef("-o: no such format (got %q); write table or json", a.format)
		}
		a.started = true
		err := f(cmd.Context(), args)
		if _, ok := errors.AsType[usageError](err); ok {
			a.started = false
		}
		return err
	}
}

// note prints a line of talk on stderr, unless -q is given.
func (a *app) note(format string, args ...any) {
	if !a.quiet {
		fmt.Fprintf(a.Err, format+"\n", args...)
	}
}
