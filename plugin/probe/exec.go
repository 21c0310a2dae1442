package probe

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"
)

const (
	// maxCommands is how many commands may run at once, in the whole process.
	maxCommands = 128
	// drainWithin is how long the rest of a command's stderr is waited for when
	// the command is gone. Somebody who fled from its group may hold it open.
	drainWithin = 100 * time.Millisecond
)

// commands has a place for each command that may run.
var commands = make(chan struct{}, maxCommands)

// parseExec reads exec COMMAND [ARG...] with the option env. The command must
// be there and executable now.
func parseExec(s Spec) (Check, error) {
	if s.Args[0] != "exec" || len(s.Args) < 2 || s.Args[1] == "" {
		return Check{}, fmt.Errorf("check %q: no command, want check exec COMMAND [ARG...]", shown(s.Args[0]))
	}
	name := s.Args[1]
	if !printable(name) {
		return Check{}, fmt.Errorf("check exec: command %q, want a name without control characters, in UTF-8", name)
	}
	e := &execCheck{label: "exec " + name, args: s.Args[1:]}
	if slices.ContainsFunc(e.args, func(a string) bool { return strings.ContainsRune(a, 0) }) {
		return Check{}, fmt.Errorf("check %q: a NUL in an argument, want none", e.label)
	}
	err := s.each(func(o Option) (bool, error) {
		if o.Name != "env" {
			return false, nil
		}
		return true, e.addEnv(o)
	})
	if err != nil {
		return Check{}, err
	}
	file := name
	if strings.ContainsRune(name, os.PathSeparator) {
		file = path(s.Root, name)
	}
	if e.file, err = exec.LookPath(file); err != nil {
		if why, ok := errors.AsType[*exec.Error](err); ok {
			err = why.Err
		}
		return Check{}, fmt.Errorf("check %q: %v, want a program that this process may execute", e.label, plain(err))
	}
	return Check{
		Label: e.label,
		ID:    id(append([]string{"exec", e.file, optionsID(s.Options)}, e.args...)...),
		Probe: e.probe,
	}, nil
}

// An execCheck is a command and what it is given.
type execCheck struct {
	label   string
	file    string
	args    []string // the first is the command as the Corefile writes it
	env     []string
	secrets []string // values of env, which reasons do not show
}

// addEnv takes "env NAME VALUE...". The value never appears in an error.
func (e *execCheck) addEnv(o Option) error {
	if len(o.Args) < 2 {
		return o.errorf("got %d arguments, want a name and a value", len(o.Args))
	}
	name, value := o.Args[0], strings.Join(o.Args[1:], " ")
	switch {
	case !printable(name) || name == "" || strings.ContainsAny(name, "= "):
		return o.errorf("got the name %q, want one such as LANG", name)
	case name == addressVariable:
		return o.errorf("%s is the address that is probed, want another name", name)
	case strings.ContainsRune(value, 0):
		return o.errorf("the value of %s has a NUL, want none", name)
	case slices.ContainsFunc(e.env, func(v string) bool { return strings.HasPrefix(v, name+"=") }):
		return o.errorf("%s given twice, want it once", name)
	}
	e.env = append(e.env, name+"="+value)
	e.secrets = append(e.secrets, value)
	return nil
}

// addressVariable tells the command which address to look at.
const addressVariable = "RRHEALTH_ADDRESS"

// probe passes when the command exits with 0. It waits for a place among the
// commands that run; that there is none in time is no fault of the backend.
func (e *execCheck) probe(ctx context.Context, addr netip.Addr) error {
	select {
	case commands <- struct{}{}:
		defer func() { <-commands }()
	case <-ctx.Done():
		return &failure{e.label, addr, fmt.Sprintf("%d commands are running already, and none ended in time", maxCommands), syscall.EAGAIN}
	}
	cmd := exec.Command(e.file) // #nosec G204 -- the Corefile names the command
	cmd.Args = append(slices.Clone(e.args), addr.String())
	// Not our own environment: it may hold secrets that are not meant for it.
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH")}, e.env...)
	cmd.Env = append(cmd.Env, addressVariable+"="+addr.String())
	said, err := run(ctx, cmd)
	if err == nil {
		return nil
	}
	return &failure{e.label, addr, e.reason(ctx, said, err), err}
}

// reason words why the command did not pass.
func (e *execCheck) reason(ctx context.Context, said string, err error) string {
	var (
		exit *exec.ExitError
		text string
	)
	switch {
	case !errors.As(err, &exit):
		return explain("starting", err)
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		text = "timed out and was killed"
	case ctx.Err() != nil:
		text = "given up and killed"
	case exit.Exited():
		text = fmt.Sprintf("exit status %d", exit.ExitCode())
	default:
		text = "ended by " + exit.String()
	}
	if said = redact(said, e.secrets); said != "" {
		text += fmt.Sprintf(": %q", cut(strings.ToValidUTF8(said, "?")))
	}
	return text
}

// run runs cmd in a process group of its own, until it exits or ctx is done,
// and returns the first line of its stderr. Nothing of the group is left
// running then, unless it has taken pains to leave the group.
func run(ctx context.Context, cmd *exec.Cmd) (said string, err error) {
	r, w, err := os.Pipe()
	if err != nil {
		return "", err
	}
	defer r.Close()
	cmd.Stderr = w
	ownGroup(cmd)
	err = cmd.Start()
	_ = w.Close()
	if err != nil {
		return "", err
	}
	// A group's id is not given to others while the group has members. When it
	// has none, the kernel would have to come round to the same id in the
	// moment between the exit and the signal for this to hit somebody else.
	stop := context.AfterFunc(ctx, func() { killGroup(cmd.Process) })
	line := make(chan string, 1)
	go func() { line <- firstLine(r) }()
	err = cmd.Wait()
	stop()
	killGroup(cmd.Process) // those that it has left behind
	_ = r.SetReadDeadline(time.Now().Add(drainWithin))
	said = <-line
	reap(cmd.Process)
	return said, err
}

// firstLine returns the first line of r that is not blank, and reads the rest
// of r to its end: a command must not be stopped by what it wants to say.
func firstLine(r io.Reader) string {
	head, _ := io.ReadAll(io.LimitReader(r, 4<<10))
	_, _ = io.Copy(io.Discard, r)
	line, _, _ := bytes.Cut(bytes.TrimSpace(head), []byte("\n"))
	return strings.TrimSpace(string(line))
}
