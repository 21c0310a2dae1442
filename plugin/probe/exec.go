package probe

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
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
		return Check{}, fmt.Errorf("check %q: %v, want a program that this process may execute", firstWords(e.label, 2), plain(err))
	}
	return Check{
		Label: e.label,
		ID:    id(append([]string{"exec", e.file, optionsID(s.Options)}, e.args...)...),
		Probe: e.probe,
	}, nil
}

// An execCheck is a command and what it is given.
type execCheck struct {
	label string
	file  string
	args  []string // the first is the command as the Corefile writes it
	env   []string
}

// addEnv takes "env NAME VALUE...". No word of it appears in an error before it
// is known not to be the value.
func (e *execCheck) addEnv(o Option) error {
	if len(o.Args) < 2 {
		return o.errorf("got %d arguments, want a name and a value", len(o.Args))
	}
	name, value := o.Args[0], strings.Join(o.Args[1:], " ")
	switch {
	case strings.Contains(name, "="):
		return o.errorf("the first word has a = in it; want env NAME VALUE, with a space between the two")
	case !printable(name) || name == "" || strings.Contains(name, " "):
		return o.errorf("the first word is no name of a variable; want env NAME VALUE, with a NAME such as LANG")
	case name == addressVariable:
		return o.errorf("%s is the address that is probed, want another name", name)
	case name == runVariable:
		return o.errorf("%s marks the processes of a run, want another name", name)
	case strings.ContainsRune(value, 0):
		return o.errorf("the value of %s has a NUL, want none", name)
	case slices.ContainsFunc(e.env, func(v string) bool { return strings.HasPrefix(v, name+"=") }):
		return o.errorf("%s given twice, want it once", name)
	}
	e.env = append(e.env, name+"="+value)
	return nil
}

const (
	addressVariable = "RRHEALTH_ADDRESS" // tells the command which address to look at
	runVariable     = "RRHEALTH_RUN"     // marks all processes of one run of it, see killMarked
)

// probe passes when the command exits with 0. It waits for a place among the
// commands that run; that there is none in time is no fault of the backend.
func (e *execCheck) probe(ctx context.Context, addr netip.Addr) error {
	select {
	case commands <- struct{}{}:
		defer func() { <-commands }()
	case <-ctx.Done():
		return &failure{kind: e.label, target: addr, reason: reasonf("%d commands are running already, and none ended in time", maxCommands), cause: syscall.EAGAIN}
	}
	cmd := exec.Command(e.file) // #nosec G204 -- the Corefile names the command
	cmd.Args = append(slices.Clone(e.args), addr.String())
	// Not our own environment: it may hold secrets that are not meant for it.
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH")}, e.env...)
	mark := fmt.Sprintf("%s=%016x", runVariable, rand.Uint64()) // #nosec G404 -- it tells runs apart, it guards nothing
	cmd.Env = append(cmd.Env, addressVariable+"="+addr.String(), mark)
	said, err := run(ctx, cmd, mark)
	if err == nil {
		return nil
	}
	return &failure{kind: e.label, target: addr, reason: ended(ctx, said, err), cause: err}
}

// ended words why a command that said so much did not pass.
func ended(ctx context.Context, said string, err error) reason {
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
		text = "ended by " + exit.String() // a signal's name
	}
	if said == "" {
		return reasonf("%s", text)
	}
	return reasonf("%s: %s", text, repeated(said, 200))
}

// run runs cmd in a process group of its own, until it exits or ctx is done,
// and returns the first line of its stderr, or of its stdout where it wrote
// nothing there: programs at large say on stderr what went wrong, and Nagios
// plugins on stdout. Nothing of the group is left running then. What has left
// the group is killed where ctx ended the run; where the command ended by
// itself it was meant to stay.
func run(ctx context.Context, cmd *exec.Cmd, mark string) (said string, err error) {
	stdout, errOut := newOutput()
	stderr, errErr := newOutput()
	defer stdout.close()
	defer stderr.close()
	if err := errors.Join(errOut, errErr); err != nil {
		return "", err
	}
	cmd.Stdout, cmd.Stderr = stdout.w, stderr.w
	ownGroup(cmd)
	closeOnExec()
	if err := cmd.Start(); err != nil {
		return "", err
	}
	stdout.read()
	stderr.read()
	// A group's id is not given to others while the group has members. When it
	// has none, the kernel would have to come round to the same id in the
	// moment between the exit and the signal for this to hit another process.
	killed := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(killed)
		killGroup(cmd.Process)
		killMarked(cmd.Process, mark)
	})
	err = cmd.Wait()
	if !stop() {
		<-killed
	}
	killGroup(cmd.Process) // those that it has left behind
	end := time.Now().Add(drainWithin)
	said = stdout.line(end)
	if complaint := stderr.line(end); complaint != "" {
		said = complaint
	}
	reap(cmd.Process)
	return said, err
}

// An output is a pipe into which a command writes.
type output struct {
	r, w  *os.File
	first chan string
}

func newOutput() (o output, err error) {
	o.first = make(chan string, 1)
	o.r, o.w, err = os.Pipe()
	return o, err
}

// read reads what the command writes, which has its own descriptor by now.
func (o output) read() {
	_ = o.w.Close()
	go func() { o.first <- firstLine(o.r) }()
}

// line returns the first line that was written, as far as it is there by end.
func (o output) line(end time.Time) string {
	_ = o.r.SetReadDeadline(end)
	return <-o.first
}

func (o output) close() { _, _ = o.r.Close(), o.w.Close() }

// firstLine returns the first line of r that is not blank, and reads the rest
// of r to its end: a command must not be stopped by what it wants to say.
func firstLine(r io.Reader) string {
	head, _ := io.ReadAll(io.LimitReader(r, 4<<10))
	_, _ = io.Copy(io.Discard, r)
	line, _, _ := bytes.Cut(bytes.TrimSpace(head), []byte("\n"))
	return strings.TrimSpace(string(line))
}
